#include "backends/null/backend.h"

#include "backends/null/device.h"
#include "runtime/base/status.h"

namespace sardonyx::null {

using backends::Candidates;
using backends::Chosen;
using backends::CompiledGroup;
using backends::Target;

namespace {

class NullBackend : public backends::Backend {
 public:
  std::string_view name() const override { return "null"; }

  std::vector<backends::DeviceInfo> discover() const override {
    // Fill in: a DeviceInfo with Target for each device at hand. No driver or no device: an empty list, quietly.
    return {};
  }

  runtime::DevicePtr open(const backends::DeviceInfo&, const backends::OpenOptions&) const override {
    return std::make_shared<Device>();
  }

  Candidates candidates(const graph::Node& group, const Target&) const override {
    Candidates result;
    // Fill in: look at the nodes of group.regions[0], add a Candidate with its cost for every way to run all of them,
    // and a refusal for every way that does not fit.
    for (const auto& node : group.regions[0]->nodes())
      if (node->op != graph::Op::yield)
        result.refusals.push_back(str("null.", graph::op_name(node->op), ": the null backend runs nothing"));
    return result;
  }

  std::vector<CompiledGroup> compile(std::span<const Chosen> batch, const Target&, const Settings&) const override {
    // Fill in: one CompiledGroup per entry, with launches over the group's operands.
    check(batch.empty(), "compile of '", batch.empty() ? "" : batch.front().candidate.family,
          "', which the null backend never offered");
    return {};
  }
};

}  // namespace

const backends::Backend& backend() {
  static const NullBackend instance;
  return instance;
}

}  // namespace sardonyx::null
