// Graph -> Program: passes, candidate choice, layouts, code generation, emission.
#pragma once
#include <memory>
#include <string>

#include "backends/backend.h"
#include "compiler/graph/graph.h"
#include "runtime/base/settings.h"
#include "runtime/program.h"

namespace sardonyx::driver {

struct CompileOptions {
  Settings settings;
};

// Compiles for one device. Consumes the graph. Runs on a compile thread with a large stack of its own, so the caller's
// stack may be small. Throws Error. Thread-safe.
std::shared_ptr<const runtime::Program> compile(std::unique_ptr<graph::Graph> graph, const backends::DeviceInfo& device,
                                                const CompileOptions& options);

}  // namespace sardonyx::driver
