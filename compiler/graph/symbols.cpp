#include "compiler/graph/symbols.h"

namespace sardonyx::graph {

namespace {

// Hands the expression fields on.
class ExprVisitor : public FieldVisitor {
 public:
  explicit ExprVisitor(const std::function<void(Expr&)>& f) : f_(f) {}
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
    for (Expr& value : values) f_(value);
  }

 private:
  const std::function<void(Expr&)>& f_;
};

}  // namespace

void for_each_attribute_expr(const Node& node, const std::function<void(const Expr&)>& f) {
  if (!node.attributes) return;
  const std::function<void(Expr&)> read = f;
  ExprVisitor visitor(read);
  const_cast<Attributes&>(*node.attributes).visit_fields(visitor);  // visitors that only read do not modify
}

AttributesPtr map_attribute_exprs(const Attributes& attributes, const std::function<Expr(const Expr&)>& f) {
  std::shared_ptr<Attributes> copy = attributes.clone();
  const std::function<void(Expr&)> replace = [&](Expr& e) { e = f(e); };
  ExprVisitor visitor(replace);
  copy->visit_fields(visitor);
  return copy;
}

AttributesPtr substitute_symbols(const Attributes& attributes, const expr::Substitution& symbols) {
  return map_attribute_exprs(attributes, [&](const Expr& e) { return expr::substitute(e, symbols); });
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
