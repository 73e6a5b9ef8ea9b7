// Candidates of CLBlast: large matrix products of F32 and F64, alone or followed by a generated launch.
#pragma once
#include "backends/backend.h"
#include "compiler/sketch/family.h"

namespace sardonyx::opencl::clblast {

// Whether the candidate is one of ours.
bool owns(const backends::Candidate& candidate);

// Adds a candidate, or the reason why there is none. Nothing where the system has no CLBlast.
void propose(const graph::Node& group, const backends::Target& target, backends::Candidates& result);

// The launches of such a candidate. The first one is CLBlast's: `gemm` runs it, its body is empty.
struct Plan {
  sketch::Lowered lowered;
  runtime::KernelPtr gemm;
};
Plan lower(const sketch::Problem& problem, const backends::Target& target);

}  // namespace sardonyx::opencl::clblast
