// Chrome traces: escaping, a file that is always whole, one event per executed step.
#include "runtime/base/trace.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <clocale>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/runtime/test_program.h"

namespace sardonyx::runtime::test {
namespace {

std::string temporary_path(const std::string& name) {
  return testing::TempDir() + "sardonyx_" + std::to_string(getpid()) + "_" + name;
}

nlohmann::json load(const std::string& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

TEST(Trace, EscapesAnyBytes) {
  EXPECT_EQ(json_escape("plain"), "plain");
  EXPECT_EQ(json_escape("a\"b\\c\n\x01\x7f"), "a\\\"b\\\\c\\u000a\\u0001\\u007f");
  EXPECT_EQ(json_escape("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80"),
            "gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80");
  EXPECT_EQ(json_escape("\xC3"), "\\ufffd");
  EXPECT_EQ(json_escape("\xC0\xAF"), "\\ufffd\\ufffd") << "overlong";
  EXPECT_EQ(json_escape("\xED\xA0\x80"), "\\ufffd\\ufffd\\ufffd") << "surrogate";
  EXPECT_EQ(json_escape("\xF4\x90\x80\x80"), "\\ufffd\\ufffd\\ufffd\\ufffd") << "beyond Unicode";
  EXPECT_EQ(json_escape(std::string("a\0b", 3)), "a\\u0000b");
}

TEST(Trace, FileIsWholeAfterEveryAppend) {
  const std::string path = temporary_path("append.json");
  Trace* trace = Trace::open(path);
  ASSERT_NE(trace, nullptr);
  EXPECT_EQ(Trace::open(path), trace);
  EXPECT_TRUE(load(path)["traceEvents"].empty());
  for (int i = 1; i <= 3; ++i) {
    const TraceEvent events[] = {
        {"name \"" + std::to_string(i), "step", "kernel", "group \"" + std::to_string(i), i * 1'000'500, 1'250}};
    trace->append(events);
    const auto json = load(path);
    ASSERT_EQ(json["traceEvents"].size(), size_t(i));
    const auto& event = json["traceEvents"].back();
    EXPECT_EQ(event["name"], "name \"" + std::to_string(i));
    EXPECT_EQ(event["ph"], "X");
    EXPECT_EQ(event["ts"].get<double>(), i * 1000.5);
    EXPECT_EQ(event["dur"].get<double>(), 1.25);
    EXPECT_EQ(event["pid"], getpid());
    EXPECT_EQ(event["args"]["kernel"], "kernel");
    EXPECT_EQ(event["args"]["group"], "group \"" + std::to_string(i));
  }
  std::remove(path.c_str());
}

TEST(Trace, NoFileNoTrace) {
  EXPECT_EQ(Trace::open(""), nullptr);
  EXPECT_EQ(Trace::open("/nonexistent/folder/trace.json"), nullptr);
}

TEST(Trace, OneEventPerExecutedStep) {
  const std::string path = temporary_path("session.json");
  Settings traced = settings();
  traced.trace_file = path;
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n"), end = t.runtime_dim();
  const ValueId x = t.input("x", {n}), trips = t.constant(Tensor::scalar(DType::I64, 3)), h = t.temporary({n});
  t.program().report = {{.name = "group1"}, {.name = "group2"}};
  t.launch(affine(1, 1), {x}, {h}, {n}, "conv \"1\"").report = 1;
  Step loop{.op = Step::Op::Loop,
            .inputs = {trips, -1, h},
            .outputs = {t.output("y", {end}, DType::F32, true)},
            .label = "loop"};
  loop.blocks.push_back(t.block([&](Block& block) {
    const ValueId u = t.temporary({n}), next = t.temporary({n});
    block.parameters = {-1, -1, u};
    t.launch(affine(1, 1), {u}, {next}, {n}, "body").report = 0;
    block.results = {-1, next};
  }));
  t.step(std::move(loop));
  auto session = t.session(Context::create(traced));
  std::vector<float> in(4), out(4);
  auto done = run(session, {host_tensor(in, {4})}, {host_tensor(out, {4})});
  ASSERT_EQ(done->status(), Status::Success) << done->text();
  EXPECT_EQ(out[0], 4);
  session->wait_idle();
  std::map<std::string, int> names, groups;
  const auto trace = load(path);
  for (const auto& event : trace["traceEvents"]) {
    ++names[event["name"]];
    ++groups[event["args"].value("group", "")];
    EXPECT_GE(event["dur"].get<double>(), 0);
    if (event["name"] == "body") {
      EXPECT_EQ(event["args"]["kernel"], "affine");
    }
  }
  EXPECT_EQ(names, (std::map<std::string, int>{{"conv \"1\"", 1}, {"body", 3}, {"loop", 1}}));
  EXPECT_EQ(groups, (std::map<std::string, int>{{"group2", 1}, {"group1", 3}, {"", 1}}));
  std::remove(path.c_str());
}

}  // namespace
}  // namespace sardonyx::runtime::test
