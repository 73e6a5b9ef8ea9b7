#include "compiler/graph/graph.h"

#include <algorithm>
#include <cctype>

#include "runtime/base/status.h"

namespace sardonyx::graph {

namespace {

void remove_use(Value* value, Node* user, int operand) {
  auto& uses = value->uses;
  auto found = std::find(uses.begin(), uses.end(), Use{user, operand});
  check(found != uses.end(), "operand ", operand, " of a ", op_name(user->op), " is not in the use list");
  *found = uses.back();
  uses.pop_back();
}

void drop_operands(Node* node) {
  for (size_t i = 0; i < node->operands.size(); ++i) remove_use(node->operands[i], node, int(i));
  node->operands.clear();
  for (auto& region : node->regions)
    for (auto& nested : region->nodes()) drop_operands(nested.get());
}

// Symbol names are identifiers of the textual form; ONNX's dim_params are arbitrary strings.
std::string identifier(const std::string& name) {
  std::string result;
  for (char c : name) result += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (result.empty() || std::isdigit(static_cast<unsigned char>(result[0]))) result = "s" + result;
  for (const char* reserved : {"min", "max", "select", "floordiv", "floormod", "truncdiv", "truncrem", "true", "false"})
    if (result == reserved) result += '_';
  return result;
}

}  // namespace

const Tensor* Value::constant() const {
  return producer && producer->op == Op::constant ? &producer->attrs<ConstantAttrs>().value : nullptr;
}

Value* Region::add_parameter(TensorType type, std::string name) {
  auto value = std::make_unique<Value>();
  value->type = std::move(type);
  value->region = this;
  value->index = int(parameters_.size());
  value->name = std::move(name);
  parameters_.push_back(std::move(value));
  return parameters_.back().get();
}

void Region::erase_parameter(int index) {
  check(parameters_[size_t(index)]->uses.empty(), "parameter ", index, " is in use and cannot be erased");
  parameters_.erase(parameters_.begin() + index);
  for (size_t i = size_t(index); i < parameters_.size(); ++i) parameters_[i]->index = int(i);
}

Node* Region::yield() const { return nodes_.empty() || nodes_.back()->op != Op::yield ? nullptr : nodes_.back().get(); }

const std::vector<Value*>& Region::outputs() const {
  Node* node = yield();
  check(node != nullptr, "the region has no yield yet");
  return node->operands;
}

Graph::Graph() : body_(std::make_unique<Region>(*this, nullptr)) {}
Graph::~Graph() = default;

Node* Graph::create(Region& region, Node* before, Op op, AttributesPtr attributes, std::vector<Value*> operands,
                    std::vector<TensorType> result_types) {
  check(&region.graph() == this, "the region belongs to another graph");
  check(!before || before->parent == &region, "the insertion point is in another region");
  auto owned = std::make_unique<Node>();
  Node* node = owned.get();
  node->op = op;
  node->attributes = std::move(attributes);
  node->parent = &region;
  node->position = region.nodes_.insert(before ? before->position : region.nodes_.end(), std::move(owned));
  for (Value* operand : operands) add_operand(node, operand);
  for (TensorType& type : result_types) add_result(node, std::move(type));
  return node;
}

Value* Graph::add_result(Node* node, TensorType type) {
  auto value = std::make_unique<Value>();
  value->type = std::move(type);
  value->producer = node;
  value->index = int(node->results.size());
  node->results.push_back(std::move(value));
  return node->results.back().get();
}

void Graph::erase_result(Node* node, int index) {
  check(node->result(index)->uses.empty(), "result ", index, " of a ", op_name(node->op), " is in use");
  node->results.erase(node->results.begin() + index);
  for (size_t i = size_t(index); i < node->results.size(); ++i) node->results[i]->index = int(i);
}

Region* Graph::add_region(Node* node) {
  node->regions.push_back(std::make_unique<Region>(*this, node));
  return node->regions.back().get();
}

void Graph::erase_region(Node* node, int index) {
  for (auto& nested : node->regions[size_t(index)]->nodes()) drop_operands(nested.get());
  node->regions.erase(node->regions.begin() + index);
}

void Graph::set_operand(Node* node, int index, Value* value) {
  check(value != nullptr, "a null operand of ", op_name(node->op));
  Value*& slot = node->operands[size_t(index)];
  if (slot == value) return;
  remove_use(slot, node, index);
  slot = value;
  value->uses.push_back({node, index});
}

void Graph::add_operand(Node* node, Value* value) {
  check(value != nullptr, "a null operand of ", op_name(node->op));
  value->uses.push_back({node, int(node->operands.size())});
  node->operands.push_back(value);
}

void Graph::erase_operand(Node* node, int index) {
  for (size_t i = size_t(index); i < node->operands.size(); ++i) remove_use(node->operands[i], node, int(i));
  node->operands.erase(node->operands.begin() + index);
  for (size_t i = size_t(index); i < node->operands.size(); ++i) node->operands[i]->uses.push_back({node, int(i)});
}

void Graph::replace_all_uses(Value* from, Value* to) {
  if (from == to) return;
  for (const Use& use : from->uses) {
    use.user->operands[size_t(use.operand)] = to;
    to->uses.push_back(use);
  }
  from->uses.clear();
}

void Graph::erase(Node* node) {
  for (const auto& result : node->results)
    check(result->uses.empty(), "a ", op_name(node->op), " whose results are used cannot be erased");
  drop_operands(node);
  Region* parent = node->parent;
  parent->nodes_.erase(node->position);
}

void Graph::move_before(Node* node, Node* before) {
  if (node == before) return;
  before->parent->nodes_.splice(before->position, node->parent->nodes_, node->position);
  node->parent = before->parent;
}

void Graph::set_outputs(std::vector<Value*> values, std::vector<std::string> names) {
  check(values.size() == names.size(), values.size(), " outputs with ", names.size(), " names");
  if (Node* old = body_->yield()) erase(old);
  create(*body_, nullptr, Op::yield, std::make_shared<NoAttrs>(), std::move(values), {});
  output_names = std::move(names);
}

Expr Graph::symbol(const std::string& name, expr::Facts facts) {
  auto& slot = symbols_[name];
  if (slot) return Expr(slot);
  std::string printed = identifier(name);
  while (!symbol_names_.insert(printed).second) printed = str(identifier(name), '_', next_id());
  slot = expr::make_var(printed, facts);
  symbol_numbers_[slot.get()] = symbol_count();
  return Expr(slot);
}

bool Graph::has_equality(const Expr& a, const Expr& b) const {
  return std::any_of(equalities.begin(), equalities.end(), [&](const Equality& e) {
    return (expr::equal(e.left, a) && expr::equal(e.right, b)) || (expr::equal(e.left, b) && expr::equal(e.right, a));
  });
}

int64_t Graph::symbol_number(const expr::Variable* symbol) const {
  auto found = symbol_numbers_.find(symbol);
  return found == symbol_numbers_.end() ? 0 : found->second;
}

Expr Graph::fresh_symbol(const std::string& hint, expr::Facts facts) {
  std::string name;
  do name = str(identifier(hint), '_', next_id());
  while (symbols_.count(name) || symbol_names_.count(name));
  return symbol(name, facts);
}

void set_known_contents(Node* node) {
  Value* result = node->result();
  if (node->op == Op::dims_tensor) {
    const auto& attrs = node->attrs<DimsTensorAttrs>();
    if (int64_t(attrs.values.size()) <= max_contents) result->contents = attrs.values;
  }
  const Tensor* tensor = result->constant();
  if (!tensor) return;
  bool logical = tensor->dtype() == DType::Bool;
  if ((!logical && !is_integer(tensor->dtype())) || tensor->count() > max_contents) return;
  std::vector<Expr> contents;
  for (int64_t i = 0; i < tensor->count(); ++i)
    contents.push_back(logical ? expr::bool_imm(tensor->as_int(i) != 0) : Expr(tensor->as_int(i)));
  result->contents = std::move(contents);
}

}  // namespace sardonyx::graph
