#include "compiler/driver/select.h"

#include "backends/group_program.h"
#include "compiler/driver/assignment.h"
#include "compiler/driver/connect.h"
#include "compiler/driver/rules.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"

namespace sardonyx::driver {

using backends::Candidate;
using backends::Candidates;
using graph::Node;
using graph::Op;
using graph::Region;

namespace {

class Selector {
 public:
  Selector(graph::Graph& graph, std::span<const Place> places, const Settings& settings, int preferred)
      : graph_(graph),
        places_(places),
        strict_(settings.strict),
        preferred_(preferred),
        offers_(places, settings),
        rules_(parse_rules(settings.placement, places, settings.strict)) {}

  std::map<const Node*, Choice> run() {
    collect(graph_.body());
    for (const auto& [rule, breach] : breaches_)
      log(LogLevel::Warning, "placement rule '", rule, "' cannot be kept for ", breach.groups,
          " groups: ", breach.first);
    const Costs costs(groups_, places_);
    const Assignment assignment = assign(groups_, costs);
    std::map<const Node*, Choice> choices;
    for (size_t i = 0; i < groups_.size(); ++i) {
      const Group& group = groups_[i];
      const Option& option = group.options[size_t(assignment[i])];
      choices[group.node] = {*option.candidate, reason(i, assignment[i]), option.device};
      for (size_t k = 0; k < group.node->results.size(); ++k)
        group.node->result(int(k))->type.layout =
            k < option.candidate->outputs.size() ? option.candidate->outputs[k] : graph::Layout{};
    }
    connect(graph_, places_, offers_, choices);
    return choices;
  }

 private:
  void collect(Region& region) {
    for (auto& node : region.nodes()) {
      if (node->op != Op::fused) {
        for (auto& nested : node->regions) collect(*nested);
        continue;
      }
      Note& note = notes_.emplace_back();
      const std::vector<Candidates>& offers = offers_.of(*node);
      groups_.push_back({node.get(), options(*node, offers, note.wish)});
      note.refusals = offers_.refusals(offers, -1);
    }
  }

  static std::string name(const Node& group) {
    return str(group.sources.empty() ? group.attrs<graph::FusedAttrs>().name : join(group.sources, ", "), " (",
               backends::primitives_of(group), ")");
  }

  static std::vector<Option> options_on(const std::vector<Candidates>& offers, int device) {
    std::vector<Option> options;
    for (const Candidate& candidate : offers[size_t(device)].list) options.push_back({device, &candidate});
    return options;
  }

  std::string refusals(const std::vector<Candidates>& offers, int device) const {
    const std::string text = offers_.refusals(offers, device);
    return text.empty() ? str("no candidate on ", name_of(places_, device)) : text;
  }

  // What the group may be, and a note when that is not what was wished for.
  std::vector<Option> options(const Node& group, const std::vector<Candidates>& offers, std::string& note) {
    if (const PlacementRule* rule = rule_of(group, rules_)) {
      std::string why_not;
      if (rule->device < 0) {
        why_not = "there is no such device";
      } else if (options_on(offers, rule->device).empty()) {
        why_not = refusals(offers, rule->device);
      } else {
        note = str("placement rule '", rule->text, "'");
        return options_on(offers, rule->device);
      }
      note = str("placement rule '", rule->text, "' cannot be kept: ", why_not);
      require(!strict_, Status::UnsupportedOperator, name(group), ": ", note);
      Breach& breach = breaches_[rule->text];
      if (breach.groups++ == 0) breach.first = str(name(group), ": ", why_not);
    }
    if (preferred_ >= 0) {
      std::vector<Option> list = options_on(offers, preferred_);
      if (!list.empty()) return list;
      const std::string why_not = refusals(offers, preferred_);
      require(!strict_, Status::UnsupportedOperator, name(group), " cannot run on ", name_of(places_, preferred_), ": ",
              why_not);
      list = options_on(offers, 0);
      if (!list.empty()) {
        note = str(note, note.empty() ? "" : "; ", "falls back to ", name_of(places_, 0), ": ", why_not);
        return list;
      }
    }
    std::vector<Option> all;
    for (size_t i = 0; i < places_.size(); ++i) {
      const std::vector<Option> more = options_on(offers, int(i));
      all.insert(all.end(), more.begin(), more.end());
    }
    require(!all.empty(), Status::UnsupportedOperator, "no kernel on ", places_.size() > 1 ? "any" : "this",
            " device for ", name(group), ": ", offers_.refusals(offers, -1));
    return all;
  }

  std::string reason(size_t i, int chosen) const {
    const Group& group = groups_[i];
    std::vector<std::string> others;
    for (size_t k = 0; k < group.options.size(); ++k) {
      if (int(k) == chosen) continue;
      const Option& other = group.options[k];
      others.push_back(str(places_.size() > 1 ? name_of(places_, other.device) + " " : "", other.candidate->family, " ",
                           backends::to_string(other.candidate->point), " ", int64_t(other.candidate->cost_ns), " ns"));
    }
    const Note& note = notes_[i];
    std::string text = note.wish.empty() ? "" : note.wish + "; ";
    text += others.empty()       ? "only candidate"
            : places_.size() > 1 ? str("cheapest with layouts and copies; others: ", join(others, ", "))
                                 : str("cheapest with layouts; others: ", join(others, ", "));
    return note.refusals.empty() ? text : str(text, "; declined: ", note.refusals);
  }

  graph::Graph& graph_;
  std::span<const Place> places_;
  bool strict_;
  int preferred_;
  Offers offers_;
  std::vector<PlacementRule> rules_;
  std::vector<Group> groups_;
  struct Note {
    std::string wish;  // what became of a rule or of the preferred device
    std::string refusals;
  };
  std::vector<Note> notes_;  // per group
  struct Breach {
    int groups = 0;
    std::string first;
  };
  std::map<std::string, Breach> breaches_;  // by rule
};

}  // namespace

std::map<const Node*, Choice> select(graph::Graph& graph, std::span<const Place> places, const Settings& settings,
                                     int preferred) {
  return Selector(graph, places, settings, preferred).run();
}

int device_of(const graph::Value* value, const std::map<const Node*, Choice>& choices) {
  while (value->producer && value->producer->op == Op::reshape) value = value->producer->operand(0);
  if (value->constant()) return everywhere;
  if (!value->producer) return 0;
  if (value->producer->op == Op::fused) return choices.at(value->producer).device;
  if (value->producer->op == Op::copy) return int(value->producer->attrs<graph::CopyAttrs>().device);
  return 0;
}

}  // namespace sardonyx::driver
