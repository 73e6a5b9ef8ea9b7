// Bounds that make hostile models cheap to refuse. All are documented in importer/README.md; a model beyond one of them
// is INVALID_MODEL (beyond the first two INVALID_PROTOBUF), never a crash, an endless loop or an absurd allocation.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sardonyx::importer {

inline constexpr size_t max_model_bytes = 0x7fffffff;      // protobuf counts in int
inline constexpr int max_message_depth = 256;              // nested protobuf messages: three per subgraph level
inline constexpr int max_subgraph_depth = 32;              // If inside Loop inside If ...
inline constexpr int max_nesting = 64;                     // subgraphs and function calls together, after inlining
inline constexpr int64_t max_inlined_nodes = 1'000'000;    // nodes after inlining, unless the model itself has more
inline constexpr int max_gradient_depth = 16;              // gradients of gradients
inline constexpr int64_t max_revisited_nodes = 1'000'000;  // nodes that all Gradient nodes together look at
inline constexpr int max_rank = 64;
inline constexpr int64_t max_dense_sparse_bytes = int64_t{1} << 28;  // a sparse constant after it was made dense
inline constexpr size_t max_findings = 1000;                         // a report stops growing here
inline constexpr size_t max_report_lines = 100;
// Weights are large from this many bytes on: raw_data of initializers bypasses protobuf, buffers of hosts are lent.
inline constexpr size_t lift_threshold = 65536;
inline constexpr size_t share_threshold = 4096;  // Model::check does not copy constants from this many bytes on

}  // namespace sardonyx::importer
