// ONNX operators: versions and a lowering to primitives. Adding an operator is adding one file to compiler/ops/onnx.
//
//   // compiler/ops/onnx/hard_sigmoid.cpp
//   static std::vector<Value*> lower(Lowering& in) {
//     Value* x = in[0];
//     auto& b = in.builder();
//     Value* y = b.add(b.mul(x, b.scalar_like(x, in.attr_float("alpha", 0.2))), b.scalar_like(x, in.attr_float("beta",
//     0.5))); return {b.minimum(b.maximum(y, b.scalar_like(x, 0)), b.scalar_like(x, 1))};
//   }
//   static const OnnxOp op{{.name = "HardSigmoid", .since = {{1, lower}, {6, lower}}, .inputs = {1, 1}, .outputs = {1,
//   1}}};
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "compiler/graph/builder.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {

using graph::Builder;
using graph::Expr;
using graph::Value;

// A subgraph attribute: builds its nodes with `builder`, given values for its formal inputs; returns its outputs.
// Outer names are captured by the importer behind it.
struct Subgraph {
  std::vector<std::string> inputs, outputs;
  std::function<std::vector<Value*>(Builder& builder, const std::vector<Value*>& arguments)> build;
  std::vector<ValueTypePtr> output_types = {};  // as declared; null where they are not
};

// An attribute value as the importer hands it over (ONNX AttributeProto.type decides the alternative).
using Attribute = std::variant<int64_t, double, std::string, Tensor, Subgraph, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>, ValueTypePtr>;

// Builds the nodes around a node again, so that the tensors `names` are `values`, and gives the tensor `y` as it then
// is. What does not depend on the names is not built again. Throws InvalidModel for names that the node does not see.
using Reevaluate = std::function<Value*(Builder& builder, const std::vector<std::string>& names,
                                        const std::vector<Value*>& values, const std::string& y)>;

// What Lowering::fail throws: the node itself breaks its operator's rules (attributes, operand counts), as opposed to
// operands that do not fit each other, which the builder finds.
class NodeError : public Error {
 public:
  using Error::Error;
};

// One node being lowered: typed access to inputs and attributes. Getters throw Error(InvalidModel) naming node,
// operator, attribute, and what was expected when an attribute is missing or has the wrong type.
class Lowering {
 public:
  Lowering(Builder& builder, std::string node, std::string op, int version, std::vector<Value*> inputs,
           const std::map<std::string, Attribute>& attributes, int output_count, Reevaluate reevaluate = {})
      : builder_(builder),
        node_(std::move(node)),
        op_(std::move(op)),
        version_(version),
        inputs_(std::move(inputs)),
        attributes_(attributes),
        output_count_(output_count),
        reevaluate_(std::move(reevaluate)) {}

  Builder& builder() { return builder_; }
  int version() const { return version_; }  // the opset version that selected the lowering
  const std::string& node() const { return node_; }
  const std::string& op() const { return op_; }
  int inputs() const { return int(inputs_.size()); }
  int outputs() const { return output_count_; }  // declared outputs, trailing omitted ones excluded
  // Input i; throws InvalidModel when it is omitted.
  Value* operator[](int i) const;
  // Input i, or null when omitted or absent.
  Value* optional(int i) const { return i < inputs() ? inputs_[size_t(i)] : nullptr; }

  bool has(const std::string& name) const { return attributes_.count(name) != 0; }
  int64_t attr_int(const std::string& name, std::optional<int64_t> fallback = {}) const;
  double attr_float(const std::string& name, std::optional<double> fallback = {}) const;
  std::string attr_string(const std::string& name, std::optional<std::string> fallback = {}) const;
  std::vector<int64_t> attr_ints(const std::string& name, std::optional<std::vector<int64_t>> fallback = {}) const;
  std::vector<double> attr_floats(const std::string& name, std::optional<std::vector<double>> fallback = {}) const;
  std::vector<std::string> attr_strings(const std::string& name,
                                        std::optional<std::vector<std::string>> fallback = {}) const;
  const Tensor& attr_tensor(const std::string& name) const;
  const Subgraph& attr_graph(const std::string& name) const;
  const ValueTypePtr& attr_type(const std::string& name) const;
  // The "axes moved from attribute to input" family: input `index` when present (its contents must be static, else
  // UnsupportedShape), else the attribute; nothing when neither is there.
  std::optional<std::vector<int64_t>> ints_input_or_attr(int index, const std::string& name) const;

  // The surroundings of the node; see Reevaluate.
  const Reevaluate& surroundings() const { return reevaluate_; }

  // A non-negative axis of a tensor of `rank`; throws InvalidModel when out of [-rank, rank), or [-rank, rank] if
  // inclusive. Negative values count from rank. An axis of a result with one dim more is axis(value, rank + 1).
  int64_t axis(int64_t value, int rank, bool inclusive = false) const;
  // Input 0 and attribute "axis"; without the attribute, the input as a vector and axis 0.
  std::pair<Value*, int64_t> on_axis_or_flat();
  // Throws Error(status) with "node 'x' (Conv, opset 13): " before the text.
  template <class... Args>
  [[noreturn]] void fail(Status status, const Args&... args) const {
    throw NodeError(status, str("node '", node_, "' (", op_, ", opset ", version_, "): ", args...));
  }
  template <class... Args>
  void require(bool condition, Status status, const Args&... args) const {
    if (!condition) fail(status, args...);
  }

 private:
  Builder& builder_;
  std::string node_, op_;
  int version_;
  std::vector<Value*> inputs_;
  const std::map<std::string, Attribute>& attributes_;
  int output_count_;
  Reevaluate reevaluate_;
};

using LowerFunction = std::vector<Value*> (*)(Lowering& in);

// What runs an operator: kernels (generated and fused, or a vendor's), a C++ function on the host for at least a part
// of it, or steps of the program (control flow).
enum class Execution : uint8_t { Kernels, Host, Steps };

// An operator of an ONNX domain. `since`: every schema version with the function that lowers it.
struct OnnxOpDef {
  const char* name;
  const char* domain = "";  // "" is ai.onnx
  std::vector<std::pair<int, LowerFunction>> since;
  struct Arity {
    int min, max;
  };
  Arity inputs{1, 1}, outputs{1, 1};  // max -1: variadic
  Execution execution = Execution::Kernels;
  bool containers = false;  // inputs may be sequences, optionals, maps; of others the importer refuses them
};

// Static registration: `static const OnnxOp op{{...}};` at namespace scope.
class OnnxOp {
 public:
  OnnxOp(OnnxOpDef def);  // NOLINT: a brace list reads like a table row
  OnnxOpDef def;
  const OnnxOp* next;  // intrusive list of all registered operators
};

// The entry of `since` that applies to an imported opset version, or null when the operator is unknown (or newer).
struct OnnxOpVersion {
  const OnnxOpDef* op = nullptr;
  int since = 0;
  LowerFunction lower = nullptr;
};
OnnxOpVersion find_onnx_op(const std::string& domain, const std::string& name, int opset);
// All registered operators, sorted by domain and name.
const std::vector<const OnnxOpDef*>& onnx_ops();

}  // namespace sardonyx::ops
