// TreeEnsemble and its two predecessors, TreeEnsembleClassifier and TreeEnsembleRegressor.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "compiler/ops/onnx_ml/scores.h"
#include "compiler/ops/onnx_ml/tree_ensemble.h"

namespace sardonyx::ops {
namespace {

struct Floats {
  std::vector<double> values;
  bool wide = false;  // given as F64
};

Floats floats_of(const Tensor& tensor) {
  Floats result;
  result.wide = tensor.dtype() == DType::F64;
  for (int64_t i = 0; i < tensor.count(); ++i) result.values.push_back(tensor.as_double(i));
  return result;
}

// Attribute `name`, or `name`_as_tensor; empty when neither is there.
Floats floats(Lowering& in, const std::string& name) {
  if (in.has(name + "_as_tensor")) return floats_of(in.attr_tensor(name + "_as_tensor"));
  return {in.attr_floats(name, std::vector<double>()), false};
}

// A list as long as the nodes; absent lists are `fallback`.
template <class T>
std::vector<T> per_node(Lowering& in, const char* name, std::vector<T> list, size_t count, std::optional<T> fallback) {
  if (list.empty() && fallback) return std::vector<T>(count, *fallback);
  in.require(list.size() == count, Status::InvalidModel, "attribute '", name, "' has ", list.size(), " elements for ",
             count, " nodes");
  return list;
}

std::vector<int64_t> ints_per_node(Lowering& in, const char* name, size_t count, std::optional<int64_t> fallback = {}) {
  return per_node(in, name, in.attr_ints(name, std::vector<int64_t>()), count, fallback);
}

// Names of comparisons, in the order of TreeComparison.
constexpr const char* comparison_names[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                            "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ"};

struct NodeName {
  int64_t tree, node;
  bool operator==(const NodeName&) const = default;
};
struct NodeNameHash {
  size_t operator()(const NodeName& name) const {
    return size_t(uint64_t(name.tree) * 0x9E3779B97F4A7C15 + uint64_t(name.node) * 0xC2B2AE3D27D4EB4F);
  }
};

struct ReadForest {
  TreeForest forest;
  bool wide = false;              // thresholds or weights are F64
  std::vector<double> weights;    // of all votes, as given
  std::vector<int64_t> vote_ids;  // of all votes: targets or classes
};

// The attributes that both predecessors share; votes are the attributes `prefix`_ids, _nodeids, _treeids, _weights.
// The first node listed of a tree is its root.
ReadForest read_forest(Lowering& in, const std::string& prefix, int64_t targets) {
  const auto modes = in.attr_strings("nodes_modes");
  const size_t count = modes.size();
  in.require(count > 0, Status::InvalidModel, "there are no nodes");
  const auto trees = ints_per_node(in, "nodes_treeids", count), ids = ints_per_node(in, "nodes_nodeids", count);
  const auto features = ints_per_node(in, "nodes_featureids", count);
  const auto yes = ints_per_node(in, "nodes_truenodeids", count), no = ints_per_node(in, "nodes_falsenodeids", count);
  const auto missing = ints_per_node(in, "nodes_missing_value_tracks_true", count, 0);
  Floats splits = floats(in, "nodes_values");
  splits.values = per_node(in, "nodes_values", std::move(splits.values), count, {});

  ReadForest result;
  TreeForest& forest = result.forest;
  forest.targets = targets;
  // Every node's place: an index among the inner nodes, or ~index among the leaves.
  std::unordered_map<NodeName, int64_t, NodeNameHash> places;
  std::unordered_map<int64_t, bool> seen_trees;
  int64_t inner = 0, leaves = 0;
  for (size_t i = 0; i < count; ++i) {
    const int64_t place = modes[i] == "LEAF" ? ~(leaves++) : inner++;
    in.require(places.emplace(NodeName{trees[i], ids[i]}, place).second, Status::InvalidModel, "tree ", trees[i],
               " has two nodes ", ids[i]);
    if (seen_trees.emplace(trees[i], true).second) forest.roots.push_back(place);
  }
  const auto place_of = [&](int64_t tree, int64_t node) {
    const auto found = places.find({tree, node});
    in.require(found != places.end(), Status::InvalidModel, "tree ", tree, " has no node ", node);
    return found->second;
  };
  for (size_t i = 0; i < count; ++i) {
    if (modes[i] == "LEAF") continue;
    const auto name = std::find(std::begin(comparison_names), std::end(comparison_names), modes[i]);
    in.require(name != std::end(comparison_names), Status::InvalidModel, "nodes_modes has '", modes[i], "'");
    forest.nodes.push_back({splits.values[i], features[i], place_of(trees[i], yes[i]), place_of(trees[i], no[i]),
                            TreeComparison(name - comparison_names), missing[i] != 0});
  }
  forest.leaves.resize(size_t(leaves));

  result.vote_ids = in.attr_ints(prefix + "_ids");
  const auto vote_trees = in.attr_ints(prefix + "_treeids"), vote_nodes = in.attr_ints(prefix + "_nodeids");
  const Floats weights = floats(in, prefix + "_weights");
  in.require(vote_trees.size() == result.vote_ids.size() && vote_nodes.size() == result.vote_ids.size() &&
                 weights.values.size() == result.vote_ids.size(),
             Status::InvalidModel, prefix, "_ids, _treeids, _nodeids and _weights have ", result.vote_ids.size(), ", ",
             vote_trees.size(), ", ", vote_nodes.size(), " and ", weights.values.size(), " elements");
  for (size_t i = 0; i < result.vote_ids.size(); ++i) {
    const int64_t place = place_of(vote_trees[i], vote_nodes[i]);
    if (place < 0) forest.leaves[size_t(~place)].push_back({result.vote_ids[i], weights.values[i]});
  }
  result.weights = weights.values;
  result.wide = splits.wide || weights.wide;
  return result;
}

Value* with_base(Lowering& in, Value* scores, const std::vector<double>& base) {
  if (base.empty()) return scores;
  return in.builder().add(scores,
                          attribute_tensor(in, "base_values", base, scores->type.dtype, {int64_t(base.size())}));
}

DType working_dtype(const Value* x, bool wide) { return wide ? DType::F64 : model_dtype(x); }

std::vector<Value*> regressor(Lowering& in) {
  auto& b = in.builder();
  Value* x = feature_matrix(in);
  const ReadForest read = read_forest(in, "target", in.attr_int("n_targets"));
  validate(in, read.forest);
  constexpr const char* names[] = {"AVERAGE", "SUM", "MIN", "MAX"};
  const std::string name = in.attr_string("aggregate_function", "SUM");
  const auto found = std::find(std::begin(names), std::end(names), name);
  in.require(found != std::end(names), Status::InvalidModel, "aggregate_function '", name, "' is unknown");
  Value* scores = evaluated(b, x, read.forest, TreeAggregate(found - names), working_dtype(x, read.wide));
  const auto base = floats(in, "base_values").values;
  in.require(base.empty() || int64_t(base.size()) == read.forest.targets, Status::InvalidModel, base.size(),
             " base_values for ", read.forest.targets, " targets");
  scores = with_base(in, scores, base);
  return {b.cast(post_transformed(b, scores, post_transform_of(in)), DType::F32)};
}

// Two classes (or a single one) whose leaves all vote for number 0: by convention their sum s is the score of the
// positive class, a probability when no weight is negative. The other's score is then 1 - s, else -s.
std::vector<Value*> binary_result(Lowering& in, Value* votes, const ReadForest& read, const ClassLabels& labels) {
  auto& b = in.builder();
  const PostTransform transform = post_transform_of(in);
  const bool probability = std::all_of(read.weights.begin(), read.weights.end(), [](double w) { return w >= 0; });
  Value* score = with_base(in, votes, floats(in, "base_values").values);  // [rows, 1]
  Value* positive = b.squeeze(b.less(b.scalar_like(score, probability ? 0.5 : 0), score), {1});
  Value* scores = nullptr;
  if (transform == PostTransform::Probit)
    scores = post_transformed(b, score, transform);
  else if (probability && transform == PostTransform::None)
    scores = b.concat({b.sub(b.scalar_like(score, 1), score), score}, 1);
  else
    scores = post_transformed(b, b.concat({b.neg(score), score}, 1), transform);
  Value* label = labels.count() == 1 ? labels.of_single(in, positive) : labels.of(b, b.cast(positive, DType::I64));
  return {label, b.cast(scores, DType::F32)};
}

std::vector<Value*> classifier(Lowering& in) {
  auto& b = in.builder();
  Value* x = feature_matrix(in);
  const ClassLabels labels(in, "classlabels_int64s", "classlabels_strings");
  ReadForest read = read_forest(in, "class", labels.count());
  validate(in, read.forest);
  const DType dtype = working_dtype(x, read.wide);
  const auto base = floats(in, "base_values").values;
  const bool only_first = std::all_of(read.vote_ids.begin(), read.vote_ids.end(), [](int64_t id) { return id == 0; });
  if (labels.count() <= 2 && only_first && base.size() < 2) {
    read.forest.targets = 1;
    return binary_result(in, evaluated(b, x, read.forest, TreeAggregate::Sum, dtype), read, labels);
  }
  in.require(base.empty() || int64_t(base.size()) == labels.count(), Status::InvalidModel, base.size(),
             " base_values for ", labels.count(), " classes");
  Value* scores = with_base(in, evaluated(b, x, read.forest, TreeAggregate::Sum, dtype), base);
  Value* label = labels.of(b, b.arg_reduce(scores, true, false, 1, false));
  return {label, b.cast(post_transformed(b, scores, post_transform_of(in)), DType::F32)};
}

// Sets of BRANCH_MEMBER nodes in the order of the nodes; NaNs end them.
std::vector<std::vector<double>> member_sets(Lowering& in) {
  std::vector<std::vector<double>> sets;
  if (!in.has("membership_values")) return sets;
  sets.emplace_back();
  for (double value : floats_of(in.attr_tensor("membership_values")).values)
    if (std::isnan(value))
      sets.emplace_back();
    else
      sets.back().push_back(value);
  if (sets.back().empty()) sets.pop_back();  // behind the last NaN
  return sets;
}

// A node that asks for a set becomes a chain of nodes that ask for one member each. The chain's first node takes the
// node's place, the others stand behind all nodes.
void expand_members(TreeForest& forest, int64_t at, const std::vector<double>& members) {
  auto node = forest.nodes[size_t(at)];
  node.comparison = TreeComparison::Equal;
  node.split = std::nan("");  // nothing is a member of an empty set
  forest.nodes[size_t(at)] = node;
  const int64_t last_no = node.no;
  int64_t place = at;
  for (size_t i = 0; i < members.size(); ++i) {
    node.split = members[i];
    const bool last = i + 1 == members.size();
    node.no = last ? last_no : int64_t(forest.nodes.size()) + (place == at ? 0 : 1);
    if (place == at)
      forest.nodes[size_t(at)] = node;
    else
      forest.nodes.push_back(node);
    place = node.no;
  }
}

std::vector<Value*> ensemble(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  in.require(x->type.rank() == 2 && is_float(x->type.dtype), Status::InvalidModel,
             "expected floats [rows, features], got ", graph::to_string(x->type));
  const auto features = in.attr_ints("nodes_featureids");
  const size_t count = features.size();
  const auto yes = ints_per_node(in, "nodes_truenodeids", count), no = ints_per_node(in, "nodes_falsenodeids", count);
  const auto yes_leaf = ints_per_node(in, "nodes_trueleafs", count),
             no_leaf = ints_per_node(in, "nodes_falseleafs", count);
  const auto missing = ints_per_node(in, "nodes_missing_value_tracks_true", count, 0);
  const Floats splits = floats_of(in.attr_tensor("nodes_splits")), weights = floats_of(in.attr_tensor("leaf_weights"));
  const Tensor& modes = in.attr_tensor("nodes_modes");
  in.require(splits.values.size() == count && modes.count() == int64_t(count) && modes.dtype() == DType::U8,
             Status::InvalidModel, splits.values.size(), " nodes_splits and ", modes.count(), " nodes_modes for ",
             count, " nodes");
  TreeForest forest;
  forest.targets = in.attr_int("n_targets", 1);
  forest.roots = in.attr_ints("tree_roots");
  const auto targets = in.attr_ints("leaf_targetids");
  in.require(targets.size() == weights.values.size(), Status::InvalidModel, targets.size(), " leaf_targetids and ",
             weights.values.size(), " leaf_weights");
  for (size_t i = 0; i < targets.size(); ++i) forest.leaves.push_back({{targets[i], weights.values[i]}});
  std::vector<int64_t> member_nodes;
  const auto branch = [&](int64_t id, int64_t is_leaf) {
    in.require(id >= 0, Status::InvalidModel, "a node has branch ", id);
    return is_leaf ? ~id : id;
  };
  for (size_t i = 0; i < count; ++i) {
    const int64_t mode = modes.as_int(int64_t(i));
    in.require(mode <= 6, Status::InvalidModel, "nodes_modes has ", mode);
    if (mode == 6) member_nodes.push_back(int64_t(i));
    forest.nodes.push_back({splits.values[i], features[i], branch(yes[i], yes_leaf[i]), branch(no[i], no_leaf[i]),
                            TreeComparison(mode == 6 ? 0 : mode), missing[i] != 0});
  }
  for (int64_t root : forest.roots)
    in.require(root >= 0 && root < int64_t(count), Status::InvalidModel, "a tree has root ", root, " of ", count,
               " nodes");
  const auto sets = member_sets(in);
  in.require(sets.size() == member_nodes.size(), Status::InvalidModel, "membership_values has ", sets.size(),
             " sets for ", member_nodes.size(), " nodes");
  for (size_t i = 0; i < sets.size(); ++i) expand_members(forest, member_nodes[i], sets[i]);
  validate(in, forest);
  const int64_t aggregate = in.attr_int("aggregate_function", 1);
  in.require(aggregate >= 0 && aggregate <= 3, Status::InvalidModel, "aggregate_function ", aggregate, " is unknown");
  Value* scores = evaluated(b, x, forest, TreeAggregate(aggregate), working_dtype(x, splits.wide || weights.wide));
  return {b.cast(post_transformed(b, scores, post_transform_of(in)), x->type.dtype)};
}

const OnnxOp ops[] = {
    ml_row("TreeEnsemble", {{5, ensemble}}, {1, 1}, {1, 1}, Execution::Host),
    ml_row("TreeEnsembleClassifier", {{1, classifier}, {3, classifier}, {5, classifier}}, {1, 1}, {2, 2},
           Execution::Host),
    ml_row("TreeEnsembleRegressor", {{1, regressor}, {3, regressor}, {5, regressor}}, {1, 1}, {1, 1}, Execution::Host),
};

}  // namespace
}  // namespace sardonyx::ops
