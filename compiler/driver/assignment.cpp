#include "compiler/driver/assignment.h"

#include <algorithm>
#include <set>

namespace sardonyx::driver {

namespace {

// A move must pay by this factor, so that ties do not oscillate.
constexpr double improvement = 0.999;
constexpr int max_rounds = 4;
constexpr size_t max_cluster = 64;

class Search {
 public:
  Search(std::span<const Group> groups, const Costs& costs) : groups_(groups), costs_(costs) {}

  // Forward: each group sees what its producers chose.
  Assignment on_device(int device) {
    chosen_.assign(groups_.size(), undecided);
    for (size_t i = 0; i < groups_.size(); ++i) choose(int(i), preferred_device(groups_[i], device));
    for (int round = 0; round < max_rounds; ++round) {
      bool changed = false;
      for (size_t i = groups_.size(); i-- > 0;) changed |= choose(int(i), any_device);
      for (size_t i = 0; i < groups_.size(); ++i) changed |= choose(int(i), any_device);
      if (!changed) changed = move_clusters();
      if (!changed) break;
    }
    return chosen_;
  }

 private:
  static constexpr int any_device = -1;

  static bool runs_on(const Group& group, int device) {
    return std::any_of(group.options.begin(), group.options.end(),
                       [&](const Option& option) { return option.device == device; });
  }
  static int preferred_device(const Group& group, int device) {
    for (int wanted : {device, 0})
      if (runs_on(group, wanted)) return wanted;
    return any_device;
  }
  int device_of(int group) const { return groups_[size_t(group)].options[size_t(chosen_[size_t(group)])].device; }

  // Takes the cheapest option on `device` for the group as things stand; true when it changed.
  bool choose(int group, int device) {
    int& option = chosen_[size_t(group)];
    const int before = option;
    int winner = before;
    double lowest = before == undecided ? 0 : costs_.around(group, chosen_) * improvement;
    const auto& options = groups_[size_t(group)].options;
    for (size_t i = 0; i < options.size(); ++i) {
      if (int(i) == before || (device != any_device && options[i].device != device)) continue;
      option = int(i);
      const double total = costs_.around(group, chosen_);
      if (winner == undecided || total < lowest)
        winner = int(i), lowest = total * (before == undecided ? improvement : 1);
    }
    option = winner;
    return winner != before;
  }

  // The option of the group that is cheapest on another device, and the change of the total when it moves there.
  struct Move {
    int group = -1, option = -1;
    double change = 0;
  };
  Move move_to(int group, int device) {
    Move move{group, -1, 0};
    int& option = chosen_[size_t(group)];
    const int before = option;
    const double now = costs_.around(group, chosen_);
    const auto& options = groups_[size_t(group)].options;
    for (size_t i = 0; i < options.size(); ++i) {
      if (options[i].device != device) continue;
      option = int(i);
      const double change = costs_.around(group, chosen_) - now;
      if (move.option < 0 || change < move.change) move.option = int(i), move.change = change;
    }
    option = before;
    return move;
  }

  bool move_clusters() {
    bool changed = false;
    for (size_t i = 0; i < groups_.size(); ++i) {
      std::set<int> targets;
      for (const Option& option : groups_[i].options) targets.insert(option.device);
      for (int target : targets)
        if (device_of(int(i)) != target && promising(int(i), target)) changed |= grow(int(i), target);
    }
    return changed;
  }

  // A cluster that pays holds a group that is cheaper by itself on the other device, or touches one that is there.
  bool promising(int group, int target) const {
    const auto& options = groups_[size_t(group)].options;
    const double now = costs_.own(group, chosen_[size_t(group)]);
    for (size_t i = 0; i < options.size(); ++i)
      if (options[i].device == target && costs_.own(group, int(i)) < now) return true;
    const auto& neighbours = costs_.neighbours(group);
    return std::any_of(neighbours.begin(), neighbours.end(), [&](int other) { return device_of(other) == target; });
  }

  // Moves a cluster from the seed's device to another, group by group, each time the neighbour that costs least, also
  // while the total rises (Kernighan and Lin); keeps the cheapest prefix. Groups of a cluster stay launches of their
  // own, so it need not be convex.
  bool grow(int seed, int target) {
    const int source = device_of(seed);
    std::vector<Move> done;  // with the options to go back to
    std::vector<Move> frontier = {move_to(seed, target)};
    double change = 0, lowest = 0;
    size_t kept = 0;
    while (!frontier.empty() && done.size() < max_cluster) {
      auto next = std::min_element(frontier.begin(), frontier.end(),
                                   [](const Move& a, const Move& b) { return a.change < b.change; });
      const Move move = *next;
      frontier.erase(next);
      done.push_back({move.group, chosen_[size_t(move.group)], 0});
      const double gained_before = costs_.around(move.group, chosen_);
      chosen_[size_t(move.group)] = move.option;
      const double around_now = costs_.around(move.group, chosen_);
      change += around_now - gained_before;
      if (change < lowest - (1 - improvement) * around_now) lowest = change, kept = done.size();
      for (int other : costs_.neighbours(move.group)) {
        if (device_of(other) != source || !runs_on(groups_[size_t(other)], target)) continue;
        const Move fresh = move_to(other, target);
        auto known = std::find_if(frontier.begin(), frontier.end(), [&](const Move& m) { return m.group == other; });
        if (known == frontier.end()) {
          frontier.push_back(fresh);
        } else {
          *known = fresh;
        }
      }
    }
    for (size_t i = done.size(); i-- > kept;) chosen_[size_t(done[i].group)] = done[i].option;
    return kept > 0;
  }

  std::span<const Group> groups_;
  const Costs& costs_;
  Assignment chosen_;
};

}  // namespace

Assignment assign(std::span<const Group> groups, const Costs& costs) {
  std::set<int> devices;
  bool free = false;  // does any group have a choice of devices?
  for (const Group& group : groups) {
    for (const Option& option : group.options) {
      devices.insert(option.device);
      free |= option.device != group.options.front().device;
    }
  }
  Assignment best;
  double lowest = 0;
  for (int device : devices) {
    Assignment assignment = Search(groups, costs).on_device(device);
    const double total = costs.total(assignment);
    if (best.empty() || total < lowest) best = std::move(assignment), lowest = total;
    if (!free) break;  // every start is the same
  }
  return best;
}

}  // namespace sardonyx::driver
