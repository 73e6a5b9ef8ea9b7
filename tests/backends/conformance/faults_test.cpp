// Faults of a device, asked of the example plug-in: what the runtime reports, that nothing leaks, that it goes on.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "backends/measure.h"
#include "compiler/driver/compile.h"
#include "runtime/base/status.h"
#include "runtime/session.h"
#include "tests/backends/conformance/subjects.h"

namespace sardonyx::conformance {
namespace {

// Numbers of examples/plugin/plugin.cpp.
enum Fault { FailCompile, FailLoad, FailAllocate, FailSubmit, LoseDevice };

const Subject& example() {
  for (const Subject& subject : subjects())
    if (subject.device.backend == "example") return subject;
  fail(Status::InternalError, "the example plug-in is not loaded: SARDONYX_PLUGINS must name it");
}

template <class F>
F* function(const char* name) {
  static void* library = dlopen(EXAMPLE_PLUGIN, RTLD_NOW | RTLD_NOLOAD);
  auto* result = library ? reinterpret_cast<F*>(dlsym(library, name)) : nullptr;
  check(result != nullptr, "the example plug-in has no ", name);
  return result;
}
void break_at(Fault fault, int n) { function<void(int, int)>("example_plugin_fail")(fault, n); }
int objects() { return function<int()>("example_plugin_objects")(); }

// Two products with arithmetic around them: several groups, and copies both ways.
constexpr const char* text = R"(graph(%0:f32[n,4] "x", %1:f32[4,4] "w") {
  %2:f32[n,4] = matmul %0, %1
  %3:f32[n,4] = unary %2 {fn=neg}
  %4:f32[n,4] = matmul %3, %1
  %5:f32[n,4] = binary %4, %2 {fn=add}
  yield %5 "y"
}
)";

class Faults : public testing::Test {
 protected:
  void SetUp() override { before_ = (example(), objects()); }
  void TearDown() override {
    for (Fault fault : {FailCompile, FailLoad, FailAllocate, FailSubmit, LoseDevice}) break_at(fault, 0);
    session_.reset();
    context_.reset();
    program_.reset();
    // A device that is let go within a callback is released by another thread.
    for (int i = 0; i < 500 && objects() != before_; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(objects(), before_) << "objects of the plug-in are not released";
  }

  void compile() {
    driver::CompileOptions options;
    options.preferred = 1;
    program_ = driver::compile(graph::parse(text), example().places, options);
    for (const runtime::GroupReport& group : program_->report)
      ASSERT_TRUE(group.primitives == "copy" || group.device == program_->devices[1])
          << group.primitives << " is on " << group.device << ": " << group.reason;
  }
  void open() {
    Settings settings;
    settings.num_threads = 1;
    context_ = runtime::Context::create(settings, {nullptr, example().backend->open(example().device, {})});
  }
  void start() {
    compile();
    open();
    session_ = std::make_shared<runtime::Session>(program_, context_);
  }

  struct Run {
    std::vector<float> x, y;
    runtime::EventPtr done = std::make_shared<runtime::Event>();
  };
  // w is twice the identity: y = -4 x + 2 x.
  std::unique_ptr<Run> submit(int64_t n = 3) {
    auto run = std::make_unique<Run>();
    run->x.resize(size_t(n * 4));
    run->y.assign(size_t(n * 4), 77);
    for (size_t i = 0; i < run->x.size(); ++i) run->x[i] = float(i) - 5;
    const runtime::HostTensor inputs[] = {{run->x.data(), {n, 4}}, {w_, {4, 4}}};
    const runtime::HostTensor outputs[] = {{run->y.data(), {n, 4}}};
    session_->submit(session_->bind(inputs, outputs), nullptr, run->done);
    return run;
  }
  static void expect_right(Run& run) {
    ASSERT_EQ(run.done->wait(), Status::Success) << run.done->text();
    for (size_t i = 0; i < run.y.size(); ++i) EXPECT_EQ(run.y[i], -2 * run.x[i]);
  }

  template <class F>
  static void expect_error(Status status, const std::string& part, F&& work) {
    try {
      work();
      FAIL() << "no failure";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), status) << error.text();
      EXPECT_NE(error.text().find(part), std::string::npos) << error.text();
    }
  }

  std::shared_ptr<const runtime::Program> program_;
  std::shared_ptr<runtime::Context> context_;
  std::shared_ptr<runtime::Session> session_;

 private:
  int before_ = 0;
  float w_[16] = {2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2};
};

TEST_F(Faults, NoneIsThere) {
  start();
  for (int64_t n : {3, 1, 8}) expect_right(*submit(n));
}

TEST_F(Faults, CodeThatDoesNotCompile) {
  break_at(FailCompile, 1);
  expect_error(Status::InternalError, "does not compile", [&] { compile(); });
  start();
  expect_right(*submit());
}

TEST_F(Faults, KernelsThatDoNotLoad) {
  compile();
  open();
  break_at(FailLoad, 1);
  expect_error(Status::NoDeviceResources, "no room for the kernel",
               [&] { session_ = std::make_shared<runtime::Session>(program_, context_); });
  session_ = std::make_shared<runtime::Session>(program_, context_);
  expect_right(*submit());
}

// Every allocation of a session's life fails once: when it starts, when shapes are bound, when a run needs memory.
TEST_F(Faults, TooLittleMemory) {
  compile();
  open();
  int failures = 0;
  for (int n = 1;; ++n) {
    break_at(FailAllocate, n);
    Status status = Status::Success;
    std::string what;
    try {
      session_ = std::make_shared<runtime::Session>(program_, context_);
      const auto run = submit();
      status = run->done->wait();
      what = run->done->text();
    } catch (const Error& error) {
      status = error.status();
      what = error.text();
    }
    break_at(FailAllocate, 0);
    if (session_) expect_right(*submit());
    session_.reset();
    if (status == Status::Success) break;
    ++failures;
    EXPECT_EQ(status, Status::NoDeviceMemory) << what;
    EXPECT_NE(what.find("bytes asked for"), std::string::npos) << what;
    ASSERT_LT(n, 100);
  }
  EXPECT_GT(failures, 0) << "no memory of the device was asked for";
}

TEST_F(Faults, TheThirdSubmissionFails) {
  start();
  break_at(FailSubmit, 3);
  int failures = 0;
  for (int i = 0; i < 10; ++i) {
    const auto run = submit();
    if (run->done->wait() == Status::Success) {
      expect_right(*run);
      continue;
    }
    ++failures;
    EXPECT_EQ(run->done->status(), Status::InternalError);
    EXPECT_NE(run->done->text().find("a fault that a test asked for"), std::string::npos) << run->done->text();
    EXPECT_NE(run->done->text().find("example"), std::string::npos) << run->done->text();
    expect_right(*submit());
  }
  EXPECT_EQ(failures, 1);
}

TEST_F(Faults, OneOfManyRunsInFlightFails) {
  start();
  break_at(FailSubmit, 3);
  std::vector<std::unique_ptr<Run>> runs;
  for (int i = 0; i < 10; ++i) runs.push_back(submit(2 + i % 3));
  int failures = 0;
  for (auto& run : runs) {
    if (run->done->wait() != Status::Success)
      ++failures;
    else
      expect_right(*run);
  }
  EXPECT_EQ(failures, 1);
  expect_right(*submit());
}

TEST_F(Faults, TheDeviceDisappears) {
  start();
  expect_right(*submit());
  break_at(LoseDevice, 1);
  std::vector<std::unique_ptr<Run>> runs;
  for (int i = 0; i < 5; ++i) runs.push_back(submit());
  for (auto& run : runs) {
    EXPECT_EQ(run->done->wait(), Status::BackendUnavailable);
    EXPECT_NE(run->done->text().find("the device is gone"), std::string::npos) << run->done->text();
  }
  session_->wait_idle();
  // Opened anew it is there again.
  open();
  session_ = std::make_shared<runtime::Session>(program_, context_);
  expect_right(*submit());
}

// Calibration runs the same code as a session, and must let go of as much.
TEST_F(Faults, AreFoundWhenTheDeviceIsMeasured) {
  const auto measure = [] { return backends::measure(*example().backend, example().device, {}); };
  const auto expect_figures = [&] {
    const backends::Measurement figures = measure();
    for (const double figure : {figures.macs, figures.bytes, figures.upload_bytes, figures.download_bytes,
                                figures.transfer_ns, figures.launch_ns, figures.contraction_ratio, figures.map_ratio})
      EXPECT_GT(figure, 0);
  };
  expect_figures();
  const struct {
    Fault fault;
    int n;
    Status status;
    const char* part;
  } cases[] = {{FailCompile, 1, Status::InternalError, "does not compile"},
               {FailLoad, 1, Status::NoDeviceResources, "no room for the kernel"},
               {FailAllocate, 1, Status::NoDeviceMemory, "bytes asked for"},
               {FailAllocate, 3, Status::NoDeviceMemory, "bytes asked for"},
               {FailSubmit, 3, Status::InternalError, "a fault that a test asked for"},
               {LoseDevice, 1, Status::BackendUnavailable, "the device is gone"}};
  for (const auto& [fault, n, status, part] : cases) {
    SCOPED_TRACE(part);
    break_at(fault, n);
    expect_error(status, part, measure);
    break_at(fault, 0);
  }
  expect_figures();
}

// The last owner may be the device's own thread, which calls back when the run is done.
TEST_F(Faults, EverythingIsLetGoWhileRunsAreInFlight) {
  for (int round = 0; round < 20; ++round) {
    start();
    const auto first = submit(), second = submit(64);
    session_.reset();
    context_.reset();
    program_.reset();
    expect_right(*first);
    expect_right(*second);
  }
}

}  // namespace
}  // namespace sardonyx::conformance
