// An example of a backend outside of Sardonyx: an accelerator made of one thread with memory of its own.
//
// It runs point-wise arithmetic of f32 and i32 and matrix products of f32, with any dims, and declines the rest. Start
// reading at the table at the end; what it must keep is in onnx/sardonyx_backend.h, the only header of Sardonyx here.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "interpreter.h"
#include "onnx/sardonyx_backend.h"

namespace {

// ---- Errors: exceptions inside, statuses and texts at the entries ---------------------------------------------------

struct Failure {
  onnxStatus status = ONNXIFI_STATUS_SUCCESS;
  std::string text;
};

template <class F>
onnxStatus guarded(char* error, size_t error_size, F&& entry) noexcept {
  try {
    entry();
    return ONNXIFI_STATUS_SUCCESS;
  } catch (const Failure& failure) {
    std::snprintf(error, error_size, "%s", failure.text.c_str());
    return failure.status;
  } catch (const std::bad_alloc&) {
    return ONNXIFI_STATUS_NO_SYSTEM_MEMORY;
  }
}

// For Sardonyx's own tests: faults on request, and a count of objects.
enum Fault { FailCompile, FailLoad, FailAllocate, FailSubmit, LoseDevice, fault_count };
std::atomic<int> countdown[fault_count];
std::atomic<int> living_objects;

// True at the n-th call after the test has asked for it.
bool fault(Fault kind) { return countdown[kind].load() > 0 && countdown[kind].fetch_sub(1) == 1; }

// ---- Objects, memory, kernels ---------------------------------------------------------------------------------------

template <class Self>
struct Object : sardonyxObject {
  Object() {
    release = [](sardonyxObject* self) { delete static_cast<Self*>(self); };
    ++living_objects;
  }
  ~Object() { --living_objects; }
  Object(const Object&) = delete;
};

constexpr int64_t device_bytes = int64_t{1} << 30;
std::atomic<int64_t> used_bytes;

struct Memory : Object<Memory> {
  explicit Memory(int64_t size) : bytes(size), data(new uint8_t[size_t(size)]) { used_bytes += size; }
  ~Memory() { used_bytes -= bytes; }
  const int64_t bytes;
  const std::unique_ptr<uint8_t[]> data;
};

// A compiled group, and one that is loaded: both only refer to the program.
struct Kernel : Object<Kernel> {
  explicit Kernel(std::shared_ptr<const example::Program> program) : program(std::move(program)) {}
  const std::shared_ptr<const example::Program> program;
};

// ---- The device: a thread that takes submissions from a queue -------------------------------------------------------

class Device : public Object<Device> {
 public:
  Device() : worker_([this] { work(); }) {}
  ~Device() {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    worker_.join();
  }

  uint64_t submit(const sardonyxCommand* commands, size_t count, uint64_t run) {
    std::lock_guard lock(mutex_);
    queue_.push_back({commands, count, run, ++submitted_});
    changed_.notify_all();
    return submitted_;
  }

  Failure wait(uint64_t point) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reached_ >= point; });
    return outcome(point);
  }

  using Done = void (*)(void* context, onnxStatus status, const char* text);
  void call_when_reached(uint64_t point, Done done, void* context) {
    Failure failure;
    {
      std::lock_guard lock(mutex_);
      if (reached_ < point) {
        callbacks_.push_back({point, done, context});
        return;
      }
      failure = outcome(point);
    }
    done(context, failure.status, failure.text.c_str());
  }

 private:
  struct Submission {
    const sardonyxCommand* commands;
    size_t count;
    uint64_t run, point;
  };
  struct Callback {
    uint64_t point;
    Done done;
    void* context;
  };

  Failure outcome(uint64_t point) const {
    auto found = failures_.find(point);
    return found == failures_.end() ? Failure{} : found->second;
  }

  void work() {
    sigset_t all;  // the host's signals are for the host's threads
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const Submission submission = queue_.front();
      queue_.pop_front();
      Failure failure;
      if (auto failed = failed_runs_.find(submission.run); failed != failed_runs_.end()) failure = failed->second;
      lock.unlock();
      if (failure.status == ONNXIFI_STATUS_SUCCESS) failure = execute(submission);
      lock.lock();
      if (failure.status != ONNXIFI_STATUS_SUCCESS)
        failures_[submission.point] = failed_runs_[submission.run] = failure;
      reached_ = submission.point;
      changed_.notify_all();
      std::vector<Callback> ready;
      for (const Callback& callback : callbacks_)
        if (callback.point == reached_) ready.push_back(callback);
      std::erase_if(callbacks_, [&](const Callback& callback) { return callback.point == reached_; });
      lock.unlock();
      for (const Callback& callback : ready) callback.done(callback.context, failure.status, failure.text.c_str());
      lock.lock();
    }
  }

  Failure execute(const Submission& submission) {
    if (fault(LoseDevice)) lost_ = true;
    if (lost_) return {ONNXIFI_STATUS_BACKEND_UNAVAILABLE, "the device is gone"};
    if (fault(FailSubmit)) return {ONNXIFI_STATUS_INTERNAL_ERROR, "a fault that a test asked for"};
    for (size_t i = 0; i < submission.count; ++i) {
      const sardonyxCommand& command = submission.commands[i];
      char text[256] = "";
      const onnxStatus status = guarded(text, sizeof text, [&] { execute(command); });
      if (status != ONNXIFI_STATUS_SUCCESS) return {status, std::string(command.label) + ": " + text};
    }
    return {};
  }

  static uint8_t* address(const sardonyxRange& range, int64_t bytes) {
    const auto* memory = static_cast<const Memory*>(range.memory);
    if (range.offset < 0 || bytes < 0 || bytes > memory->bytes || range.offset > memory->bytes - bytes)
      throw Failure{ONNXIFI_STATUS_INVALID_SIZE, "outside of the memory"};
    return memory->data.get() + range.offset;
  }

  static void move(void* to, const void* from, int64_t bytes) {
    if (bytes > 0) std::memmove(to, from, size_t(bytes));
  }

  static void execute(const sardonyxCommand& command) {
    std::vector<uint8_t*> at;
    for (int32_t i = 0; i < command.operand_count; ++i) at.push_back(address(command.operands[i], command.bytes));
    switch (command.command) {
      case SARDONYX_COMMAND_LAUNCH:
        return example::run(*static_cast<const Kernel*>(command.kernel)->program, command.dims, at);
      case SARDONYX_COMMAND_UPLOAD:
        return move(at[0], command.host, command.bytes);
      case SARDONYX_COMMAND_DOWNLOAD:
        return move(command.host, at[0], command.bytes);
      case SARDONYX_COMMAND_COPY:
        return move(at[1], at[0], command.bytes);
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Submission> queue_;
  std::vector<Callback> callbacks_;
  std::map<uint64_t, Failure> failures_;  // by point
  std::map<uint64_t, Failure> failed_runs_;
  uint64_t submitted_ = 0, reached_ = 0;
  bool closing_ = false, lost_ = false;
  std::thread worker_;
};

// ---- Entries --------------------------------------------------------------------------------------------------------

bool is_matmul(const sardonyxNode& node) { return std::strcmp(node.primitive, "matmul") == 0; }

double typical_count(const sardonyxGroup& group, int32_t value) {
  double count = 1;
  for (int32_t i = 0; i < group.values[value].rank; ++i) {
    const sardonyxDim& dim = group.dims[group.values[value].dims[i]];
    count *= dim.min == dim.max ? double(dim.min) : 64;
  }
  return count;
}

// Crude: products of matrices of about 64 rows.
double typical_ns(const sardonyxGroup& group) {
  double ns = 5000;  // hand-over to the worker
  for (int32_t i = 0; i < group.node_count; ++i) {
    const sardonyxNode& node = group.nodes[i];
    const double inner = is_matmul(node) ? typical_count(group, node.operands[0]) / 64 : 1;
    ns += 4 * inner * typical_count(group, node.results[0]);
  }
  return ns;
}

constexpr const char* device_name = "example 0";

onnxStatus discover(void (*found)(void*, const sardonyxDevice*), void* context, char*, size_t) {
  const sardonyxDevice device = {"Example accelerator",  device_name,    ONNXIFI_DEVICE_TYPE_NPU,
                                 uint64_t{device_bytes}, 10'000'000'000, 1'000'000'000};
  found(context, &device);
  return ONNXIFI_STATUS_SUCCESS;
}

onnxStatus open(const char* device, const sardonyxSettings*, sardonyxObject** opened, char* error, size_t error_size) {
  return guarded(error, error_size, [&] {
    if (std::strcmp(device, device_name) != 0)
      throw Failure{ONNXIFI_STATUS_BACKEND_UNAVAILABLE, std::string("no device '") + device + "'"};
    *opened = new Device;
  });
}

onnxStatus candidates(const char*, const sardonyxGroup* group, void (*add)(void*, const sardonyxCandidate*),
                      void (*decline)(void*, const char*), void* context, char* error, size_t error_size) {
  return guarded(error, error_size, [&] {
    bool fits = true, matmul = false;
    for (int32_t i = 0; i < group->node_count; ++i) {
      const std::string reason = example::refusal(*group, group->nodes[i]);
      if (!reason.empty()) decline(context, reason.c_str());
      fits &= reason.empty();
      matmul |= is_matmul(group->nodes[i]);
    }
    const sardonyxCandidate candidate = {matmul ? "matmul" : "pointwise", "", typical_ns(*group), nullptr, nullptr};
    if (fits) add(context, &candidate);
  });
}

onnxStatus compile(const char*, const sardonyxChosen* batch, size_t count, const sardonyxSettings*,
                   sardonyxObject** codes, char* error, size_t error_size) {
  return guarded(error, error_size, [&] {
    for (size_t i = 0; i < count; ++i) {
      if (fault(FailCompile))
        throw Failure{ONNXIFI_STATUS_INTERNAL_ERROR, std::string(batch[i].group->name) + " does not compile"};
      codes[i] = new Kernel(std::make_shared<example::Program>(example::make_program(*batch[i].group)));
    }
  });
}

onnxStatus allocate(sardonyxObject*, int64_t bytes, sardonyxObject** memory, char* error, size_t error_size) {
  return guarded(error, error_size, [&] {
    const int64_t free = device_bytes - used_bytes;
    if (fault(FailAllocate) || bytes > free)
      throw Failure{ONNXIFI_STATUS_NO_DEVICE_MEMORY,
                    std::to_string(bytes) + " bytes asked for, " + std::to_string(free) + " are free"};
    *memory = new Memory(bytes);
  });
}

onnxStatus load(sardonyxObject*, sardonyxObject* const* codes, size_t count, sardonyxObject** kernels, char* error,
                size_t error_size) {
  return guarded(error, error_size, [&] {
    for (size_t i = 0; i < count; ++i) {
      if (fault(FailLoad)) throw Failure{ONNXIFI_STATUS_NO_DEVICE_RESOURCES, "no room for the kernel"};
      kernels[i] = new Kernel(static_cast<const Kernel*>(codes[i])->program);
    }
  });
}

uint64_t submit(sardonyxObject* device, const sardonyxCommand* commands, size_t count, uint64_t run) {
  return static_cast<Device*>(device)->submit(commands, count, run);
}

onnxStatus wait(sardonyxObject* device, uint64_t point, Device::Done done, void* context, char* error,
                size_t error_size) {
  auto& queue = *static_cast<Device*>(device);
  return guarded(error, error_size, [&] {
    if (done != nullptr) return queue.call_when_reached(point, done, context);
    const Failure failure = queue.wait(point);
    if (failure.status != ONNXIFI_STATUS_SUCCESS) throw failure;
  });
}

const sardonyxBackend table = {
    SARDONYX_BACKEND_VERSION,
    sizeof(sardonyxBackend),
    "example",
    discover,
    open,
    candidates,
    compile,
    allocate,
    load,
    submit,
    wait,
};

}  // namespace

extern "C" ONNXIFI_PUBLIC const sardonyxBackend* sardonyx_backend_v1() { return &table; }

// The n-th operation of a kind from now on fails (0: none does): compile, load, allocate, submit, lose the device.
extern "C" ONNXIFI_PUBLIC void example_plugin_fail(int kind, int n) { countdown[kind] = n; }
extern "C" ONNXIFI_PUBLIC int example_plugin_objects() { return living_objects; }
