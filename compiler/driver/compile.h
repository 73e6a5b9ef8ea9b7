// Graph -> Program: passes, choice of candidates, layouts and devices, code generation, emission.
#pragma once
#include <memory>
#include <span>

#include "compiler/driver/place.h"
#include "compiler/graph/graph.h"
#include "runtime/base/settings.h"
#include "runtime/program.h"

namespace sardonyx::driver {

struct CompileOptions {
  Settings settings;
  // The device that everything should run on which it has a candidate for; the rest falls back to the host, and the
  // report says why. -1: any device, by cost alone.
  int preferred = -1;
};

// Compiles for `devices`, which become Program::devices in this order; the first is the host's CPU. Consumes the graph.
// Runs on a compile thread with a large stack of its own, so the caller's stack may be small. Throws Error.
// Thread-safe.
std::shared_ptr<const runtime::Program> compile(std::unique_ptr<graph::Graph> graph,
                                                std::span<const backends::DeviceInfo> devices,
                                                const CompileOptions& options);
// The same with the backends at hand.
std::shared_ptr<const runtime::Program> compile(std::unique_ptr<graph::Graph> graph, std::span<const Place> places,
                                                const CompileOptions& options);

}  // namespace sardonyx::driver
