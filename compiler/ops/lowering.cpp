#include "compiler/ops/lowering.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <unordered_map>

namespace sardonyx::ops {

namespace {

constexpr const char* attribute_kinds[] = {"an integer",       "a float",           "a string",
                                           "a tensor",         "a graph",           "a list of integers",
                                           "a list of floats", "a list of strings", "a type"};
static_assert(std::size(attribute_kinds) == std::variant_size_v<Attribute>);

// The index of T among the alternatives of Attribute.
template <class T, size_t I = 0>
constexpr size_t kind_of() {
  if constexpr (std::is_same_v<T, std::variant_alternative_t<I, Attribute>>)
    return I;
  else
    return kind_of<T, I + 1>();
}

// The attribute as T; null when absent; throws when it has another type.
template <class T>
const T* find(const Lowering& in, const std::map<std::string, Attribute>& attributes, const std::string& name) {
  auto found = attributes.find(name);
  if (found == attributes.end()) return nullptr;
  const T* value = std::get_if<T>(&found->second);
  in.require(value != nullptr, Status::InvalidModel, "attribute '", name, "' must be ", attribute_kinds[kind_of<T>()],
             ", but is ", attribute_kinds[found->second.index()]);
  return value;
}

template <class T>
const T& get(const Lowering& in, const std::map<std::string, Attribute>& attributes, const std::string& name) {
  const T* value = find<T>(in, attributes, name);
  in.require(value != nullptr, Status::InvalidModel, "attribute '", name, "' (", attribute_kinds[kind_of<T>()],
             ") is required");
  return *value;
}

template <class T>
T get_or(const Lowering& in, const std::map<std::string, Attribute>& attributes, const std::string& name,
         std::optional<T> fallback) {
  if (!fallback) return get<T>(in, attributes, name);
  const T* value = find<T>(in, attributes, name);
  return value ? *value : std::move(*fallback);
}

const OnnxOp* registered = nullptr;

std::string_view canonical_domain(std::string_view domain) { return domain == "ai.onnx" ? std::string_view() : domain; }

struct Registry {
  std::vector<const OnnxOpDef*> sorted;
  std::unordered_map<std::string, const OnnxOpDef*> by_name;  // "domain:name"
};

const Registry& registry() {
  static const Registry instance = [] {
    Registry result;
    for (const OnnxOp* op = registered; op; op = op->next) result.sorted.push_back(&op->def);
    std::sort(result.sorted.begin(), result.sorted.end(), [](const OnnxOpDef* a, const OnnxOpDef* b) {
      return std::tuple(canonical_domain(a->domain), std::string_view(a->name)) <
             std::tuple(canonical_domain(b->domain), std::string_view(b->name));
    });
    for (const OnnxOpDef* def : result.sorted) {
      bool inserted = result.by_name.emplace(str(canonical_domain(def->domain), ':', def->name), def).second;
      check(inserted, "operator ", def->name, " is registered twice");
    }
    return result;
  }();
  return instance;
}

}  // namespace

Value* Lowering::operator[](int i) const {
  Value* value = optional(i);
  require(value != nullptr, Status::InvalidModel, "input ", i, " is required");
  return value;
}

int64_t Lowering::attr_int(const std::string& name, std::optional<int64_t> fallback) const {
  return get_or(*this, attributes_, name, fallback);
}

double Lowering::attr_float(const std::string& name, std::optional<double> fallback) const {
  return get_or(*this, attributes_, name, fallback);
}

std::string Lowering::attr_string(const std::string& name, std::optional<std::string> fallback) const {
  return get_or(*this, attributes_, name, std::move(fallback));
}

std::vector<int64_t> Lowering::attr_ints(const std::string& name, std::optional<std::vector<int64_t>> fallback) const {
  return get_or(*this, attributes_, name, std::move(fallback));
}

std::vector<double> Lowering::attr_floats(const std::string& name, std::optional<std::vector<double>> fallback) const {
  return get_or(*this, attributes_, name, std::move(fallback));
}

std::vector<std::string> Lowering::attr_strings(const std::string& name,
                                                std::optional<std::vector<std::string>> fallback) const {
  return get_or(*this, attributes_, name, std::move(fallback));
}

const Tensor& Lowering::attr_tensor(const std::string& name) const { return get<Tensor>(*this, attributes_, name); }

const Subgraph& Lowering::attr_graph(const std::string& name) const { return get<Subgraph>(*this, attributes_, name); }

const ValueTypePtr& Lowering::attr_type(const std::string& name) const {
  return get<ValueTypePtr>(*this, attributes_, name);
}

std::optional<std::vector<int64_t>> Lowering::ints_input_or_attr(int index, const std::string& name) const {
  if (Value* value = optional(index)) {
    require(value->type.dtype == DType::I64 || value->type.dtype == DType::I32, Status::InvalidModel, "input ", index,
            " ('", name, "') must be an integer tensor, but is ", dtype_name(value->type.dtype));
    auto contents = builder_.static_ints(value);
    require(contents.has_value(), Status::UnsupportedShape, "input ", index, " ('", name,
            "') must be known when the graph is compiled");
    return contents;
  }
  if (!has(name)) return std::nullopt;
  return attr_ints(name);
}

int64_t Lowering::axis(int64_t value, int rank, bool inclusive) const {
  int64_t last = inclusive ? rank : rank - 1;
  require(value >= -rank && value <= last, Status::InvalidModel, "axis ", value, " is out of range [", -rank, ", ",
          last, "]");
  return value < 0 ? value + rank : value;
}

std::pair<Value*, int64_t> Lowering::on_axis_or_flat() {
  Value* x = (*this)[0];
  if (has("axis")) return {x, axis(attr_int("axis"), x->type.rank())};
  return {builder_.reshape(x, {graph::element_count(x->type)}), 0};
}

OnnxOp::OnnxOp(OnnxOpDef def) : def(std::move(def)), next(registered) { registered = this; }

OnnxOpVersion find_onnx_op(const std::string& domain, const std::string& name, int opset) {
  const auto& by_name = registry().by_name;
  auto found = by_name.find(str(canonical_domain(domain), ':', name));
  if (found == by_name.end()) return {};
  OnnxOpVersion best;
  for (const auto& [since, lower] : found->second->since)
    if (since <= opset && since > best.since) best = {found->second, since, lower};
  return best;
}

const std::vector<const OnnxOpDef*>& onnx_ops() { return registry().sorted; }

}  // namespace sardonyx::ops
