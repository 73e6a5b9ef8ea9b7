// The compiler's passes on a graph in text form: what golden tests and bug reports are made of.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "compiler/passes/pipeline.h"
#include "tools/commands.h"
#include "tools/text.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {

namespace {

std::string read_text(const std::string& path) {
  if (path == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream file(path);
  if (!file) throw UsageError(str("cannot read ", path));
  return {std::istreambuf_iterator<char>(file), {}};
}

std::unique_ptr<graph::Graph> read_graph(const std::string& path) {
  try {
    auto graph = graph::parse(read_text(path));
    graph::verify(*graph);
    return graph;
  } catch (const Error& error) {
    throw UsageError(str(path, ": ", error.text()));
  }
}

std::vector<passes::Pass> chosen_passes(const std::vector<std::string>& names) {
  if (names.empty()) return passes::pipeline();
  std::vector<passes::Pass> chosen;
  for (const auto& name : names) {
    const passes::Pass* pass = passes::find_pass(name);
    if (pass == nullptr) throw UsageError(str("no pass '", name, "'; --list shows them"));
    chosen.push_back(*pass);
  }
  return chosen;
}

}  // namespace

int opt_command(const OptOptions& options) {
  if (options.list) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& pass : passes::all_passes()) rows.push_back({pass.name, pass.purpose});
    std::fputs(table_text(rows).c_str(), stdout);
    std::string order;
    for (const auto& pass : passes::pipeline()) order += str(order.empty() ? "" : ",", pass.name);
    std::printf("\ndefault: %s\n", order.c_str());
    return 0;
  }
  const auto chosen = chosen_passes(options.passes);
  const auto graph = read_graph(options.input);
  passes::PassContext context;
  context.verify = options.verify;
  passes::run_passes(*graph, chosen, context);
  const std::string text = graph::to_string(*graph);
  if (options.output == "-") {
    std::fputs(text.c_str(), stdout);
  } else {
    std::ofstream file(options.output);
    if (!(file << text)) throw UsageError(str("cannot write ", options.output));
  }
  if (options.timing) {
    for (const auto& [name, nanoseconds] : context.timings) {
      std::fprintf(stderr, "%-20s %s\n", name.c_str(), seconds_text(nanoseconds * 1e-9).c_str());
    }
  }
  return 0;
}

}  // namespace sardonyx::tools
