// The table of operators, from the compiler's registry: docs/operators.md is this command's output.
#include <algorithm>
#include <cstdio>
#include <map>

#include "compiler/ops/lowering.h"
#include "tools/commands.h"

namespace sardonyx::tools {

namespace {

const char* execution_text(ops::Execution execution) {
  switch (execution) {
    case ops::Execution::Kernels:
      return "kernels";
    case ops::Execution::Host:
      return "host";
    case ops::Execution::Steps:
      return "steps";
  }
  return "";
}

constexpr const char* introduction = R"(# Operators

The operators that the importer knows, from its registry; `sardonyx operators` prints this page. A version is one in
which ONNX defined or changed the operator; a model's operator set selects the newest one that is not newer. What runs
an operator:

- kernels: it is lowered to primitives that are compiled and fused, or given to a vendor's kernels;
- host: at least a part of it is a C++ function on the host;
- steps: it becomes control flow of the program.
)";

}  // namespace

int operators_command() {
  std::map<std::string, std::vector<const ops::OnnxOpDef*>> domains;
  for (const ops::OnnxOpDef* op : ops::onnx_ops())
    domains[*op->domain == '\0' ? std::string("ai.onnx") : std::string(op->domain)].push_back(op);
  std::fputs(introduction, stdout);
  for (const auto& [domain, operators] : domains) {
    std::printf("\n## %s\n\n| operator | versions | runs as |\n| --- | --- | --- |\n", domain.c_str());
    for (const ops::OnnxOpDef* op : operators) {
      std::vector<int> versions;
      for (const auto& [version, lower] : op->since) versions.push_back(version);
      std::sort(versions.begin(), versions.end());
      std::printf("| %s | %s | %s |\n", op->name, join(versions, ", ").c_str(), execution_text(op->execution));
    }
  }
  return 0;
}

}  // namespace sardonyx::tools
