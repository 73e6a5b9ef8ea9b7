// What the backends offer for a group, asked once per distinct group.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/driver/place.h"

namespace sardonyx::driver {

class Offers {
 public:
  Offers(std::span<const Place> places, const Settings& settings)
      : places_(places), policy_(settings.policy), exact_(settings.exact || settings.deterministic) {}

  // One entry per device, costs as measured there when they were. Candidates that the policy does not want are left
  // out, unless nothing would be left on the device: the policy is a preference. So are those that are not exact, when
  // the settings ask for it; there are always others. The reference stays valid as long as
  // this object.
  const std::vector<backends::Candidates>& of(const graph::Node& group);

  // "codegen: no tensor expression; ...", of one device, or of all (-1) with their names before each.
  std::string refusals(const std::vector<backends::Candidates>& offers, int device) const;

 private:
  std::span<const Place> places_;
  Policy policy_;
  bool exact_;
  std::unordered_map<std::string, std::vector<backends::Candidates>> known_;  // by group_key
};

}  // namespace sardonyx::driver
