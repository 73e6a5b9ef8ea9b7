#include "backends/cpu/onednn/families.h"

#include "backends/cpu/onednn/conv.h"
#include "backends/cpu/onednn/matmul.h"
#include "backends/cpu/onednn/pool.h"
#include "backends/group_program.h"
#include "runtime/base/status.h"

namespace sardonyx::cpu::onednn {

using graph::Node;
using graph::Op;

namespace {
struct Entry {
  Op anchor;
  const char* family;
  void (*propose)(const Node&, const Node&, const backends::Target&, backends::Candidates&);
  backends::CompiledGroup (*compile)(const backends::Chosen&, const Node&, const backends::Target&);
};
constexpr Entry entries[] = {
    {Op::conv, "onednn.conv", propose_conv, compile_conv},
    {Op::matmul, "onednn.matmul", propose_matmul, compile_matmul},
    {Op::pool, "onednn.pool", propose_pool, compile_pool},
    {Op::reduce, "onednn.pool", propose_pool, compile_pool},
};
}  // namespace

void propose(const Node& group, const backends::Target& target, backends::Candidates& result) {
  const Node* anchor = backends::anchor_of(group);
  if (!anchor || group.results.size() != 1) return;
  for (const Entry& entry : entries)
    if (entry.anchor == anchor->op) entry.propose(group, *anchor, target, result);
}

backends::CompiledGroup compile(const backends::Chosen& chosen, const backends::Target& target) {
  const Node* anchor = backends::anchor_of(*chosen.group);
  for (const Entry& entry : entries)
    if (anchor && entry.anchor == anchor->op && chosen.candidate.family == entry.family)
      return entry.compile(chosen, *anchor, target);
  fail(Status::InternalError, "no onednn family '", chosen.candidate.family, "'");
}

}  // namespace sardonyx::cpu::onednn
