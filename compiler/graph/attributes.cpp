#include "compiler/graph/attributes.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <typeinfo>

#include "compiler/graph/fields.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {

const char* const unary_names[] = {"neg",   "abs",   "sign",  "floor", "ceil",    "round", "sqrt",  "exp",  "log",
                                   "sin",   "cos",   "tan",   "asin",  "acos",    "atan",  "sinh",  "cosh", "tanh",
                                   "asinh", "acosh", "atanh", "erf",   "sigmoid", "isnan", "isinf", "not",  nullptr};
const char* const binary_names[] = {"add",        "sub",         "mul", "div", "rem", "mod", "pow", "min", "max",
                                    "shift_left", "shift_right", "and", "or",  "xor", "eq",  "lt",  "le",  nullptr};
const char* const pad_mode_names[] = {"constant", "edge", "reflect", "wrap", nullptr};
const char* const scatter_reduce_names[] = {"none", "add", "mul", "min", "max", nullptr};
const char* const reduce_names[] = {"sum", "product", "max", "min", nullptr};
const char* const pool_names[] = {"max", "average", "sum", "argmax", nullptr};
const char* const rnn_names[] = {"lstm", "gru", "rnn", nullptr};

namespace {

class Collector : public FieldVisitor {
 public:
  void operator()(const char* name, bool& value) override { put(name, value); }
  void operator()(const char* name, int64_t& value) override { put(name, value); }
  void operator()(const char* name, double& value) override { put(name, value); }
  void operator()(const char* name, std::string& value) override { put(name, value); }
  void operator()(const char* name, DType& value) override { put(name, value); }
  void operator()(const char* name, Ints& value) override { put(name, value); }
  void operator()(const char* name, Exprs& value) override { put(name, value); }
  void operator()(const char* name, Layout& value) override { put(name, value); }
  void operator()(const char* name, Tensor& value) override { put(name, value); }
  void enumeration(const char* name, int& value, const char* const* names) override {
    put(name, EnumField{value, names});
  }
  std::vector<Field> fields;

 private:
  template <class T>
  void put(const char* name, const T& value) {
    fields.push_back({name, value});
  }
};

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}

uint64_t hash_bytes(const void* bytes, size_t size, uint64_t seed) {
  auto* p = static_cast<const uint8_t*>(bytes);
  uint64_t hash = mix(seed, size);
  for (; size >= 8; size -= 8, p += 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    hash = mix(hash, word);
  }
  uint64_t tail = 0;
  if (size) std::memcpy(&tail, p, size);
  return mix(hash, tail);
}

uint64_t hash_texts(const Tensor& tensor, uint64_t seed) {
  uint64_t hash = seed;
  for (int64_t i = 0; i < tensor.count(); ++i) hash = hash_bytes(tensor.text(i).data(), tensor.text(i).size(), hash);
  return hash;
}

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

int highest_axis(const Layout& layout) {
  int rank = int(layout.order.size());
  for (const auto& block : layout.blocks) rank = std::max(rank, block.axis + 1);
  return rank;
}

uint64_t hash_field(const Field& field) {
  uint64_t seed = field.value.index() + 1;
  return std::visit(Overloaded{
                        [&](bool v) { return mix(seed, v); },
                        [&](int64_t v) { return mix(seed, uint64_t(v)); },
                        [&](double v) { return hash_bytes(&v, sizeof v, seed); },
                        [&](const std::string& v) { return hash_bytes(v.data(), v.size(), seed); },
                        [&](DType v) { return mix(seed, uint64_t(v)); },
                        [&](const Ints& v) { return hash_bytes(v.data(), v.size() * sizeof(int64_t), seed); },
                        [&](const Exprs& v) {
                          uint64_t hash = mix(seed, v.size());
                          for (const Expr& e : v) hash = mix(hash, e->hash);
                          return hash;
                        },
                        [&](const Layout& v) {
                          std::string text = to_string(v, highest_axis(v));
                          return hash_bytes(text.data(), text.size(), seed);
                        },
                        [&](const Tensor& v) {
                          if (!v.defined()) return seed;
                          uint64_t hash = hash_bytes(v.dims().data(), v.dims().size() * sizeof(int64_t),
                                                     mix(seed, uint64_t(v.dtype())));
                          if (v.dtype() == DType::String) return hash_texts(v, hash);
                          return hash_bytes(v.raw(), size_t(v.bytes()), hash);
                        },
                        [&](const EnumField& v) { return mix(seed, uint64_t(v.value)); },
                    },
                    field.value);
}

}  // namespace

std::vector<Field> collect_fields(const Attributes& attributes) {
  Collector collector;
  const_cast<Attributes&>(attributes).visit_fields(collector);  // the collector only reads
  return std::move(collector.fields);
}

std::string quote(const std::string& text) {
  static const char digits[] = "0123456789abcdef";
  std::string result = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      result += {'\\', c};
    else if (byte < 0x20 || byte == 0x7f)
      result += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    else
      result += c;
  }
  return result + '"';
}

std::string print_double(double value) {
  char buffer[40];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, end};
}

std::string content_hash(const void* bytes, size_t size) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (uint64_t seed : {0x243f6a8885a308d3u, 0x13198a2e03707344u}) {
    uint64_t hash = hash_bytes(bytes, size, seed);
    for (int shift = 60; shift >= 0; shift -= 4) text += digits[(hash >> shift) & 15];
  }
  return text;
}

std::string print_tensor(const Tensor& tensor) {
  if (!tensor.defined()) return "none[]{}";
  std::string text = str(dtype_name(tensor.dtype()), tensor.dims());
  int64_t count = tensor.count();
  if (tensor.dtype() == DType::String) return text + '#' + std::to_string(hash_texts(tensor, 0));
  bool printable =
      size_of(tensor.dtype()) != 0 && tensor.dtype() != DType::Complex64 && tensor.dtype() != DType::Complex128;
  if (count > max_printed_elements || !printable)
    return text + '#' + content_hash(tensor.raw(), size_t(tensor.bytes()));
  text += '{';
  for (int64_t i = 0; i < count; ++i) {
    if (i) text += ',';
    if (tensor.dtype() == DType::U64)
      text += std::to_string(tensor.data<uint64_t>()[i]);
    else
      text += is_float(tensor.dtype()) ? print_double(tensor.as_double(i)) : std::to_string(tensor.as_int(i));
  }
  return text + '}';
}

std::string print_field(const Field& field, const ExprPrinter& printer) {
  return std::visit(Overloaded{
                        [](bool v) -> std::string { return v ? "true" : "false"; },
                        [](int64_t v) { return std::to_string(v); },
                        [](double v) { return print_double(v); },
                        [](const std::string& v) { return quote(v); },
                        [](DType v) { return std::string(dtype_name(v)); },
                        [](const Ints& v) { return str(v); },
                        [&](const Exprs& v) {
                          std::string text = "[";
                          for (size_t i = 0; i < v.size(); ++i) text += (i ? "," : "") + printer(v[i]);
                          return text + ']';
                        },
                        [](const Layout& v) { return quote(to_string(v, highest_axis(v))); },
                        [](const Tensor& v) { return print_tensor(v); },
                        [](const EnumField& v) { return std::string(v.names[v.value]); },
                    },
                    field.value);
}

bool equal_fields(const Field& a, const Field& b) {
  if (a.value.index() != b.value.index()) return false;
  return std::visit(Overloaded{
                        [&](const Exprs& v) {
                          const auto& other = std::get<Exprs>(b.value);
                          return std::equal(v.begin(), v.end(), other.begin(), other.end(), expr::equal);
                        },
                        [&](const Tensor& v) { return same_bits(v, std::get<Tensor>(b.value)); },
                        [&](const EnumField& v) { return v.value == std::get<EnumField>(b.value).value; },
                        [&](double v) {
                          return v == std::get<double>(b.value) ||
                                 (std::isnan(v) && std::isnan(std::get<double>(b.value)));
                        },
                        [&]<class T>(const T& v) { return v == std::get<T>(b.value); },
                    },
                    a.value);
}

std::string print_attributes(const Attributes& attributes) {
  std::string text;
  for (const Field& field : collect_fields(attributes))
    text += str(text.empty() ? "{" : ", ", field.name, '=',
                print_field(field, [](const Expr& e) { return expr::to_string(e); }));
  return text.empty() ? text : text + '}';
}

bool equal_attributes(const Attributes& a, const Attributes& b) {
  if (&a == &b) return true;
  if (typeid(a) != typeid(b)) return false;
  auto left = collect_fields(a), right = collect_fields(b);
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), equal_fields);
}

uint64_t hash_attributes(const Attributes& attributes) {
  uint64_t hash = 0x452821e638d01377u;
  for (const Field& field : collect_fields(attributes)) hash = mix(hash, hash_field(field));
  return hash;
}

namespace {

using MakeAttributes = std::shared_ptr<Attributes> (*)();
template <class A>
std::shared_ptr<Attributes> make_default() {
  return std::make_shared<A>();
}

MakeAttributes maker(Op op) {
  switch (op) {
    case Op::unary:
      return make_default<UnaryAttrs>;
    case Op::binary:
      return make_default<BinaryAttrs>;
    case Op::cast:
      return make_default<CastAttrs>;
    case Op::constant:
      return make_default<ConstantAttrs>;
    case Op::iota:
      return make_default<IotaAttrs>;
    case Op::broadcast:
      return make_default<BroadcastAttrs>;
    case Op::reshape:
      return make_default<ReshapeAttrs>;
    case Op::transpose:
      return make_default<TransposeAttrs>;
    case Op::slice:
      return make_default<SliceAttrs>;
    case Op::pad:
      return make_default<PadAttrs>;
    case Op::concat:
    case Op::gather:
    case Op::gather_elements:
      return make_default<AxisAttrs>;
    case Op::gather_nd:
      return make_default<GatherNdAttrs>;
    case Op::scatter_elements:
    case Op::scatter_nd:
      return make_default<ScatterAttrs>;
    case Op::reduce:
      return make_default<ReduceAttrs>;
    case Op::arg_reduce:
      return make_default<ArgReduceAttrs>;
    case Op::cumulate:
      return make_default<CumulateAttrs>;
    case Op::pool:
      return make_default<PoolAttrs>;
    case Op::matmul:
      return make_default<MatmulAttrs>;
    case Op::conv:
      return make_default<ConvAttrs>;
    case Op::conv_transpose:
      return make_default<ConvTransposeAttrs>;
    case Op::softmax:
      return make_default<SoftmaxAttrs>;
    case Op::layer_norm:
      return make_default<LayerNormAttrs>;
    case Op::lrn:
      return make_default<LrnAttrs>;
    case Op::rnn:
      return make_default<RnnAttrs>;
    case Op::topk:
      return make_default<TopkAttrs>;
    case Op::host_call:
      return make_default<HostCallAttrs>;
    case Op::loop:
      return make_default<LoopAttrs>;
    case Op::dims_tensor:
      return make_default<DimsTensorAttrs>;
    case Op::bind_dims:
      return make_default<BindDimsAttrs>;
    case Op::check:
      return make_default<CheckAttrs>;
    case Op::reorder:
      return make_default<ReorderAttrs>;
    case Op::copy:
      return make_default<CopyAttrs>;
    case Op::fused:
      return make_default<FusedAttrs>;
    case Op::select:
    case Op::nonzero:
    case Op::if_:
    case Op::yield:
      return make_default<NoAttrs>;
  }
  fail(Status::InternalError, "no attributes for operator kind ", int(op));
}

}  // namespace

std::shared_ptr<Attributes> make_attributes(Op op) { return maker(op)(); }

std::vector<Exprs> RnnAttrs::operand_dims(const Expr& time, const Expr& batch) const {
  const Expr d = directions(), rows = gates() * hidden, h = hidden;
  const Exprs state{d, batch, h};
  std::vector<Exprs> dims{{time, batch, directions() * gates() * hidden}, {d, rows, h}, {batch}, state};
  if (kind == RnnKind::Lstm) {
    dims.push_back(state);
    dims.push_back({d, 3 * hidden});
  } else if (kind == RnnKind::Gru && linear_before_reset) {
    dims.push_back({d, h});
  }
  return dims;
}

}  // namespace sardonyx::graph
