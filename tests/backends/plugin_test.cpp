// The adapter of external backends: loading, bad files, and answers that break the contract.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "backends/plugin/backend.h"
#include "backends/plugin/group.h"
#include "backends/plugin/loader.h"
#include "compiler/graph/graph.h"
#include "runtime/base/log.h"

namespace sardonyx::plugin {
namespace {

using backends::Backend;
using backends::Candidates;
using graph::Graph;
using graph::Node;

std::string bad_plugin(int kind) { return str(PLUGIN_FOLDER, "/bad_plugin_", kind, ".so"); }

std::vector<std::string> names_of(const std::vector<std::unique_ptr<Backend>>& backends) {
  std::vector<std::string> names;
  for (const auto& backend : backends) names.emplace_back(backend->name());
  return names;
}

// What `work` writes to stderr.
template <class F>
std::string logged(F&& work) {
  testing::internal::CaptureStderr();
  work();
  return testing::internal::GetCapturedStderr();
}

TEST(PluginLoader, LoadsTheExample) {
  const auto loaded = load_plugins(EXAMPLE_PLUGIN, {});
  ASSERT_EQ(names_of(loaded), std::vector<std::string>{"example"});
  const auto devices = loaded[0]->discover();
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_EQ(devices[0].backend, "example");
  EXPECT_EQ(devices[0].name, "Example accelerator");
  EXPECT_EQ(devices[0].device, "example 0");
  EXPECT_EQ(devices[0].type, backends::DeviceType::Npu);
  EXPECT_EQ(devices[0].memory_bytes, uint64_t{1} << 30);
  EXPECT_DOUBLE_EQ(devices[0].target.flops_per_ns, 2);
  EXPECT_DOUBLE_EQ(devices[0].target.bytes_per_ns, 10);
}

struct BadFile {
  const char* path;
  const char* reason;
};

class BadFiles : public testing::TestWithParam<BadFile> {};

// Every bad file stands between two mentions of the good one: the first is loaded, the second clashes with it.
TEST_P(BadFiles, AreLeftOutWithALine) {
  const auto [file, reason] = GetParam();
  const std::string path = *file == '/' || *file == 'r' ? file : bad_plugin(std::atoi(file));
  std::vector<std::unique_ptr<Backend>> loaded;
  const std::string text = logged([&] { loaded = load_plugins(str(path, ":", EXAMPLE_PLUGIN), {}); });
  EXPECT_EQ(names_of(loaded), std::vector<std::string>{"example"});
  EXPECT_NE(text.find(str("plug-in ", path, " is left out: ")), std::string::npos) << text;
  EXPECT_NE(text.find(reason), std::string::npos) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Loader, BadFiles,
    testing::Values(BadFile{"/there/is/none.so", "No such file"}, BadFile{"/etc/passwd", "invalid ELF header"},
                    BadFile{"relative.so", "not absolute"}, BadFile{"1", "does not export sardonyx_backend_v1"},
                    BadFile{"2", "does not work in this process"},
                    BadFile{"3", "it has version 99 of the contract, supported is 1"},
                    BadFile{"4", "its table has 16 bytes"}, BadFile{"5", "entries of its table are missing"},
                    BadFile{"6", "its name 'Not A Name'"}, BadFile{"7", "threw an exception"},
                    BadFile{"8", "its name ''"}));

TEST(PluginLoader, RefusesNamesThatAreTaken) {
  std::vector<std::unique_ptr<Backend>> loaded;
  const std::string text = logged([&] { loaded = load_plugins(str(EXAMPLE_PLUGIN, "::", EXAMPLE_PLUGIN), {}); });
  EXPECT_EQ(loaded.size(), 1u);
  EXPECT_NE(text.find("there is a backend 'example' already"), std::string::npos) << text;
  const auto first = std::move(loaded);
  logged([&] { loaded = load_plugins(EXAMPLE_PLUGIN, {first[0].get()}); });
  EXPECT_TRUE(loaded.empty());
}

// ---- a plug-in inside the test, whose entries the tests replace -----------------------------------------------------

void nothing(sardonyxObject*) {}
sardonyxObject object{nothing};

onnxStatus no_devices(void (*)(void*, const sardonyxDevice*), void*, char*, size_t) { return 0; }
onnxStatus opens(const char*, const sardonyxSettings*, sardonyxObject** opened, char*, size_t) {
  *opened = &object;
  return 0;
}
onnxStatus no_candidates(const char*, const sardonyxGroup*, void (*)(void*, const sardonyxCandidate*),
                         void (*)(void*, const char*), void*, char*, size_t) {
  return 0;
}
onnxStatus compiles(const char*, const sardonyxChosen*, size_t count, const sardonyxSettings*, sardonyxObject** codes,
                    char*, size_t) {
  std::fill_n(codes, count, &object);
  return 0;
}
onnxStatus allocates(sardonyxObject*, int64_t, sardonyxObject** memory, char*, size_t) {
  *memory = &object;
  return 0;
}
onnxStatus loads(sardonyxObject*, sardonyxObject* const*, size_t count, sardonyxObject** kernels, char*, size_t) {
  std::fill_n(kernels, count, &object);
  return 0;
}
uint64_t submits(sardonyxObject*, const sardonyxCommand*, size_t, uint64_t) { return 1; }
onnxStatus waits(sardonyxObject*, uint64_t, void (*done)(void*, onnxStatus, const char*), void* context, char*,
                 size_t) {
  if (done) done(context, 0, "");
  return 0;
}

sardonyxBackend good_table() {
  return {SARDONYX_BACKEND_VERSION,
          sizeof(sardonyxBackend),
          "fake",
          no_devices,
          opens,
          no_candidates,
          compiles,
          allocates,
          loads,
          submits,
          waits};
}

template <class F>
void expect_error(Status status, const std::string& part, F&& f) {
  try {
    f();
    FAIL() << "no error with '" << part << "'";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status) << error.text();
    EXPECT_NE(error.text().find(part), std::string::npos) << error.text();
  }
}

// A graph with one group.
const char* const text = R"(graph(%0:f32[n,4] "x", %1:f32[n,4] "y") {
  %2:f32[n,4] = fused %0, %1 {name="group 1"} (%3:f32[n,4], %4:f32[n,4]) {
    %5:f32[n,4] = binary %3, %4 {fn=add}
    %6:f32[n,4] = slice %5 {starts=[0,0], dims=[n,4], steps=[1,1]}
    yield %6
  }
  yield %2 "z"
}
)";

struct OneGroup {
  std::unique_ptr<Graph> graph = graph::parse(text);
  const Node& group = *graph->body().nodes().front();
};

TEST(PluginGroup, DescribesNodesValuesAndDims) {
  OneGroup one;
  const GroupDescription description(one.group, {}, {});
  const sardonyxGroup& group = description.get();
  EXPECT_STREQ(group.name, "group 1");
  ASSERT_EQ(group.symbol_count, 1);
  EXPECT_STREQ(group.dims[0].text, "n");
  EXPECT_EQ(group.dims[0].min, 0);
  EXPECT_EQ(group.dims[0].max, INT64_MAX);
  std::vector<std::string> texts;
  for (int i = 0; i < group.dim_count; ++i) texts.emplace_back(group.dims[i].text);
  EXPECT_EQ(texts, (std::vector<std::string>{"n", "4", "0"}));
  EXPECT_EQ(group.dims[1].min, 4);
  EXPECT_EQ(group.dims[1].max, 4);
  ASSERT_EQ(description.dims().size(), 3u);
  EXPECT_EQ(expr::to_string(description.dims()[0]), "n");
  ASSERT_EQ(group.value_count, 4);
  EXPECT_EQ(group.input_count, 2);
  for (int i = 0; i < group.value_count; ++i) {
    EXPECT_EQ(group.values[i].dtype, ONNXIFI_DATATYPE_FLOAT32);
    ASSERT_EQ(group.values[i].rank, 2);
    EXPECT_EQ(group.values[i].dims[0], 0);
    EXPECT_EQ(group.values[i].dims[1], 1);
    EXPECT_STREQ(group.values[i].layout, "");
    EXPECT_EQ(group.values[i].constant, 0);
  }
  ASSERT_EQ(group.node_count, 2);
  EXPECT_STREQ(group.nodes[0].primitive, "binary");
  EXPECT_STREQ(group.nodes[0].attributes, "{fn=add}");
  ASSERT_EQ(group.nodes[0].operand_count, 2);
  EXPECT_EQ(group.nodes[0].operands[0], 0);
  EXPECT_EQ(group.nodes[0].operands[1], 1);
  EXPECT_STREQ(group.nodes[1].attributes, "{starts=[0,0], dims=[n,4], steps=[1,1]}");
  EXPECT_EQ(group.nodes[1].results[0], 3);
  ASSERT_EQ(group.output_count, 1);
  EXPECT_EQ(group.outputs[0], 3);
}

TEST(PluginGroup, ShowsLayoutsAndSmallConstants) {
  Graph graph;
  graph::Value* x = graph.body().add_parameter({DType::F32, {2, 16}, {}}, "x");
  const std::vector<float> few{1, 2}, many(32, 1);
  auto constant = [&](const Tensor& value) {
    auto attributes = std::make_shared<graph::ConstantAttrs>();
    attributes->value = value;
    return graph
        .create(graph.body(), nullptr, graph::Op::constant, attributes, {},
                {{value.dtype(), {value.dims().begin(), value.dims().end()}, {}}})
        ->result();
  };
  graph::Value* small = constant(Tensor::of<float>(DType::F32, {2}, few));
  graph::Value* large = constant(Tensor::of<float>(DType::F32, {2, 16}, many));
  Node* fused = graph.create(graph.body(), nullptr, graph::Op::fused, std::make_shared<graph::FusedAttrs>(),
                             {x, small, large}, {{DType::F32, {2, 16}, {}}});
  graph::Region* body = graph.add_region(fused);
  for (graph::Value* operand : fused->operands) body->add_parameter(operand->type);
  auto add = std::make_shared<graph::BinaryAttrs>();
  Node* sum = graph.create(*body, nullptr, graph::Op::binary, add,
                           {body->parameters()[0].get(), body->parameters()[2].get()}, {{DType::F32, {2, 16}, {}}});
  graph.create(*body, nullptr, graph::Op::yield, std::make_shared<graph::NoAttrs>(), {sum->result()}, {});
  const graph::Layout blocked = graph::Layout::blocked(1, 8);
  const GroupDescription description(*fused, {blocked, {}, {}}, {blocked});
  const sardonyxGroup& group = description.get();
  EXPECT_EQ(group.symbol_count, 0);
  EXPECT_STREQ(group.values[0].layout, "ab8b");
  EXPECT_STREQ(group.values[3].layout, "ab8b");
  EXPECT_EQ(group.values[0].constant, 0);
  EXPECT_EQ(group.values[1].constant, 1);
  ASSERT_NE(group.values[1].data, nullptr);
  EXPECT_EQ(static_cast<const float*>(group.values[1].data)[1], 2);
  EXPECT_EQ(group.values[2].constant, 1);
  EXPECT_EQ(group.values[2].data, nullptr);  // groups that differ in it share code
}

// What the fake plug-in offers next.
sardonyxCandidate offered;
onnxStatus offers(const char* device, const sardonyxGroup* group, void (*add)(void*, const sardonyxCandidate*),
                  void (*decline)(void*, const char*), void* context, char*, size_t) {
  EXPECT_STREQ(device, "fake 0");
  EXPECT_EQ(group->node_count, 2);
  add(context, &offered);
  decline(context, "fast: not today");
  return 0;
}

Candidates ask(const sardonyxBackend& table) {
  OneGroup one;
  backends::Target target;
  target.cpu = "fake 0";
  return make_backend(&table)->candidates(one.group, target);
}

TEST(PluginBackend, TakesGoodCandidates) {
  sardonyxBackend table = good_table();
  table.candidates = offers;
  const char* inputs[] = {"ab", "ab4b"};
  offered = {"slow", "rows=4 columns=-2", 1500.5, inputs, nullptr};
  const Candidates answer = ask(table);
  ASSERT_EQ(answer.list.size(), 1u) << join(answer.refusals, "; ");
  EXPECT_EQ(answer.list[0].family, "fake.slow");
  EXPECT_EQ(answer.list[0].point, (backends::Point{{"rows", 4}, {"columns", -2}}));
  EXPECT_EQ(answer.list[0].cost_ns, 1500.5);
  ASSERT_EQ(answer.list[0].inputs.size(), 2u);
  EXPECT_TRUE(answer.list[0].inputs[1] == graph::Layout::blocked(1, 4));
  EXPECT_TRUE(answer.list[0].outputs.empty());
  EXPECT_EQ(answer.refusals, std::vector<std::string>{"fake.fast: not today"});
}

TEST(PluginBackend, DeclinesForAPluginWithBadAnswers) {
  sardonyxBackend table = good_table();
  table.candidates = offers;
  const char* other_rank[] = {"abcd4d", ""};
  const char* no_layout[] = {"no layout", ""};
  const struct {
    sardonyxCandidate candidate;
    const char* reason;
  } cases[] = {
      {{"slow", "", NAN, nullptr, nullptr}, "its cost is nan ns"},
      {{"slow", "", INFINITY, nullptr, nullptr}, "its cost is inf ns"},
      {{"slow", "", -1, nullptr, nullptr}, "its cost is -1 ns"},
      {{"slow", "rows", 1, nullptr, nullptr}, "its point 'rows'"},
      {{"slow", "rows=", 1, nullptr, nullptr}, "its point 'rows='"},
      {{"slow", "rows=4x", 1, nullptr, nullptr}, "its point 'rows=4x'"},
      {{"", "", 1, nullptr, nullptr}, "without family"},
      {{nullptr, "", 1, nullptr, nullptr}, "without family"},
      {{"slow", "", 1, other_rank, nullptr}, "its layout 'abcd4d'"},
      {{"slow", "", 1, no_layout, nullptr}, "layout"},
  };
  for (const auto& [candidate, reason] : cases) {
    offered = candidate;
    const Candidates answer = ask(table);
    EXPECT_TRUE(answer.list.empty()) << reason;
    ASSERT_EQ(answer.refusals.size(), 1u);
    EXPECT_NE(answer.refusals[0].find(reason), std::string::npos) << answer.refusals[0];
    EXPECT_NE(answer.refusals[0].find("fake"), std::string::npos) << answer.refusals[0];
  }
}

TEST(PluginBackend, DeclinesForAPluginThatFails) {
  sardonyxBackend table = good_table();
  table.candidates = [](const char*, const sardonyxGroup*, void (*)(void*, const sardonyxCandidate*),
                        void (*)(void*, const char*), void*, char*, size_t) -> onnxStatus { throw 1; };
  EXPECT_EQ(ask(table).refusals, std::vector<std::string>{"plug-in 'fake': candidates threw an exception"});
  table.candidates = [](const char*, const sardonyxGroup*, void (*)(void*, const sardonyxCandidate*),
                        void (*)(void*, const char*), void*, char*,
                        size_t) -> onnxStatus { return ONNXIFI_STATUS_NO_SYSTEM_MEMORY; };
  EXPECT_EQ(ask(table).refusals,
            std::vector<std::string>{"plug-in 'fake': candidates: NO_SYSTEM_MEMORY (status 1025)"});
}

TEST(PluginBackend, KeepsGroupsOfTheHostToItself) {
  auto graph = graph::parse(R"(graph(%0:f32[4] "x") {
  %1:i64[1,k] = fused %0 {name="group 1"} (%2:f32[4]) {
    %3:i64[1,k] = nonzero %2
    yield %3
  }
  yield %1 "y"
}
)");
  const sardonyxBackend table = good_table();
  const Candidates answer = make_backend(&table)->candidates(*graph->body().nodes().front(), {});
  EXPECT_EQ(answer.refusals, std::vector<std::string>{"fake.nonzero: runs on the host"});
}

sardonyxDevice found_devices[2];
onnxStatus finds(void (*found)(void*, const sardonyxDevice*), void* context, char*, size_t) {
  for (const sardonyxDevice& device : found_devices) found(context, &device);
  return 0;
}

TEST(PluginBackend, ChecksDevices) {
  sardonyxBackend table = good_table();
  table.discover = finds;
  const auto backend = make_backend(&table);
  const sardonyxDevice good = {"Fake", "fake 0", ONNXIFI_DEVICE_TYPE_GPU, 0, 0, 0};
  found_devices[0] = good;
  const struct {
    sardonyxDevice device;
    const char* reason;
  } cases[] = {{good, "two devices 'fake 0'"},
               {{"Fake", "", ONNXIFI_DEVICE_TYPE_GPU, 0, 0, 0}, "a device without name"},
               {{nullptr, "fake 1", ONNXIFI_DEVICE_TYPE_GPU, 0, 0, 0}, "a device without name"},
               {{"Fake", "fake 1", ONNXIFI_DEVICE_TYPE_HETEROGENEOUS, 0, 0, 0}, "has the type 32"}};
  for (const auto& [device, reason] : cases) {
    found_devices[1] = device;
    expect_error(Status::InternalError, reason, [&] { backend->discover(); });
  }
  found_devices[1] = {"Fake", "fake 1", ONNXIFI_DEVICE_TYPE_CPU, 0, 0, 0};
  const auto devices = backend->discover();
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(devices[1].target.cpu, "fake 1");
  EXPECT_GT(devices[1].target.bytes_per_ns, 0);
}

TEST(PluginBackend, TranslatesStatusesAndTexts) {
  sardonyxBackend table = good_table();
  table.open = [](const char*, const sardonyxSettings*, sardonyxObject**, char* error, size_t size) -> onnxStatus {
    std::snprintf(error, size, "no such board");
    return ONNXIFI_STATUS_NO_DEVICE_RESOURCES;
  };
  const backends::OpenOptions options;
  expect_error(Status::NoDeviceResources, "plug-in 'fake': open: no such board",
               [&] { make_backend(&table)->open({}, options); });
  table.open = [](const char*, const sardonyxSettings*, sardonyxObject**, char*, size_t) -> onnxStatus { return 4711; };
  expect_error(Status::InternalError, "(status 4711)", [&] { make_backend(&table)->open({}, options); });
  table.open = [](const char*, const sardonyxSettings*, sardonyxObject**, char*, size_t) -> onnxStatus { return 0; };
  expect_error(Status::InternalError, "open succeeded without an object",
               [&] { make_backend(&table)->open({}, options); });
}

runtime::Completion submit_nothing(const sardonyxBackend& table) {
  const auto device = make_backend(&table)->open({}, {});
  const runtime::Point point = device->submit({}, 1);
  EXPECT_EQ(point, 1u);
  return device->wait(point, nullptr);
}

TEST(PluginDevice, IsUnusableOnceSubmitBreaksTheContract) {
  sardonyxBackend table = good_table();
  EXPECT_EQ(submit_nothing(table).status, Status::Success);
  table.submit = [](sardonyxObject*, const sardonyxCommand*, size_t, uint64_t) -> uint64_t { throw 1; };
  EXPECT_EQ(submit_nothing(table).text, "plug-in 'fake': submit threw an exception");
  table.submit = [](sardonyxObject*, const sardonyxCommand*, size_t, uint64_t) -> uint64_t { return 7; };
  EXPECT_EQ(submit_nothing(table).status, Status::InternalError);
  const auto device = make_backend(&table)->open({}, {});
  device->submit({}, 1);
  EXPECT_EQ(device->submit({}, 2), 2u);
  runtime::Completion seen;
  device->wait(2, [&](const runtime::Completion& completion) { seen = completion; });
  EXPECT_EQ(seen.status, Status::InternalError);
  EXPECT_NE(seen.text.find("submit gave point 7, expected 1"), std::string::npos) << seen.text;
}

TEST(PluginDevice, RefusesWhatIsNotItsOwn) {
  const sardonyxBackend table = good_table();
  const auto device = make_backend(&table)->open({}, {});
  runtime::MemoryUse use;
  use.foreign = &object;
  expect_error(Status::InvalidMemoryType, "memory objects of the host", [&] { device->allocate(16, use); });
}

}  // namespace
}  // namespace sardonyx::plugin
