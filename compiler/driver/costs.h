// What an assignment of candidates, and with them devices, to groups costs: candidates, launches, reorders between
// layouts and copies between devices. Bodies of loops count as often as they run.
//
// A tensor pays once for each layout that a reader wants other than its own, where it was made, and once for each
// layout and other device that it is wanted in. Constants are free: they are packed and uploaded beforehand.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/driver/place.h"

namespace sardonyx::driver {

// One way to run a group on one device.
struct Option {
  int device = 0;
  const backends::Candidate* candidate = nullptr;
};
struct Group {
  graph::Node* node = nullptr;
  std::vector<Option> options;  // at least one
};

// Per group the number of its option, or undecided.
using Assignment = std::vector<int>;
inline constexpr int undecided = -1;

class Costs {
 public:
  // `groups` in the order of the graph; they and `places` outlive this object.
  Costs(std::span<const Group> groups, std::span<const Place> places);

  double total(const Assignment& assignment) const;
  // The part that depends on the option of `group`, which is decided: itself and the tensors it reads and writes.
  // Undecided readers cost nothing.
  double around(int group, const Assignment& assignment) const;
  // Groups that share a tensor with `group`.
  const std::vector<int>& neighbours(int group) const { return neighbours_[size_t(group)]; }
  // Of the option by itself, as often as it runs.
  double own(int group, int option) const;

 private:
  struct Reader {
    int group;  // -1: the host (control flow, graph outputs)
    int operand;
    bool view;  // through a reshape, which reads row-major
  };
  struct Tensor {
    int group;  // that makes it; -1: the host (graph inputs, control flow)
    int result;
    double bytes, runs;
    std::vector<Reader> readers;
  };
  // Layouts by number; 0 is row-major.
  struct OptionLayouts {
    std::vector<int> inputs, outputs;
  };

  void number_layouts();
  void find_tensors();
  int tensor_of(const graph::Value* root);
  double tensor_ns(const Tensor& tensor, const Assignment& assignment) const;
  const Option& option(int group, int number) const { return groups_[size_t(group)].options[size_t(number)]; }

  std::span<const Group> groups_;
  std::span<const Place> places_;
  std::unordered_map<const graph::Node*, int> index_;
  std::unordered_map<const graph::Value*, int> tensor_index_;
  std::vector<Tensor> tensors_;
  std::vector<std::vector<OptionLayouts>> layouts_;  // by group and option
  std::vector<std::vector<int>> touched_;            // tensors of each group
  std::vector<std::vector<int>> neighbours_;
  std::vector<double> runs_;  // of each group
};

}  // namespace sardonyx::driver
