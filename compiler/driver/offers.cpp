#include "compiler/driver/offers.h"

#include "backends/group_program.h"
#include "compiler/driver/group_key.h"
#include "runtime/base/strings.h"

namespace sardonyx::driver {

using backends::Candidate;
using backends::Candidates;

namespace {

// What the device takes for the group over what its candidates estimate, by what was measured.
double factor_of(const backends::DeviceInfo& device, const graph::Node& group) {
  const graph::Node* anchor = backends::anchor_of(group);
  const bool contracts = anchor != nullptr && (anchor->op == graph::Op::matmul || anchor->op == graph::Op::conv ||
                                               anchor->op == graph::Op::conv_transpose);
  return contracts ? device.contraction_factor : device.map_factor;
}

}  // namespace

const std::vector<Candidates>& Offers::of(const graph::Node& group) {
  auto [entry, added] = known_.try_emplace(group_key(group));
  if (!added) return entry->second;
  const auto allowed = [&](const Candidate& candidate) {
    if (exact_ && !candidate.exact) return false;
    if (policy_ == Policy::Codegen) return candidate.kind == Candidate::Kind::Scheduled;
    if (policy_ == Policy::Library) return candidate.kind != Candidate::Kind::Scheduled;
    return true;
  };
  for (const Place& place : places_) {
    Candidates all = place.backend->candidates(group, place.device->target);
    Candidates& kept = entry->second.emplace_back();
    kept.refusals = std::move(all.refusals);
    const double factor = factor_of(*place.device, group);
    for (Candidate& candidate : all.list) candidate.cost_ns *= factor;
    for (const Candidate& candidate : all.list)
      if (allowed(candidate)) kept.list.push_back(candidate);
    if (kept.list.empty()) kept.list = std::move(all.list);
  }
  return entry->second;
}

std::string Offers::refusals(const std::vector<Candidates>& offers, int device) const {
  std::vector<std::string> texts;
  for (size_t i = 0; i < offers.size(); ++i) {
    if (device >= 0 && size_t(device) != i) continue;
    for (const std::string& refusal : offers[i].refusals)
      texts.push_back(device < 0 && places_.size() > 1 ? str(name_of(places_, int(i)), ": ", refusal) : refusal);
  }
  return join(texts, "; ");
}

}  // namespace sardonyx::driver
