// Attention becomes one group: softmax(query x key^T, and whatever is done to each score) x value.
//
//   scores = matmul(q, k); logits = f(scores) element by element; weights = softmax(logits) along the keys, or zeros
//   where the largest logit of a row is -inf; result = matmul(weights, v)
// Transposes, slices, broadcasts and constant factors in front of the three operands come along where nobody else needs
// them, and so does a transpose of the result that keeps the columns innermost: the kernel turns them into addresses.
// Query heads that share keys and values as rows of one matrix get keys and values that are repeated, by addresses too.
#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "compiler/expr/simplify.h"
#include "compiler/passes/group.h"
#include "compiler/passes/pass.h"
#include "compiler/tensor/target.h"

namespace sardonyx::passes {

using graph::BinaryFunction;
using graph::Builder;
using graph::Expr;
using graph::Node;
using graph::Op;
using graph::Region;
using graph::Value;

namespace {

constexpr size_t most_nodes = 64;

// A product whose rows are those of several heads: matmul(reshape(x), y), and its result in the shape of x again.
struct Product {
  Node* matmul = nullptr;
  Node *joined = nullptr, *parted = nullptr;  // null where every head has keys and values of its own
  Value* left() const { return joined ? joined->operand(0) : matmul->operand(0); }
  Value* result() const { return parted ? parted->result() : matmul->result(); }
};

// [batch, heads, rows, columns] as [batch, heads / group, group * rows, columns].
bool joins_heads(const graph::TensorType& from, const graph::TensorType& to) {
  if (from.rank() != 4 || to.rank() != 4) return false;
  const auto many = expr::as_int(from.dims[1]), few = expr::as_int(to.dims[1]);
  return many && few && *few > 0 && *many % *few == 0 && expr::prove_equal(from.dims[0], to.dims[0]) &&
         expr::prove_equal(from.dims[3], to.dims[3]) &&
         expr::prove_equal(from.dims[2] * Expr(*many / *few), to.dims[2]);
}

std::optional<Product> match_product(Node& node) {
  const auto& attrs = node.attrs<graph::MatmulAttrs>();
  if (attrs.transpose_a || attrs.dtype != DType::F32) return {};
  for (const Value* operand : node.operands)
    if (operand->type.dtype != DType::F32 || operand->type.rank() < 2) return {};
  Product product{&node, nullptr, nullptr};
  Node* joined = producer_if(node.operand(0), Op::reshape);
  const auto& uses = node.result()->uses;
  if (!joined || uses.size() != 1 || uses[0].user->op != Op::reshape) return product;
  Node* parted = uses[0].user;
  if (joined->parent != node.parent || parted->parent != node.parent || node.operand(1)->type.rank() != 4)
    return product;
  if (!joins_heads(joined->operand(0)->type, joined->result()->type) ||
      !joins_heads(parted->result()->type, node.result()->type))
    return product;
  product.joined = joined, product.parted = parted;
  return product;
}

class Attention {
 public:
  explicit Attention(Node& last) : region_(*last.parent), graph_(region_.graph()), last_(last) {}

  // Makes the group if the product `last` ends an attention.
  bool run() {
    if (!match()) return false;
    scores_ = with_own_heads(*scores_);
    product_ = with_own_heads(*product_);
    collect();
    Node* end = product_->matmul;
    const auto& uses = end->result()->uses;
    if (uses.size() == 1 && uses[0].user->op == Op::transpose && uses[0].user->parent == &region_) {
      const graph::Ints& perm = uses[0].user->attrs<graph::TransposeAttrs>().perm;
      if (perm.back() == int64_t(perm.size()) - 1) inside_.insert(uses[0].user);
    }
    absorb();
    own_broadcasts();
    std::vector<Node*> nodes;
    for (auto& node : region_.nodes())
      if (inside_.count(node.get())) nodes.push_back(node.get());
    make_group(region_, nodes);
    return true;
  }

 private:
  bool match() {
    product_ = match_product(last_);
    if (!product_ || last_.attrs<graph::MatmulAttrs>().transpose_b || !small(last_.result()->type.dims.back()))
      return false;
    Value* weights = product_->left();
    if (Node* choice = producer_if(weights, Op::select)) {
      if (uniform_value(choice->operand(1)) != 0.0) return false;
      softmax_ = producer_if(choice->operand(2), Op::softmax);
      if (!softmax_ || !match_empty(*choice)) return false;
    } else {
      softmax_ = producer_if(weights, Op::softmax);
    }
    if (!softmax_ || softmax_->parent != &region_) return false;
    const auto& attrs = softmax_->attrs<graph::SoftmaxAttrs>();
    logits_ = softmax_->operand(0);
    const int rank = logits_->type.rank();
    if (attrs.log || (attrs.axis != -1 && attrs.axis != rank - 1) || logits_->type.dtype != DType::F32) return false;
    if (!reaches_product(logits_) || !scores_) return false;
    if (largest_ && largest_->operand(0) != logits_) return false;
    if (!small(scores_->left()->type.dims.back())) return false;
    rows_.insert(softmax_);
    return private_values();
  }

  static bool small(const Expr& extent) {
    const auto known = expr::as_int(extent);
    return known && *known > 0 && *known <= tensor::most_head_columns;
  }

  // select(max(logits) == -inf, 0, softmax): queries without any key.
  bool match_empty(Node& choice) {
    std::vector<Node*> way{&choice};
    const auto strip = [&](Value* value) {
      for (;;) {
        Node* node = producer_if(value, Op::broadcast);
        if (!node) node = producer_if(value, Op::reshape);
        if (!node) return value;
        way.push_back(node);
        value = node->operand(0);
      }
    };
    Node* equal = producer_if(strip(choice.operand(0)), Op::binary);
    if (!equal || equal->attrs<graph::BinaryAttrs>().function != BinaryFunction::Eq ||
        uniform_value(equal->operand(1)) != -INFINITY)
      return false;
    way.push_back(equal);
    largest_ = producer_if(strip(equal->operand(0)), Op::reduce);
    if (!largest_) return false;
    const auto& attrs = largest_->attrs<graph::ReduceAttrs>();
    if (attrs.function != graph::ReduceFunction::Max || attrs.axes.size() != 1 ||
        attrs.axes[0] != largest_->operand(0)->type.rank() - 1)
      return false;
    way.push_back(largest_);
    for (Node* node : way)
      if (node->parent != &region_) return false;
    rows_.insert(way.begin(), way.end());
    return true;
  }

  // Whether `value` is made of the scores, element by element; notes the nodes on the way. Two products are no scores.
  bool reaches_product(Value* value) {
    Node* node = value->producer;
    if (!node || node->parent != &region_ || refused_) return false;
    if (Node* matmul = node->op == Op::reshape  ? producer_if(node->operand(0), Op::matmul)
                       : node->op == Op::matmul ? node
                                                : nullptr) {
      const auto product = match_product(*matmul);
      refused_ = !product || product->result() != value || (scores_ && scores_->matmul != matmul);
      if (!refused_) scores_ = product;
      return !refused_;
    }
    const DType dtype = value->type.dtype;
    if (!has(*node, graph::Pointwise) || !graph::same_dims(value->type.dims, logits_->type.dims) ||
        (dtype != DType::F32 && dtype != DType::Bool))
      return false;
    if (rows_.count(node)) return true;
    refused_ = visited_.size() >= most_nodes;
    if (refused_ || !visited_.insert(node).second) return false;
    bool reaches = false;
    for (Value* operand : node->operands) reaches |= reaches_product(operand);
    if (reaches) rows_.insert(node);
    return reaches;
  }

  // Nothing but the result is used elsewhere.
  bool private_values() const {
    if (refused_) return false;
    std::unordered_set<const Node*> all(rows_.begin(), rows_.end());
    for (const Product* product : {&*scores_, &*product_})
      for (const Node* node : {product->matmul, product->joined, product->parted})
        if (node) all.insert(node);
    const Node* end = product_->result()->producer;
    // What the heads of the queries are joined from may be anybody's.
    return std::all_of(all.begin(), all.end(), [&](const Node* node) {
      if (node == end || node == scores_->joined) return true;
      const auto& uses = node->result()->uses;
      return std::all_of(uses.begin(), uses.end(), [&](const graph::Use& use) { return all.count(use.user) > 0; });
    });
  }

  // The same product with keys or values that are repeated for every head of the queries.
  Product with_own_heads(const Product& product) {
    if (!product.joined) return product;
    Node& matmul = *product.matmul;
    Builder b = builder_before(matmul);
    Value *left = product.left(), *right = matmul.operand(1);
    std::vector<Expr> dims = right->type.dims;
    const int64_t heads = *expr::as_int(left->type.dims[1]), shared = *expr::as_int(matmul.operand(0)->type.dims[1]);
    if (heads != shared) {
      right = b.reshape(right, {dims[0], dims[1], 1, dims[2], dims[3]});
      right = b.broadcast(right, {dims[0], shared, heads / shared, dims[2], dims[3]});
      right = b.reshape(right, {dims[0], heads, dims[2], dims[3]});
    }
    const auto& attrs = matmul.attrs<graph::MatmulAttrs>();
    Value* result = b.matmul(left, right, false, attrs.transpose_b, DType::F32);
    graph_.replace_all_uses(product.parted->result(), result);
    graph_.erase(product.parted);
    graph_.erase(&matmul);
    if (product.joined->result()->uses.empty()) graph_.erase(product.joined);
    return {result->producer, nullptr, nullptr};
  }

  void collect() {
    inside_ = rows_;
    inside_.insert(scores_->matmul);
    inside_.insert(product_->matmul);
  }

  bool only_inside(const Node& node) const {
    const auto& uses = node.result()->uses;
    return std::all_of(uses.begin(), uses.end(), [&](const graph::Use& use) { return inside_.count(use.user) > 0; });
  }

  bool takes(const Node* node) const {
    return node && node->parent == &region_ && !inside_.count(const_cast<Node*>(node)) && only_inside(*node) &&
           inside_.size() < most_nodes;
  }

  static bool moves(const Node& node) {
    return node.op == Op::slice || node.op == Op::transpose || node.op == Op::broadcast;
  }

  // Producers of the operands. A reshape alone is a view outside and costs nothing there.
  void absorb() {
    absorb_into(*scores_->matmul, 0, true);
    absorb_into(*scores_->matmul, 1, true);
    absorb_into(*product_->matmul, 1, false);
  }

  void absorb_into(Node& user, int operand, bool packed) {
    Node* node = user.operand(operand)->producer;
    if (!takes(node)) return;
    if (node->op == Op::reshape) {
      inside_.insert(node);
      Node* before = node->operand(0)->producer;
      if (takes(before) && moves(*before) && (packed || keeps_columns(*before)))
        absorb_into(*node, 0, packed);
      else
        inside_.erase(node);
      return;
    }
    const bool factor = packed && node->op == Op::binary &&
                        node->attrs<graph::BinaryAttrs>().function == BinaryFunction::Mul &&
                        uniform_value(node->operand(1));
    if (!factor && !(moves(*node) && (packed || keeps_columns(*node)))) return;
    inside_.insert(node);
    absorb_into(*node, 0, packed);
  }

  // Neighbours stay neighbours along the last axis.
  static bool keeps_columns(const Node& node) {
    if (node.op == Op::transpose) {
      const graph::Ints& perm = node.attrs<graph::TransposeAttrs>().perm;
      return perm.back() == int64_t(perm.size()) - 1;
    }
    if (node.op == Op::slice) return node.attrs<graph::SliceAttrs>().steps.back() == 1;
    return graph::same_type(node.operand(0)->type, node.result()->type) ||
           expr::prove_equal(node.operand(0)->type.dims.back(), node.result()->type.dims.back());
  }

  // Broadcasts in front of inner nodes would be tensors in memory outside, so each gets one of its own.
  void own_broadcasts() {
    std::vector<Node*> users(inside_.begin(), inside_.end());
    for (Node* user : users)
      for (size_t i = 0; i < user->operands.size(); ++i) {
        Node* broadcast = producer_if(user->operands[i], Op::broadcast);
        if (!broadcast || inside_.count(broadcast)) continue;
        Node* copy = graph_.create(region_, user, Op::broadcast, broadcast->attributes, {broadcast->operand(0)},
                                   {broadcast->result()->type});
        graph_.set_operand(user, int(i), copy->result());
        inside_.insert(copy);
      }
  }

  Region& region_;
  graph::Graph& graph_;
  Node& last_;
  std::optional<Product> scores_, product_;
  Node *softmax_ = nullptr, *largest_ = nullptr;
  Value* logits_ = nullptr;
  bool refused_ = false;
  std::unordered_set<Node*> visited_, rows_, inside_;  // rows_: between the products
};

// The product that takes a softmax, as it is or behind what match() knows.
Node* product_behind(const Node& softmax) {
  const Node* node = &softmax;
  while (node->result()->uses.size() == 1) {
    Node* user = node->result()->uses[0].user;
    if (user->op == Op::matmul) return user->parent == softmax.parent ? user : nullptr;
    if (user->op != Op::select && user->op != Op::reshape) return nullptr;
    node = user;
  }
  return nullptr;
}

}  // namespace

bool fuse_attention(graph::Graph& graph, PassContext& context) {
  if (!context.host_kernels) return false;
  bool changed = false;
  for_each_region(graph, [&](Region& region) {
    std::vector<Node*> softmaxes;
    for (auto& node : region.nodes())
      if (node->op == Op::softmax) softmaxes.push_back(node.get());
    for (const Node* softmax : softmaxes)
      if (Node* last = product_behind(*softmax)) changed |= Attention(*last).run();
  });
  if (changed) eliminate_dead(graph, context);
  return changed;
}

}  // namespace sardonyx::passes
