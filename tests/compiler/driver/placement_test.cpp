// Graphs on several devices: which device each group gets, where copies stand, and what the emitted programs compute.
#include <map>

#include "compiler/driver/compile.h"
#include "compiler/driver/select.h"
#include "compiler/graph/builder.h"
#include "tests/compiler/driver/fake_device.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::driver {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Value;
using runtime::Step;

const char* const chain = R"(graph(%0:f32[3,4] "x") {
  %1:f32[3,4] = softmax %0 {axis=1} from "a"
  %2:f32[3,4] = softmax %1 {axis=0} from "b"
  %3:f32[3,4] = cumulate %2 {axis=1} from "c"
  yield %3 "y"
})";

struct Rules {
  std::string placement{};
  bool strict = false;
  int preferred = 1;
};

Settings settings_of(const Rules& rules) {
  Settings settings;
  settings.placement = rules.placement;
  settings.strict = rules.strict;
  settings.verify = true;
  return settings;
}

// Device by source node.
std::map<std::string, int> placed(const std::string& text, const std::vector<const FakeBackend*>& backends,
                                  const Rules& rules = {}) {
  auto graph = graph::parse(text);
  passes::PassContext context;
  passes::fuse(*graph, context);
  const std::vector<Place> places = places_of(backends);
  std::map<std::string, int> devices;
  for (const auto& [group, choice] : select(*graph, places, settings_of(rules), rules.preferred))
    devices[join(group->sources, "+")] = choice.device;
  graph::verify(*graph);
  return devices;
}

using Devices = std::map<std::string, int>;

TEST(Placement, EverythingGoesToThePreferredDevice) {
  const FakeBackend host("cpu", always(1)), gpu("gpu", always(1e6));
  EXPECT_EQ(placed(chain, {&host, &gpu}), (Devices{{"a", 1}, {"b", 1}, {"c", 1}}));
  EXPECT_EQ(placed(chain, {&host, &gpu}, {.preferred = 0}), (Devices{{"a", 0}, {"b", 0}, {"c", 0}}));
}

TEST(Placement, FallsBackToTheHostUnlessStrict) {
  const FakeBackend host("cpu", always(1)), gpu("gpu", all_but("b", 1));
  EXPECT_EQ(placed(chain, {&host, &gpu}), (Devices{{"a", 1}, {"b", 0}, {"c", 1}}));
  try {
    placed(chain, {&host, &gpu}, {.strict = true});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::UnsupportedOperator);
    EXPECT_EQ(error.text(), "b (softmax) cannot run on gpu:0: not on a gpu");
  }
}

TEST(Placement, FollowsRules) {
  const FakeBackend host("cpu", always(1)), gpu("gpu", always(1));
  EXPECT_EQ(placed(chain, {&host, &gpu}, {"[ab]=cpu; *=gpu"}), (Devices{{"a", 0}, {"b", 0}, {"c", 1}}));
  EXPECT_EQ(placed(chain, {&host, &gpu}, {"op:SoftMax=cpu"}), (Devices{{"a", 0}, {"b", 0}, {"c", 1}}));
  EXPECT_EQ(placed(chain, {&host, &gpu}, {.placement = "b=gpu:0;b=cpu", .preferred = 0}),
            (Devices{{"a", 0}, {"b", 1}, {"c", 0}}));
  EXPECT_EQ(placed(chain, {&host, &gpu}, {.placement = "b=cpu", .strict = true}),
            (Devices{{"a", 1}, {"b", 0}, {"c", 1}}))
      << "strict is about what cannot be, not about what is asked for";
}

TEST(Placement, RulesThatCannotBeKept) {
  const FakeBackend host("cpu", always(1)), gpu("gpu", all_but("b", 1));
  set_log_level(LogLevel::Error);
  EXPECT_EQ(placed(chain, {&host, &gpu}, {.placement = "b=gpu;a=npu;nonsense;=cpu", .preferred = 0}),
            (Devices{{"a", 0}, {"b", 0}, {"c", 0}}));
  set_log_level(LogLevel::Warning);
  const std::pair<const char*, Status> wrong[] = {{"b=gpu", Status::UnsupportedOperator},
                                                  {"a=npu", Status::UnsupportedOperator},
                                                  {"nonsense", Status::InvalidProperty}};
  for (const auto& [rule, status] : wrong) {
    try {
      placed(chain, {&host, &gpu}, {.placement = rule, .strict = true, .preferred = 0});
      ADD_FAILURE() << "no error for " << rule;
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), status);
      EXPECT_NE(error.text().find(rule), std::string::npos) << error.text();
    }
  }
}

TEST(Placement, ByCostWhenNoDeviceIsPreferred) {
  const FakeBackend host("cpu", always(5000)), gpu("gpu", only("b", 100)), npu("npu", only("c", 100));
  EXPECT_EQ(placed(chain, {&host, &gpu, &npu}, {.preferred = -1}), (Devices{{"a", 0}, {"b", 1}, {"c", 2}}));
  const FakeBackend slow("gpu", only("b", 4000));
  EXPECT_EQ(placed(chain, {&host, &slow, &npu}, {.preferred = -1}), (Devices{{"a", 0}, {"b", 0}, {"c", 2}}))
      << "1000 ns less do not pay for the copies";
}

// What devices claim is corrected by what was measured on them: contractions apart from the rest.
TEST(Placement, ByMeasuredCost) {
  const char* const both = R"(graph(%0:f32[64,64] "x") {
    %1:f32[64,64] = matmul %0, %0 from "product"
    %2:f32[64,64] = softmax %0 {axis=1} from "softmax"
    yield %1 "y", %2 "z"
  })";
  const FakeBackend host("cpu", always(1e6));
  FakeBackend gpu("gpu", always(1e5));
  EXPECT_EQ(placed(both, {&host, &gpu}, {.preferred = -1}), (Devices{{"product", 1}, {"softmax", 1}}));
  gpu.info.contraction_factor = 100;
  EXPECT_EQ(placed(both, {&host, &gpu}, {.preferred = -1}), (Devices{{"product", 0}, {"softmax", 1}}));
  gpu.info.map_factor = 100;
  EXPECT_EQ(placed(both, {&host, &gpu}, {.preferred = -1}), (Devices{{"product", 0}, {"softmax", 0}}));
  gpu.info.contraction_factor = gpu.info.map_factor = 1;
  gpu.info.target.launch_ns = 2e6;
  EXPECT_EQ(placed(both, {&host, &gpu}, {.preferred = -1}), (Devices{{"product", 0}, {"softmax", 0}}));
}

// One line at WARNING when less than half of the work is done where it should be, and none else.
TEST(Placement, WarnsWhenMostFallsBack) {
  const auto said = [](const FakeBackend::Cost& cost, int preferred) {
    const FakeBackend host("cpu", always(1000)), gpu("gpu", cost);
    testing::internal::CaptureStderr();
    compile(graph::parse(chain), places_of({&host, &gpu}), {settings_of({}), preferred});
    return testing::internal::GetCapturedStderr();
  };
  const std::string text = said(only("b", 500), 1);
  EXPECT_NE(text.find("1 of 3 groups with 20 % of the estimated work run on gpu:0; `sardonyx explain` says why"),
            std::string::npos)
      << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_EQ(said(all_but("b", 1000), 1), "");
  EXPECT_EQ(said(only("b", 500), -1), "") << "nothing is preferred";
}

TEST(Placement, ReordersWhereTheyCanRun) {
  for (const bool on_device : {false, true}) {
    SCOPED_TRACE(on_device);
    FakeBackend host("cpu", all_but("b", 1)), gpu("gpu", only("b", 1));
    host.blocked = true;
    gpu.blocked = on_device;
    gpu.reorders = on_device;
    auto graph = graph::parse(chain);
    passes::PassContext context;
    passes::fuse(*graph, context);
    const auto choices = select(*graph, places_of({&host, &gpu}), settings_of({}), 1);
    graph::verify(*graph);
    int reorders = 0;
    for (const auto& [group, choice] : choices) {
      const Node& node = *group;
      for (size_t i = 0; i < node.operands.size(); ++i) {
        const int home = device_of(node.operand(int(i)), choices);
        EXPECT_EQ(home, choice.device);
        if (i < choice.candidate.inputs.size()) {
          EXPECT_EQ(node.operand(int(i))->type.layout, choice.candidate.inputs[i]);
        }
      }
      if (node.regions[0]->nodes().front()->op != Op::reorder) continue;
      ++reorders;
      EXPECT_EQ(choice.device, 0);
    }
    EXPECT_EQ(reorders, on_device ? 2 : 4);
    EXPECT_EQ(device_of(graph->body().outputs()[0], choices), 0);
  }
}

// ---- emitted programs ----

struct Compiled {
  std::shared_ptr<const runtime::Program> program;
  std::vector<const Step*> copies_to(int device) const {
    std::vector<const Step*> found;
    collect(program->main, device, found);
    return found;
  }
  // Steps of nested blocks, too.
  void collect(const runtime::Block& block, int device, std::vector<const Step*>& found) const {
    for (const Step& step : block.steps) {
      const auto device_of = [&](runtime::ValueId id) {
        while (program->values[size_t(id)].kind == runtime::ValueInfo::Kind::View)
          id = program->values[size_t(id)].base;
        return program->values[size_t(id)].device;
      };
      if (step.op == Step::Op::Copy && device_of(step.outputs[0]) == device && device_of(step.inputs[0]) != device)
        found.push_back(&step);
      for (const auto& nested : step.blocks) collect(*nested, device, found);
    }
  }
};

// The host's own backend beside a made-up device, which is preferred.
Compiled compiled(const Graph& graph, const FakeBackend& gpu, const Rules& rules = {}) {
  const Place places[] = {{backends::registry().front(), &host().front()}, {&gpu, &gpu.info}};
  CompileOptions options;
  options.settings = settings_of(rules);
  options.preferred = rules.preferred;
  set_log_level(LogLevel::Error);
  Compiled result{compile(graph::clone(graph), places, options)};
  set_log_level(LogLevel::Warning);
  runtime::verify(*result.program);
  return result;
}

// Runs the program with a device of its own, checks the outputs against the interpreter, and returns the device.
std::shared_ptr<FakeDevice> expect_equals_interpreted(const Graph& graph, const Compiled& compiled,
                                                      const std::vector<Tensor>& inputs) {
  auto device = std::make_shared<FakeDevice>();
  Settings settings;
  settings.num_threads = 1;
  const std::vector<Tensor> expected = graph::interpret(graph, inputs);
  std::vector<Dims> dims;
  for (const Tensor& tensor : expected) dims.push_back(tensor.dims());
  const auto context = runtime::Context::create(settings, {nullptr, device});
  const std::vector<Tensor> actual = run_program(compiled.program, inputs, dims, context);
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(difference(actual[i], expected[i], 1e-5), "") << "output " << i;
  return device;
}

TEST(Placement, RunsOnTheDevice) {
  const auto graph = graph::parse(chain);
  const FakeBackend gpu("gpu", all_but("b", 1));
  const Compiled result = compiled(*graph, gpu);
  EXPECT_EQ(result.program->devices, (std::vector<std::string>{"cpu", "gpu:0"}));
  EXPECT_EQ(result.copies_to(1).size(), 2u);
  const auto to_host = result.copies_to(0);
  ASSERT_EQ(to_host.size(), 2u);
  EXPECT_EQ(result.program->values[size_t(to_host[1]->outputs[0])].kind, runtime::ValueInfo::Kind::Output)
      << "the last copy writes the output itself";
  std::map<std::string, const runtime::GroupReport*> report;
  for (const auto& entry : result.program->report) report[entry.name] = &entry;
  EXPECT_EQ(result.program->report.size(), 3u + 4u) << "copies are reported, too";
  ASSERT_TRUE(report.count("copy1"));
  EXPECT_EQ(report["copy1"]->device, "gpu:0");
  EXPECT_EQ(report["copy1"]->candidate, "cpu -> gpu:0");
  EXPECT_EQ(report["copy1"]->transfer_bytes, 3 * 4 * 4);
  EXPECT_EQ(report["copy1"]->estimated_ns, 1000 + 3 * 4 * 4);
  int fallbacks = 0;
  for (const auto& entry : result.program->report) {
    if (entry.source_nodes != std::vector<std::string>{"b"} || entry.primitives == "copy") continue;
    ++fallbacks;
    EXPECT_EQ(entry.device, "cpu");
    EXPECT_EQ(entry.reason.rfind("falls back to cpu: not on a gpu", 0), 0u) << entry.reason;
  }
  EXPECT_EQ(fallbacks, 1);
  const auto device = expect_equals_interpreted(*graph, result, {random_tensor(DType::F32, {3, 4}, 1)});
  EXPECT_EQ(device->launches, 2);
  EXPECT_EQ(device->uploads, 2);
  EXPECT_EQ(device->downloads, 2);
}

TEST(Placement, CopiesAndConstantsAreShared) {
  Graph graph;
  graph::Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {4, 4}, {}}, "x");
  Value* w = b.constant(random_tensor(DType::F32, {4, 4}, 3));
  b.set_sources({"device"});
  Value* first = b.matmul(b.softmax(x, 1), w);
  Value* second = b.matmul(first, w);
  b.set_sources({"host"});
  Value* third = b.matmul(first, w);
  Value* fourth = b.softmax(b.reshape(first, {2, 8}), 1);
  graph.set_outputs({second, third, fourth, first}, {"p", "q", "r", "s"});
  const FakeBackend gpu("gpu", only("device", 1));
  const Compiled result = compiled(graph, gpu);
  EXPECT_EQ(result.copies_to(1).size(), 1u) << "the input";
  EXPECT_EQ(result.copies_to(0).size(), 2u)
      << "the first product serves two groups, one of them through a view, and an "
         "output; the second is an output";
  std::map<int, int> constants;  // by device
  for (const auto& value : result.program->values)
    if (value.kind == runtime::ValueInfo::Kind::Constant) ++constants[value.device];
  EXPECT_EQ(constants[1], 1);
  expect_equals_interpreted(graph, result, {random_tensor(DType::F32, {4, 4}, 1)});
}

TEST(Placement, ViewsLiveWithWhatTheyView) {
  const auto graph = graph::parse(R"(graph(%0:f32[3,4] "x") {
    %1:f32[3,4] = softmax %0 {axis=1} from "a"
    %2:f32[2,6] = reshape %1 {dims=[2,6]}
    %3:f32[2,6] = softmax %2 {axis=1} from "b"
    %4:f32[12] = reshape %3 {dims=[12]}
    yield %4 "y", %2 "z"
  })");
  const FakeBackend gpu("gpu", always(1));
  const Compiled result = compiled(*graph, gpu);
  EXPECT_EQ(result.copies_to(1).size(), 1u);
  EXPECT_EQ(result.copies_to(0).size(), 2u);
  expect_equals_interpreted(*graph, result, {random_tensor(DType::F32, {3, 4}, 1)});
}

TEST(Placement, CapturesOfLoopsAreCopiedOnce) {
  Graph graph;
  graph::Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {graph.symbol("n"), 4}, {}}, "x");
  Value* y = graph.body().add_parameter({DType::F32, {4, 4}, {}}, "y");
  Value* trips = graph.body().add_parameter({DType::I64, {}, {}}, "trips");
  b.set_sources({"before"});
  Value* weight = b.softmax(y, 1);
  const auto results = b.loop(trips, nullptr, {x}, [&](graph::Builder& in, Value*, Value*, std::vector<Value*> v) {
    in.set_sources({"body"});
    Value* next = in.matmul(in.matmul(v[0], weight), y);
    return std::vector<Value*>{in.scalar(DType::Bool, 1), next, next};
  });
  graph.set_outputs({results[0], results[1]}, {"last", "all"});
  const FakeBackend gpu("gpu", only("body", 1));
  const Compiled result = compiled(graph, gpu);
  size_t outside = 0, inside = 0;
  for (const Step& step : result.program->main.steps) {
    outside += step.op == Step::Op::Copy && result.program->values[size_t(step.outputs[0])].device == 1;
    if (step.op != Step::Op::Loop) continue;
    for (const Step& nested : step.blocks[0]->steps) inside += nested.op == Step::Op::Copy;
  }
  EXPECT_EQ(outside, 2u) << "both captured values";
  EXPECT_EQ(inside, 2u) << "the carried value in and out, although it is used twice";
  for (int64_t count : {0, 3})
    expect_equals_interpreted(graph, result,
                              {random_tensor(DType::F32, {2, 4}, 1), random_tensor(DType::F32, {4, 4}, 2),
                               random_tensor(DType::I64, {}, 1, double(count), double(count))});
}

TEST(Placement, ControlFlowAndDimsReadOnTheHost) {
  Graph graph;
  graph::Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {4, 4}, {}}, "x");
  Value* total = b.reduce(graph::ReduceFunction::Sum, x, {0, 1}, false);
  Value* condition = b.less(b.scalar(DType::F32, 0), total);
  const auto chosen = b.if_then_else(
      condition, [&](graph::Builder& in) { return std::vector<Value*>{in.softmax(x, 1)}; },
      [&](graph::Builder&) { return std::vector<Value*>{x}; });
  Value* found = b.nonzero(b.less(chosen[0], b.scalar(DType::F32, 0.25)));
  graph.set_outputs({chosen[0], found}, {"y", "found"});
  const FakeBackend gpu(
      "gpu", [](const Node& group) { return group.regions[0]->nodes().front()->op == Op::nonzero ? refused : 1.0; });
  const Compiled result = compiled(graph, gpu);
  for (uint64_t seed : {1, 2, 3, 4})
    expect_equals_interpreted(graph, result, {random_tensor(DType::F32, {4, 4}, seed)});
}

TEST(Placement, OneDeviceNeedsNoCopies) {
  const auto graph = graph::parse(chain);
  const FakeBackend gpu("gpu", always(1));
  const Compiled result = compiled(*graph, gpu, {.preferred = 0});
  for (const Step& step : result.program->main.steps) EXPECT_NE(step.op, Step::Op::Copy);
  const auto device = expect_equals_interpreted(*graph, result, {random_tensor(DType::F32, {3, 4}, 1)});
  EXPECT_EQ(device->launches + device->uploads + device->downloads, 0);
}

}  // namespace
}  // namespace sardonyx::driver
