#include "compiler/passes/inverted_residual.h"

#include <algorithm>
#include <unordered_set>

#include "compiler/expr/simplify.h"

namespace sardonyx::passes {

using graph::Node;
using graph::Op;
using graph::Value;

namespace {

constexpr size_t most_nodes = 32;
constexpr int64_t most_reach = 16;  // of the window, whose halo is kept beside every row
// Of the result. Smaller images are less than the weights, which every core would read; and every core computes the
// rows of the expansion around its share of the image once more.
constexpr int64_t least_pixels = 14 * 14, least_rows_per_core = 7;

std::optional<int64_t> extent(const Value* value, size_t axis) { return expr::as_int(value->type.dims[axis]); }

// A convolution of F32 images of known size by constant weights, to many channels.
bool is_plain(const Node& node) {
  if (node.op != Op::conv || node.attrs<graph::ConvAttrs>().dtype != DType::F32) return false;
  for (const Value* value : std::initializer_list<const Value*>{node.operand(0), node.result()}) {
    if (value->type.dtype != DType::F32 || value->type.rank() != 4) return false;
    for (size_t axis : {1, 2, 3})
      if (!extent(value, axis)) return false;
  }
  const auto& pads = node.attrs<graph::ConvAttrs>().pads;
  return *extent(node.result(), 1) >= least_channels && node.operand(1)->constant() &&
         node.operand(1)->type.dtype == DType::F32 &&
         std::all_of(pads.begin(), pads.end(), [](const graph::Expr& pad) { return expr::as_int(pad).has_value(); });
}

bool is_pointwise(const Node& node) {
  if (!is_plain(node) || *extent(node.operand(0), 1) < least_channels) return false;
  const auto& attrs = node.attrs<graph::ConvAttrs>();
  const auto is_one = [](int64_t n) { return n == 1; };
  const auto is_zero = [](const graph::Expr& pad) { return expr::is_const(pad, 0); };
  return attrs.groups == 1 && extent(node.operand(1), 2) == 1 && extent(node.operand(1), 3) == 1 &&
         std::all_of(attrs.strides.begin(), attrs.strides.end(), is_one) &&
         std::all_of(attrs.pads.begin(), attrs.pads.end(), is_zero);
}

// The first convolution of a network, whose image has few channels.
bool is_stem(const Node& node) {
  return is_plain(node) && node.attrs<graph::ConvAttrs>().groups == 1 && *extent(node.operand(0), 1) < least_channels;
}

// A depthwise convolution with a small window.
bool is_depthwise(const Node& node) {
  if (!is_plain(node)) return false;
  const auto& attrs = node.attrs<graph::ConvAttrs>();
  if (extent(node.operand(0), 1) != attrs.groups || extent(node.result(), 1) != attrs.groups) return false;
  int64_t taps = 1;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t kernel = *extent(node.operand(1), i + 2);
    taps *= kernel;
    if (kernel > most_reach || (kernel - 1) * attrs.dilations[i] >= most_reach) return false;
  }
  return taps > 1 && std::all_of(attrs.pads.begin(), attrs.pads.end(),
                                 [](const graph::Expr& pad) { return *expr::as_int(pad) <= most_reach; });
}

// One number per channel of images, or one for all.
bool is_per_channel(Value* value) {
  const Value* constant = strip_broadcast(value);
  if (!constant->constant() || constant->type.dtype != DType::F32) return false;
  const auto& dims = constant->type.dims;
  for (size_t i = 0; i < dims.size(); ++i)
    if (i + 3 != dims.size() && !expr::is_const(dims[i], 1)) return false;
  return true;
}

// Nodes that compute `value` from the result of one convolution, element by element.
struct Chain {
  Node* convolution = nullptr;
  std::vector<Node*> nodes;  // the maps between
};

std::optional<Chain> chain_before(Value* value) {
  Chain chain;
  std::unordered_set<const Node*> seen;
  std::vector<Value*> open{value};
  const graph::Region* region = value->producer ? value->producer->parent : nullptr;
  while (!open.empty()) {
    Value* next = open.back();
    open.pop_back();
    Node* node = next->producer;
    if (node && node->op != Op::conv && is_per_channel(next)) continue;
    if (!node || node->parent != region || chain.nodes.size() > most_nodes) return std::nullopt;
    if (!seen.insert(node).second) continue;
    if (node->op == Op::conv) {
      if (chain.convolution) return std::nullopt;
      chain.convolution = node;
      continue;
    }
    if (!has(*node, graph::Pointwise) || next->type.dtype != DType::F32 ||
        !graph::same_dims(next->type.dims, value->type.dims))
      return std::nullopt;
    chain.nodes.push_back(node);
    open.insert(open.end(), node->operands.begin(), node->operands.end());
  }
  return chain.convolution ? std::optional(chain) : std::nullopt;
}

// Whether what `chain` computes is read by its own nodes and `reader` alone.
bool is_private(const Chain& chain, const Node& reader) {
  const auto inside = [&](const graph::Use& use) {
    return use.user == &reader || std::find(chain.nodes.begin(), chain.nodes.end(), use.user) != chain.nodes.end();
  };
  std::vector<Node*> all = chain.nodes;
  all.push_back(chain.convolution);
  return std::all_of(all.begin(), all.end(), [&](const Node* node) {
    return std::all_of(node->result()->uses.begin(), node->result()->uses.end(), inside);
  });
}

bool is_large(const Value& image, int cores) {
  const int64_t height = *extent(&image, 2), images = extent(&image, 0).value_or(1);
  return height * *extent(&image, 3) >= least_pixels && images * height >= least_rows_per_core * cores;
}

}  // namespace

std::vector<Node*> match_inverted_residual(Node& projection, int cores, const std::function<bool(const Node*)>& taken) {
  if (!is_pointwise(projection) || !is_large(*projection.result(), cores)) return {};
  const auto any_taken = [&](const Chain& chain) {
    return taken(chain.convolution) || std::any_of(chain.nodes.begin(), chain.nodes.end(), taken);
  };
  const auto filtered = chain_before(projection.operand(0));
  if (!filtered || !is_depthwise(*filtered->convolution) || !is_private(*filtered, projection) || any_taken(*filtered))
    return {};
  std::vector<Node*> nodes = filtered->nodes;
  nodes.push_back(filtered->convolution);
  const auto expanded = chain_before(filtered->convolution->operand(0));
  if (expanded && (is_pointwise(*expanded->convolution) || is_stem(*expanded->convolution)) &&
      is_private(*expanded, *filtered->convolution) && !any_taken(*expanded)) {
    nodes.insert(nodes.end(), expanded->nodes.begin(), expanded->nodes.end());
    nodes.push_back(expanded->convolution);
  }
  return nodes;
}

}  // namespace sardonyx::passes
