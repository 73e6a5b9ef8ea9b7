// What is behind Model: the parsed message and the tensors that were made from it.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "importer/import.h"
#include "importer/onnx_model.pb.h"
#include "importer/tensor_data.h"

namespace sardonyx::importer {

struct Model::Impl {
  std::shared_ptr<proto::ModelProto> model;
  Sources sources;
  std::vector<DeclaredTensor> inputs;
  std::vector<std::string> initializers;
  int nesting = 0;  // levels of subgraphs and function calls

  std::mutex mutex;  // guards what follows, and the message while import moves tensors out of it
  std::unordered_map<const void*, Tensor> tensors;  // by TensorProto or SparseTensorProto
  std::optional<Report> checked;

  // The tensor of a checked message. With `views` a large one may be an unaligned view of the message's bytes, good
  // enough to be looked at; else it is aligned, and the message's own copy of large data is dropped.
  Tensor tensor(const proto::TensorProto& message, bool views);
  Tensor tensor(const proto::SparseTensorProto& message);
  // Makes tensors of what was lifted out of the caller's bytes, which `lend` keeps where it can; without it they are
  // about to go away.
  void take_lifted(const Lend& lend);
};

// Dtype (None when it is no tensor of a known type) and dims of a declared value.
DeclaredTensor declared_tensor(const proto::ValueInfoProto& info);

struct ImportMode {
  bool views = false;   // constants may be views that must not be computed with
  bool values = false;  // inputs and outputs may be other values than tensors
};

// Stages 3 (what only lowering can find) to 6. `weights` are values of graph inputs. Returns the graph; it is of use
// only when there are no findings.
class Findings;
std::unique_ptr<graph::Graph> import_graph(Model::Impl& impl, const std::map<std::string, Tensor>& weights,
                                           ImportMode mode, Findings& findings);

}  // namespace sardonyx::importer
