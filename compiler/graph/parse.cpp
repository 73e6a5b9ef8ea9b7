// Reads the textual form that print.cpp writes. Types are taken as written; verify() tells whether they are right.
#include <map>

#include "compiler/expr/parse.h"
#include "compiler/graph/fields.h"
#include "compiler/graph/graph.h"
#include "compiler/graph/scanner.h"

namespace sardonyx::graph {

namespace {

class Parser : private FieldVisitor {
 public:
  explicit Parser(const std::string& text) : in_(text) {}

  std::unique_ptr<Graph> graph() {
    graph_ = std::make_unique<Graph>();
    while (in_.accept("symbol")) symbol();
    while (in_.accept("equal")) {
      Expr left = expression();
      in_.expect(",");
      Expr right = expression();
      graph_->equalities.push_back({left, right, in_.quoted()});
    }
    in_.expect("graph");
    region(graph_->body());
    if (!in_.at_end()) in_.fail("text behind the graph");
    return std::move(graph_);
  }

 private:
  struct Result {
    std::string id;
    TensorType type;
    std::string name;
  };

  void symbol() {
    std::string name = in_.expect_word("a symbol's name");
    expr::Facts facts;
    in_.expect("[");
    facts.min = in_.integer();
    in_.expect(",");
    facts.max = in_.integer();
    in_.expect(",");
    facts.multiple_of = in_.integer();
    in_.expect("]");
    graph_->symbol(name, facts);
  }

  Expr expression() {
    std::string text = in_.balanced();
    try {
      return expr::parse(text, [this](const std::string& name) { return graph_->symbol(name)->var; });
    } catch (const Error& error) {
      in_.fail(error.text());
    }
  }

  Exprs expressions() {
    Exprs result;
    in_.expect("[");
    if (in_.accept("]")) return result;
    do result.push_back(expression());
    while (in_.accept(","));
    in_.expect("]");
    return result;
  }

  Ints integers() {
    Ints result;
    in_.expect("[");
    if (in_.accept("]")) return result;
    do result.push_back(in_.integer());
    while (in_.accept(","));
    in_.expect("]");
    return result;
  }

  DType dtype() {
    std::string name = in_.expect_word("a data type");
    DType result = dtype_from_name(name);
    if (result == DType::None) in_.fail("unknown data type '", name, "'");
    return result;
  }

  TensorType type() {
    TensorType result;
    result.dtype = dtype();
    result.dims = expressions();
    if (in_.accept(":")) result.layout = parse_layout(in_.expect_word("a layout"));
    return result;
  }

  std::string id() {
    in_.expect("%");
    std::string name = in_.word();
    return name.empty() ? std::to_string(in_.integer()) : name;
  }

  Result definition() {
    Result result;
    result.id = id();
    in_.expect(":");
    result.type = type();
    if (in_.quoted_next()) result.name = in_.quoted();
    return result;
  }

  void define(const Result& definition, Value* value) {
    value->name = definition.name;
    if (!values_.emplace(definition.id, value).second) in_.fail("%", definition.id, " is defined twice");
  }

  Value* reference() {
    std::string name = id();
    auto found = values_.find(name);
    if (found == values_.end()) in_.fail("%", name, " is not defined");
    return found->second;
  }

  void region(Region& region) {
    in_.expect("(");
    if (!in_.accept(")")) {
      do {
        Result parameter = definition();
        define(parameter, region.add_parameter(parameter.type));
      } while (in_.accept(","));
      in_.expect(")");
    }
    in_.expect("{");
    while (!in_.accept("}")) node(region);
  }

  void node(Region& region) {
    std::vector<Result> results;
    if (in_.peek() == '%') {
      do results.push_back(definition());
      while (in_.accept(","));
      in_.expect("=");
    }
    std::string name = in_.expect_word("an operator");
    Op op;
    if (!op_from_name(name, &op)) in_.fail("unknown operator '", name, "'");
    std::vector<Value*> operands;
    if (in_.peek() == '%') {
      do {
        operands.push_back(reference());
        if (in_.quoted_next()) graph_->output_names.push_back(in_.quoted());
      } while (in_.accept(","));
    }
    auto attributes = make_attributes(op);
    if (in_.accept("{")) fields(*attributes, name);
    std::vector<TensorType> types;
    for (const Result& result : results) types.push_back(result.type);
    if ((op == Op::constant || op == Op::dims_tensor) && types.size() != 1) in_.fail("a ", name, " has one result");
    Node* node = graph_->create(region, nullptr, op, attributes, std::move(operands), std::move(types));
    while (in_.peek() == '(') this->region(*graph_->add_region(node));
    if (in_.accept("from")) {
      do node->sources.push_back(in_.quoted());
      while (in_.accept(","));
    }
    for (size_t i = 0; i < results.size(); ++i) define(results[i], node->result(int(i)));
    if (op == Op::constant || op == Op::dims_tensor) set_known_contents(node);
  }

  void fields(Attributes& attributes, const std::string& op) {
    do {
      wanted_ = in_.expect_word("an attribute");
      found_ = false;
      in_.expect("=");
      attributes.visit_fields(*this);
      if (!found_) in_.fail("'", op, "' has no attribute '", wanted_, "'");
    } while (in_.accept(","));
    in_.expect("}");
  }

  bool is_wanted(const char* name) {
    if (found_ || wanted_ != name) return false;
    return found_ = true;
  }

  void operator()(const char* name, bool& value) override {
    if (!is_wanted(name)) return;
    value = in_.accept("true");
    if (!value) in_.expect("false");
  }
  void operator()(const char* name, int64_t& value) override {
    if (is_wanted(name)) value = in_.integer();
  }
  void operator()(const char* name, double& value) override {
    if (is_wanted(name)) value = in_.number();
  }
  void operator()(const char* name, std::string& value) override {
    if (is_wanted(name)) value = in_.quoted();
  }
  void operator()(const char* name, DType& value) override {
    if (is_wanted(name)) value = dtype();
  }
  void operator()(const char* name, Ints& value) override {
    if (is_wanted(name)) value = integers();
  }
  void operator()(const char* name, Exprs& value) override {
    if (is_wanted(name)) value = expressions();
  }
  void operator()(const char* name, Layout& value) override {
    if (is_wanted(name)) value = parse_layout(in_.quoted());
  }
  void operator()(const char* name, Tensor& value) override {
    if (is_wanted(name)) value = tensor();
  }
  void enumeration(const char* name, int& value, const char* const* names) override {
    if (!is_wanted(name)) return;
    std::string word = in_.expect_word("an enumerator");
    for (value = 0; names[value]; ++value)
      if (word == names[value]) return;
    in_.fail("'", word, "' is no value of '", name, "'");
  }

  Tensor tensor() {
    DType type = dtype();
    Tensor result(type, integers());
    if (in_.peek() == '#') in_.fail("the contents of a large constant are not part of the text");
    in_.expect("{");
    for (int64_t i = 0, count = result.count(); i < count; ++i) {
      if (i) in_.expect(",");
      if (is_float(type))
        result.set_double(i, in_.number());
      else
        result.set_int(i, in_.integer());
    }
    in_.expect("}");
    return result;
  }

  Scanner in_;
  std::unique_ptr<Graph> graph_;
  std::map<std::string, Value*> values_;
  std::string wanted_;
  bool found_ = false;
};

}  // namespace

std::unique_ptr<Graph> parse(const std::string& text) { return Parser(text).graph(); }

}  // namespace sardonyx::graph
