// `sardonyx`: looks at devices, runs, checks, measures and explains models through an ONNXIFI library.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "runtime/base/settings.h"
#include "runtime/base/status.h"
#include "tools/commands.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {

namespace {

enum ExitCode { success = 0, wrong_answer = 1, wrong_usage = 2, library_failed = 3 };

std::string footer() {
  std::string text =
      "The library is --library, else SARDONYX_LIBRARY, else libonnxifi.so beside this program, in ../lib or\n"
      "../onnxifi, else by its bare name as the system finds it.\n\n"
      "Settings of the library (a property given to onnxInitBackend beats the environment):\n";
  for (const SettingDoc& doc : setting_docs()) {
    text += str("  ", *doc.variable != '\0' ? doc.variable : doc.property, "\n      ", doc.meaning, " (", doc.values,
                ")\n");
  }
  return text +
         "\nExit codes: 0 done; 1 a wrong answer; 2 wrong usage or an unreadable file;\n"
         "3 the library refused or failed.";
}

void add_common(CLI::App* command, CommonOptions& options) {
  command->add_option("--library", options.library, "ONNXIFI library to open")->option_text("FILE");
  command->add_flag("--json", options.json, "print JSON");
}

void add_backend(CLI::App* command, CommonOptions& options) {
  add_common(command, options);
  command->add_option("--backend", options.backend, "position or part of the name of a backend (default: the first)")
      ->option_text("BACKEND");
  command->add_option("--threads", options.properties.threads, "worker threads of the backend")->option_text("N");
  command->add_option("--policy", options.properties.policy, "kernels that may be chosen: auto, codegen, library")
      ->option_text("POLICY")
      ->transform(CLI::CheckedTransformer(std::map<std::string, uint64_t>{
          {"auto", ONNXX_POLICY_AUTO}, {"codegen", ONNXX_POLICY_CODEGEN}, {"library", ONNXX_POLICY_LIBRARY}}));
  command->add_flag("--allow-empty", options.properties.allow_empty, "let open dims be bound to 0");
  command->add_flag("--progress", options.progress, "report progress on stderr even when it is no terminal");
}

// An option that may come again and takes one value each time, so that a positional may follow.
CLI::Option* add_repeatable(CLI::App* command, const std::string& names, std::vector<std::string>& values,
                            const std::string& help, const std::string& text) {
  return command->add_option(names, values, help)->allow_extra_args(false)->option_text(text);
}

void add_tolerance(CLI::App* command, Tolerance& tolerance) {
  command->add_option("--rtol", tolerance.rtol, "relative tolerance")->capture_default_str();
  command->add_option("--atol", tolerance.atol, "absolute tolerance")->capture_default_str();
  command
      ->add_option("--atol-relative", tolerance.atol_relative,
                   "add this times the expected output's largest magnitude to --atol")
      ->capture_default_str();
}

struct Options {
  CommonOptions devices;
  RunOptions run;
  TestOptions test;
  BenchOptions bench;
  ExplainOptions explain;
  OptOptions opt;
};

void add_commands(CLI::App& app, Options& options, int& exit_code) {
  auto* devices = app.add_subcommand("devices", "List the library's backends and what they report");
  add_common(devices, options.devices);
  devices->callback([&] { exit_code = devices_command(options.devices); });

  auto* run = app.add_subcommand("run", "Run a model on random or given inputs, or on a test's data sets");
  add_backend(run, options.run);
  run->add_option("model", options.run.model, "a model, or a folder with model.onnx and test_data_set_N")
      ->required()
      ->check(CLI::ExistingPath);
  add_repeatable(run, "-i,--input", options.run.inputs, "tensor file (.pb) of an input; repeat for more",
                 "[NAME=]FILE");
  add_repeatable(run, "--shape", options.run.shapes, "shape of an input; repeat for more", "NAME=1x3x224x224");
  run->add_option("--seed", options.run.seed, "of random inputs")->capture_default_str();
  run->add_option("--limit", options.run.limit, "of an output's dim that depends on data")->capture_default_str();
  run->add_option("--print", options.run.print, "elements of each output to print")->capture_default_str();
  run->add_option("--repeat", options.run.repeat, "number of runs")->capture_default_str();
  run->add_option("--save", options.run.save, "folder for the outputs, as test_data_set_N/output_K.pb");
  add_tolerance(run, options.run.tolerance);
  run->callback([&] { exit_code = run_command(options.run); });

  auto* test = app.add_subcommand("test", "Check a backend against ONNX's tests, each in a process of its own");
  add_backend(test, options.test);
  test->add_option("folders", options.test.folders, "tests, or folders of tests")->required();
  test->add_option("-n,--name", options.test.pattern, "only tests of this name: a shell pattern, or a part of it");
  test->add_option("-j,--jobs", options.test.jobs, "tests at a time; 0: one per processor")->capture_default_str();
  test->add_option("--timeout", options.test.timeout, "seconds until a test counts as hanging")->capture_default_str();
  test->add_option("--skip-list", options.test.skip_list,
                   "file of lines `name: reason`: such failures are skips, and to pass there is an error")
      ->option_text("FILE");
  test->add_option("--random-list", options.test.random_list,
                   "file of lines `name: distribution`: many runs are held against it")
      ->option_text("FILE");
  test->add_option("--floor", options.test.floor, "fail when fewer tests pass")->option_text("N");
  add_repeatable(test, "--share", options.test.shares,
                 "fail when a smaller share of the groups of all graphs runs on a device; repeat for more",
                 "DEVICE=PERCENT");
  test->add_option("--report", options.test.report, "write the JSON report there, too")->option_text("FILE");
  test->add_flag("--strict", options.test.strict, "what the library calls unsupported fails instead of being skipped");
  test->add_flag("-v,--verbose", options.test.verbose, "print passes and skips, too");
  add_tolerance(test, options.test.tolerance);
  test->callback([&] { exit_code = test_command(options.test); });

  auto* bench =
      app.add_subcommand("bench", "Measure init, first run, later runs and memory, each model in its process");
  add_backend(bench, options.bench);
  bench->add_option("models", options.bench.models, "models, or folders of tests")
      ->required()
      ->check(CLI::ExistingPath);
  bench->add_option("--time", options.bench.seconds, "seconds to measure each model")->capture_default_str();
  add_repeatable(bench, "--shape", options.bench.shapes, "shape of an input; repeat for more", "NAME=1x3x224x224");
  bench->add_option("--limit", options.bench.limit, "of an output's dim that depends on data")->capture_default_str();
  bench->add_option("--report", options.bench.report, "write the JSON there, too (Google Benchmark's schema)")
      ->option_text("FILE");
  const std::string kernels_help =
      "show what the so many most expensive groups of nodes take, beside what the device could do; 0: all groups";
  const CLI::Option* kernels = bench->add_flag("--kernels{20}", kernels_help)->check(CLI::NonNegativeNumber);
  bench->callback([&options, &exit_code, kernels] {
    if (kernels->count() > 0) options.bench.kernels = kernels->as<size_t>();
    exit_code = bench_command(options.bench);
  });

  auto* explain =
      app.add_subcommand("explain", "Show how a model was compiled: groups, devices, candidates, layouts, costs");
  add_backend(explain, options.explain);
  explain->add_option("model", options.explain.model, "a model, or a folder with model.onnx")
      ->required()
      ->check(CLI::ExistingPath);
  explain->callback([&] { exit_code = explain_command(options.explain); });

  auto* opt = app.add_subcommand("opt", "Run the compiler's passes on a graph in text form");
  opt->add_option("input", options.opt.input, "text graph; - is stdin")->capture_default_str();
  opt->add_option("-o,--output", options.opt.output, "file for the result; - is stdout")->capture_default_str();
  add_repeatable(opt, "--passes", options.opt.passes, "names in order; default: the compiler's own", "NAME,...")
      ->delimiter(',');
  opt->add_flag("--list", options.opt.list, "list the passes");
  opt->add_flag("!--no-verify", options.opt.verify, "do not verify the graph after every pass");
  opt->add_flag("--timing", options.opt.timing, "print the time of each pass on stderr");
  opt->callback([&] { exit_code = opt_command(options.opt); });

  auto* operators = app.add_subcommand("operators", "Print the table of operators: versions, and what runs them");
  operators->callback([&] { exit_code = operators_command(); });
}

int main(int argc, char** argv) {
  CLI::App app("Looks at devices, runs, checks, measures and explains models through an ONNXIFI library.", "sardonyx");
  app.require_subcommand(1);
  Options options;
  int exit_code = success;
  add_commands(app, options, exit_code);
  app.footer(footer());
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? success : wrong_usage;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "sardonyx: %s\n", error.what());
    return wrong_usage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sardonyx: %s\n", error.what());
    return library_failed;
  }
  return exit_code;
}

}  // namespace

}  // namespace sardonyx::tools

int main(int argc, char** argv) { return sardonyx::tools::main(argc, argv); }
