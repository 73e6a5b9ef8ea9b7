// The run-time half of the OpenCL backend on a real device: memory, copies, launches, order, failures.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <numeric>
#include <sstream>
#include <thread>

#include "runtime/base/trace.h"
#include "tests/backends/opencl_harness.h"

namespace sardonyx::testing {
namespace {

std::vector<float> count_up(size_t count, float first = 0) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

TEST(OpenClDevice, CopiesBothWaysWithOffsets) {
  DevicePtr device = open_device();
  auto memory = floats(device, 100), other = floats(device, 100);
  std::vector<float> from = count_up(100), low(10), high(10);
  EXPECT_DONE(run_now(device, {upload(from, memory),
                               {Op::Copy, nullptr, {{memory, 40}, {other, 80}}, nullptr, 40, "copy"},
                               download(memory, low, 12),
                               download(other, high, 80)}));
  EXPECT_EQ(low, count_up(10, 3));
  EXPECT_EQ(high, count_up(10, 10));
}

TEST(OpenClDevice, LaunchesReadAndWriteAtOffsets) {
  DevicePtr device = open_device();
  auto kernels = device->load(test_kernels());
  ASSERT_EQ(kernels.size(), 3u);
  auto memory = floats(device, 3000);
  std::vector<float> a = count_up(1000), b = count_up(1000, 5), c(1000);
  EXPECT_DONE(run_now(
      device, {upload(a, memory), upload(b, memory, 4000),
               launch(kernels[Add], 1000, {{memory, 0}, {memory, 4000}, {memory, 8000}}), download(memory, c, 8000)}));
  for (size_t i = 0; i < 1000; ++i) ASSERT_EQ(c[i], 2 * float(i) + 5);
}

TEST(OpenClDevice, SourcesAreBuiltSideBySide) {
  std::vector<KernelPtr> compiled;
  for (int i = 0; i < 6; ++i)
    for (const KernelPtr& kernel : test_kernels(str(kernel_text, "// program ", i, "\n"))) compiled.push_back(kernel);
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      DevicePtr device = open_device();
      auto kernels = device->load(compiled);
      ASSERT_EQ(kernels.size(), compiled.size());
      auto memory = floats(device, 100);
      std::vector<float> from(100, 1), to(100);
      std::vector<DeviceCommand> commands{upload(from, memory)};
      for (int i = 0; i < 6; ++i)
        commands.push_back(launch(kernels[size_t(3 * i)], 100, {{memory, 0}, {memory, 0}, {memory, 0}}));
      commands.push_back(download(memory, to));
      EXPECT_DONE(run_now(device, commands));
      EXPECT_EQ(to, std::vector<float>(100, 64));
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(OpenClDevice, ScratchIsSharedByTheLaunchesOfAQueue) {
  DevicePtr device = open_device();
  auto kernels = device->load(test_kernels());
  auto a = floats(device, 5000), b = floats(device, 5000), c = floats(device, 5000);
  std::vector<float> from = count_up(5000), to(5000);
  EXPECT_DONE(run_now(device, {upload(from, a), launch(kernels[Scratched], 10, {{a, 0}, {b, 0}}),
                               launch(kernels[Scratched], 5000, {{a, 0}, {b, 0}}),
                               launch(kernels[Scratched], 5000, {{b, 0}, {c, 0}}), download(c, to)}));
  for (size_t i = 0; i < 5000; ++i) ASSERT_EQ(to[i], 4 * float(i));
}

TEST(OpenClDevice, NothingToDoIsDone) {
  DevicePtr device = open_device();
  auto kernels = device->load(test_kernels());
  auto empty = device->allocate(0, {});
  std::vector<float> none;
  EXPECT_DONE(run_now(device, {}));
  EXPECT_DONE(run_now(device, {upload(none, empty), launch(kernels[Add], 0, {{empty, 0}, {nullptr, 0}, {empty, 0}}),
                               download(empty, none)}));
  EXPECT_DONE(device->wait(0, nullptr));
  EXPECT_TRUE(device->load({}).empty());
}

TEST(OpenClDevice, SubmissionsRunInOrderAndKeepWhatTheyUse) {
  DevicePtr device = open_device();
  auto kernels = device->load(test_kernels());
  constexpr int steps = 200;
  constexpr size_t count = 5000;
  std::vector<float> one(count, 1), result(count);
  auto sum = floats(device, count);
  std::vector<float> zero(count, 0);
  runtime::Point last = device->submit(std::vector{upload(zero, sum)}, 1);
  for (int i = 0; i < steps; ++i) {
    // Ours is the only other reference to memory and invocation, and goes at once.
    auto step = floats(device, count);
    auto point =
        device->submit(std::vector{upload(one, step), launch(kernels[Add], count, {{sum, 0}, {step, 0}, {sum, 0}})}, 1);
    EXPECT_GT(point, last);
    last = point;
  }
  kernels.clear();
  EXPECT_DONE(run_now(device, {download(sum, result)}));
  for (float value : result) ASSERT_EQ(value, steps);
}

TEST(OpenClDevice, CallbackComesOnceAlsoForPointsOfThePast) {
  DevicePtr device = open_device();
  std::vector<float> from(1 << 20), to(1 << 20);
  auto memory = floats(device, from.size());
  std::mutex mutex;
  std::condition_variable changed;
  std::atomic<int> calls{0};
  const auto done = [&](const Completion& completion) {
    EXPECT_EQ(completion.status, Status::Success);
    std::lock_guard lock(mutex);
    ++calls;
    changed.notify_all();
  };
  runtime::Point first = device->submit(std::vector{upload(from, memory), download(memory, to)}, 1);
  runtime::Point second = device->submit(std::vector{upload(from, memory), download(memory, to)}, 1);
  device->wait(second, done);
  device->wait(first, done);
  device->wait(second, done);
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return calls == 3; }));
  }
  device->wait(first, done);  // long done: on this thread
  EXPECT_EQ(calls, 4);
}

TEST(OpenClDevice, TheLastOwnerMayBeACallback) {
  std::mutex mutex;
  std::condition_variable changed;
  bool gone = false;
  {
    DevicePtr device = open_device();
    auto memory = floats(device, 1000);
    std::vector<float> from(1000);
    auto point = device->submit(std::vector{upload(from, memory)}, 1);
    memory.reset();
    auto* raw = device.get();
    raw->wait(point, [&, kept = std::move(device)](const Completion&) mutable {
      kept.reset();
      std::lock_guard lock(mutex);
      gone = true;
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return gone; }));
  }
  EXPECT_DONE(run_now(open_device(), {}));
}

TEST(OpenClDevice, DestructionWaitsForWhatWasSubmitted) {
  std::vector<float> from(1 << 20, 3), to(1 << 20);
  {
    DevicePtr device = open_device();
    auto memory = floats(device, from.size());
    device->submit(std::vector{upload(from, memory), download(memory, to)}, 1);
  }
  EXPECT_EQ(to, from);
}

// A failed check names its command, ends its run and nobody else's.
TEST(OpenClDevice, FailedCheckEndsItsRunOnly) {
  DevicePtr device = open_device();
  auto kernels = device->load(test_kernels());
  auto a = floats(device, 100), b = floats(device, 100);
  std::vector<float> good(100, 1), bad(100, 1), to(100, 7);
  bad[50] = -1;
  const auto checked = [&](std::string_view label) { return launch(kernels[Checked], 100, {{a, 0}, {b, 0}}, label); };
  const auto failed = [&](const Completion& completion) {
    EXPECT_EQ(completion.status, runtime::kernel_error_status(runtime::IndexOutOfRange));
    EXPECT_NE(completion.text.find("second: index out of range"), std::string::npos) << completion.text;
  };
  auto point = device->submit(
      std::vector{upload(good, a), checked("first"), upload(bad, a), checked("second"), checked("third")}, 5);
  failed(device->wait(point, nullptr));
  failed(device->wait(point, nullptr));
  failed(run_now(device, {upload(good, a), checked("later"), download(b, to)}, 5));
  EXPECT_EQ(to, std::vector<float>(100, 7)) << "a run that failed goes on";
  bool told = false;
  device->wait(point, [&](const Completion& completion) { failed(completion), told = true; });
  EXPECT_TRUE(told);

  EXPECT_DONE(run_now(device, {upload(good, a), checked("again"), download(b, to)}, 6));
  EXPECT_EQ(to, good);
}

TEST(OpenClDevice, ACommandThatCannotBeEnqueuedIsTheCompletion) {
  DevicePtr device = open_device();
  auto memory = floats(device, 10);
  std::vector<float> values(10), more(1000);
  Completion completion = run_now(device, {upload(values, memory), upload(more, memory)}, 1);
  EXPECT_EQ(completion.status, Status::InternalError);
  EXPECT_NE(completion.text.find("CL_INVALID_VALUE"), std::string::npos) << completion.text;
  EXPECT_DONE(run_now(device, {upload(values, memory)}, 2));
}

TEST(OpenClDevice, ThreadsSubmitAtOnce) {
  DevicePtr device = open_device();
  auto kernels = device->load(test_kernels());
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      auto a = floats(device, 1000), b = floats(device, 1000), c = floats(device, 1000);
      for (int i = 0; i < 50; ++i) {
        std::vector<float> x(1000, float(t)), y(1000, float(i)), z(1000);
        EXPECT_DONE(run_now(device,
                            {upload(x, a), upload(y, b), launch(kernels[Add], 1000, {{a, 0}, {b, 0}, {c, 0}}),
                             launch(kernels[Checked], 1000, {{c, 0}, {a, 0}}), download(a, z)},
                            uint64_t(t * 1000 + i)));
        ASSERT_EQ(z, std::vector<float>(1000, float(t + i)));
      }
    });
  for (std::thread& thread : threads) thread.join();
}

// What a fork can do with its parent's device is say no: neither hang nor end its process.
TEST(OpenClDevice, ForksAreToldThatItDoesNotWorkThere) {
  DevicePtr device = open_device();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    bool refused = false, told = false;
    try {
      device->allocate(4, {});
    } catch (const Error& error) {
      refused = error.status() == Status::BackendUnavailable;
    }
    const runtime::Point point = device->submit({}, 1);
    const bool failed = device->wait(point, nullptr).status == Status::BackendUnavailable;
    device->wait(point, [&](const Completion& ended) { told = ended.status == Status::BackendUnavailable; });
    device.reset();
    _exit(refused && failed && told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_DONE(run_now(device, {}));
}

TEST(OpenClDevice, ProcessesMayExitWithWorkInFlight) {
  in_fresh_process([] {
    auto& device = *new DevicePtr(open_device());
    auto& values = *new std::vector<float>(1 << 20);
    auto memory = floats(device, values.size());
    for (int i = 0; i < 100; ++i) device->submit(std::vector{upload(values, memory), download(memory, values)}, 1);
  });
}

TEST(OpenClDevice, MemoryHasItsLimits) {
  DevicePtr device = open_device();
  const auto refused = [&](int64_t bytes) {
    try {
      device->allocate(bytes, {});
      ADD_FAILURE() << bytes << " bytes were allocated";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::NoDeviceMemory) << error.text();
    }
  };
  refused(int64_t{1} << 60);
  // More than there is in pieces that are allowed; never touched, so that no machine suffers.
  auto id = static_cast<cl_device_id>(opencl_device().device_id);
  const auto piece = int64_t(opencl::device_info<cl_ulong>(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE));
  refused(piece + 1);
  std::vector<DeviceMemoryPtr> held;
  for (auto left = int64_t(opencl_device().memory_bytes); left >= piece; left -= piece)
    held.push_back(device->allocate(piece, {}));
  refused(piece);
  held.clear();
  EXPECT_EQ(device->allocate(piece, {})->bytes, piece);
}

TEST(OpenClDevice, TextThatDoesNotCompileGivesTheLog) {
  DevicePtr device = open_device();
  try {
    device->load(test_kernels("__kernel void add() { no_such_thing(); }"));
    ADD_FAILURE() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::InternalError);
    EXPECT_NE(error.text().find("no_such_thing"), std::string::npos) << error.text();
  }
  try {
    device->load(test_kernels("__kernel void another(long n) {}"));
    ADD_FAILURE() << "loaded";
  } catch (const Error& error) {
    EXPECT_NE(error.text().find("CL_INVALID_KERNEL_NAME"), std::string::npos) << error.text();
    EXPECT_NE(error.text().find("'add'"), std::string::npos) << error.text();
  }
  EXPECT_EQ(device->load(test_kernels()).size(), 3u);
}

// A host with a context and buffers of its own.
class OpenClForeign : public ::testing::Test {
 protected:
  static opencl::MemoryOwner make_buffer(cl_context context, std::vector<float>& values) {
    cl_int code = 0;
    return opencl::MemoryOwner(clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                              values.size() * sizeof(float), values.data(), &code));
  }
  static Status refusal(const DevicePtr& device, void* memory, int64_t bytes) {
    try {
      device->allocate(bytes, {memory});
    } catch (const Error& error) {
      return error.status();
    }
    return Status::Success;
  }
};

TEST_F(OpenClForeign, BuffersAreUsedInPlace) {
  opencl::ContextOwner context = make_context();
  std::vector<float> values = count_up(100), zeros(100), to(100);
  opencl::MemoryOwner in = make_buffer(context.get(), values), out = make_buffer(context.get(), zeros);
  {
    DevicePtr device = open_device({}, context.get());
    auto kernels = device->load(test_kernels());
    auto a = device->allocate(400, {in.get()}), c = device->allocate(400, {out.get()});
    in = opencl::MemoryOwner();  // retained
    EXPECT_DONE(run_now(device, {launch(kernels[Add], 100, {{a, 0}, {a, 0}, {c, 0}})}));
  }
  auto id = static_cast<cl_device_id>(opencl_device().device_id);
  cl_int code = 0;
  opencl::QueueOwner queue(clCreateCommandQueue(context.get(), id, 0, &code));
  EXPECT_EQ(clEnqueueReadBuffer(queue.get(), out.get(), CL_TRUE, 0, 400, to.data(), 0, nullptr, nullptr), CL_SUCCESS);
  for (size_t i = 0; i < 100; ++i) ASSERT_EQ(to[i], 2 * float(i));
  queue = opencl::QueueOwner();
  out = opencl::MemoryOwner();
  EXPECT_EQ(references(context, 1), 1u);
}

TEST_F(OpenClForeign, WhatCannotBeUsedIsRefused) {
  opencl::ContextOwner context = make_context(), another = make_context();
  DevicePtr device = open_device({}, context.get());
  std::vector<float> values(100);
  opencl::MemoryOwner mine = make_buffer(context.get(), values), theirs = make_buffer(another.get(), values);
  EXPECT_EQ(refusal(device, mine.get(), 400), Status::Success);
  EXPECT_EQ(refusal(device, mine.get(), 401), Status::InvalidMemoryLocation);
  EXPECT_EQ(refusal(device, theirs.get(), 400), Status::InvalidMemoryLocation);
  EXPECT_EQ(refusal(open_device(), mine.get(), 400), Status::InvalidMemoryLocation);
  auto id = static_cast<cl_device_id>(opencl_device().device_id);
  if (opencl::device_info<cl_bool>(id, CL_DEVICE_IMAGE_SUPPORT)) {
    const cl_image_format format{CL_RGBA, CL_FLOAT};
    cl_image_desc shape{};
    shape.image_type = CL_MEM_OBJECT_IMAGE2D;
    shape.image_width = shape.image_height = 16;
    cl_int code = 0;
    opencl::MemoryOwner image(clCreateImage(context.get(), CL_MEM_READ_WRITE, &format, &shape, nullptr, &code));
    ASSERT_EQ(code, CL_SUCCESS);
    EXPECT_EQ(refusal(device, image.get(), 400), Status::InvalidMemoryType);
  }
}

TEST(OpenClDevice, TraceShowsLaunchesAndCopies) {
  Folder folder;
  Settings settings;
  settings.trace_file = folder.path + "/trace.json";
  DevicePtr device = open_device(settings);
  auto kernels = device->load(test_kernels());
  auto a = floats(device, 1000), c = floats(device, 1000);
  std::vector<float> from(1000), to(1000);
  const int64_t before = Trace::now_ns();
  DeviceCommand add = launch(kernels[Add], 1000, {{a, 0}, {a, 0}, {c, 0}}, "node 7");
  add.group = "group7";
  EXPECT_DONE(run_now(device, {upload(from, a), add, download(c, to)}));
  std::ifstream file(settings.trace_file);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  for (const char* part : {"upload 4000 bytes", "download 4000 bytes", "\"name\":\"node 7\"", " launch\"",
                           "\"kernel\":\"add\",\"group\":\"group7\""})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  // On the clock of all other events.
  std::istringstream rest(text.substr(text.find("\"ts\":") + 5));
  double microseconds = 0;
  rest >> microseconds;
  EXPECT_GE(microseconds, double(before) / 1000 - 1000);
  EXPECT_LE(microseconds, double(Trace::now_ns()) / 1000);
}

}  // namespace
}  // namespace sardonyx::testing
