#include "compiler/graph/symbols.h"

namespace sardonyx::graph {

namespace {

// Hands the expression fields on; visitors only read (see FieldVisitor).
class ExprVisitor : public FieldVisitor {
 public:
  explicit ExprVisitor(const std::function<void(const Expr&)>& f) : f_(f) {}
  void operator()(const char*, bool&) override {}
  void operator()(const char*, int64_t&) override {}
  void operator()(const char*, double&) override {}
  void operator()(const char*, std::string&) override {}
  void operator()(const char*, DType&) override {}
  void operator()(const char*, Ints&) override {}
  void operator()(const char*, Layout&) override {}
  void operator()(const char*, Tensor&) override {}
  void enumeration(const char*, int&, const char* const*) override {}
  void operator()(const char*, Exprs& values) override {
    for (const Expr& value : values) f_(value);
  }

 private:
  const std::function<void(const Expr&)>& f_;
};

}  // namespace

void for_each_attribute_expr(const Node& node, const std::function<void(const Expr&)>& f) {
  if (!node.attributes) return;
  ExprVisitor visitor(f);
  const_cast<Attributes&>(*node.attributes).visit_fields(visitor);
}

void for_each_dim(const Node& node, const std::function<void(const Expr&)>& f) {
  for (const Value* operand : node.operands)
    for (const Expr& dim : operand->type.dims) f(dim);
  for (const auto& result : node.results)
    for (const Expr& dim : result->type.dims) f(dim);
  for_each_attribute_expr(node, f);
  for (const auto& region : node.regions) {
    for (const auto& parameter : region->parameters())
      for (const Expr& dim : parameter->type.dims) f(dim);
    for (const auto& inner : region->nodes()) for_each_dim(*inner, f);
  }
}

}  // namespace sardonyx::graph
