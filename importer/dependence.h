// Which nodes stand between some tensors and another: what Gradient has to import again.
#pragma once
#include <functional>
#include <string_view>

#include "importer/onnx_model.pb.h"

namespace sardonyx::importer {

// Calls `visit` for every name from outside that a node reads: its inputs, what its subgraphs capture, and of a
// Gradient the tensor that it differentiates. A name may come several times.
void visit_reads(const proto::NodeProto& node, const std::function<void(std::string_view)>& visit);

}  // namespace sardonyx::importer
