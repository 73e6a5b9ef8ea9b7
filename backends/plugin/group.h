// A group in the C structs that plug-ins read.
#pragma once
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/graph/graph.h"
#include "onnx/sardonyx_backend.h"

namespace sardonyx::plugin {

// Owns what the C structs point to; of the group it uses the constants only.
class GroupDescription {
 public:
  // `group` is a fused node; one layout per operand / result, or none when all are row-major.
  GroupDescription(const graph::Node& group, const std::vector<graph::Layout>& inputs,
                   const std::vector<graph::Layout>& outputs);
  GroupDescription(const GroupDescription&) = delete;
  GroupDescription& operator=(const GroupDescription&) = delete;

  const sardonyxGroup& get() const { return group_; }
  // The expressions behind get().dims, over the graph's symbols.
  const std::vector<expr::Expr>& dims() const { return exprs_; }

 private:
  void add_dims(const graph::Node& group);
  int32_t dim(const expr::Expr& e);
  void add_value(const graph::Value& value, const std::string& layout);
  const char* keep(std::string text);
  const int32_t* keep(std::vector<int32_t> numbers);

  sardonyxGroup group_ = {};
  std::vector<expr::Expr> exprs_;
  std::vector<sardonyxDim> dims_;
  std::vector<sardonyxValue> values_;
  std::vector<sardonyxNode> nodes_;
  std::unordered_map<std::string, int32_t> dim_numbers_;  // by text: names of symbols are unique in a graph
  std::unordered_map<const graph::Value*, int32_t> value_numbers_;
  std::deque<std::string> texts_;
  std::deque<std::vector<int32_t>> numbers_;
};

}  // namespace sardonyx::plugin
