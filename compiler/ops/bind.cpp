#include "compiler/ops/bind.h"

#include "compiler/expr/simplify.h"

namespace sardonyx::ops {
namespace {

class Binder : public graph::FieldVisitor {
 public:
  explicit Binder(const SymbolValues& values) : values_(values) {}
  using graph::FieldVisitor::operator();
  void operator()(const char*, bool&) override {}
  void operator()(const char*, int64_t&) override {}
  void operator()(const char*, double&) override {}
  void operator()(const char*, std::string&) override {}
  void operator()(const char*, DType&) override {}
  void operator()(const char*, graph::Ints&) override {}
  void operator()(const char*, graph::Exprs& exprs) override {
    for (graph::Expr& e : exprs) e = expr::evaluate(e, values_);
  }
  void operator()(const char*, graph::Layout&) override {}
  void operator()(const char*, Tensor&) override {}
  void enumeration(const char*, int&, const char* const*) override {}

 private:
  const SymbolValues& values_;
};

}  // namespace

graph::AttributesPtr bind_symbols(const graph::Attributes& attributes, const SymbolValues& values) {
  auto bound = attributes.clone();
  Binder binder(values);
  bound->visit_fields(binder);
  return bound;
}

}  // namespace sardonyx::ops
