// From model bytes to a graph of primitives. The only public header of importer/; protobuf stays behind it.
//
// Stages (ONNXIFI specification, section 4): 1 bytes parse, 2 versions and imports, 3 ONNX structure (Model::parse);
// 4 operators known, 5 supported, 6 declared types and shapes hold (Model::import / Model::check).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "runtime/base/status.h"
#include "runtime/base/tensor.h"

namespace sardonyx::importer {

struct ImportOptions {
  std::string external_data_dir;  // empty: external data is refused
};

// A declared dim: static (value >= 0), or symbolic (value -1) with the name of its symbol ("" when anonymous).
struct DeclaredDim {
  int64_t value = -1;
  std::string symbol;
};

struct DeclaredTensor {
  std::string name;
  DType dtype = DType::None;
  bool has_shape = false;
  std::vector<DeclaredDim> dims;
};

// One problem of a model. `node` is the node's name, or "#12 (Conv)" style when it has none; empty for model problems.
struct Finding {
  int stage = 0;
  Status status = Status::Success;
  std::string node;
  std::string text;
};

// All findings in order of stage; the first decides the status.
struct Report {
  std::vector<Finding> findings;
  Status status() const { return findings.empty() ? Status::Success : findings.front().status; }
  std::string text() const;  // every finding on a line of its own, at most 100 of them
};

// A parsed and structurally valid model. Owns a copy of everything it needs.
class Model {
 public:
  // Stages 1-3. Throws Error with the first finding's status and the text of all findings. The bytes may go away
  // afterwards, unless there is a `lender`: then large weights stay in them (Tensor::lent), and they are in use for as
  // long as somebody besides the caller refers to it.
  static std::unique_ptr<Model> parse(const void* bytes, size_t size, const ImportOptions& options,
                                      const std::shared_ptr<const void>& lender = nullptr);
  // The same for the file at `path`, which lends its weights: it stays mapped for as long as one is in use. Also throws
  // InvalidModel when it cannot be read, InvalidSize when it is empty. Nobody may shorten the file meanwhile.
  static std::unique_ptr<Model> parse_file(const std::string& path, const ImportOptions& options);
  ~Model();

  // Graph inputs in declaration order, initializers included when they are listed as inputs.
  const std::vector<DeclaredTensor>& inputs() const;
  // Names of graph.initializer, in order.
  const std::vector<std::string>& initializers() const;

  // Stages 4-6 without values of weights and without compiling: all problems, none thrown. Well under 1 ms for
  // one-node models.
  Report check() const;

  // Stages 4-6, then the graph. `weights` give values to graph inputs (they become constants). With `values` inputs and
  // outputs may be sequences, optionals, maps and tensors of unknown rank.
  // Throws Error with the first finding's status and the text of all findings. The Model may be dropped afterwards:
  // tensors that the graph keeps share storage with it.
  std::unique_ptr<graph::Graph> import(const std::map<std::string, Tensor>& weights, bool values = false) const;

  struct Impl;  // the importer's own business

 private:
  // Keeps a part of the bytes for the tensor that is made of it.
  using Lend = std::function<std::shared_ptr<const uint8_t>(std::span<const uint8_t> part)>;

  Model();
  static std::unique_ptr<Model> parse(std::span<const uint8_t> bytes, const ImportOptions& options, const Lend& lend);
  std::unique_ptr<Impl> impl_;
};

// Highest versions that stage 2 accepts; reported by onnxGetBackendInfo.
inline constexpr int max_ir_version = 13;
struct DomainVersion {
  const char* domain;  // "ai.onnx" for the default domain
  int version;
};
const std::vector<DomainVersion>& supported_opsets();

}  // namespace sardonyx::importer
