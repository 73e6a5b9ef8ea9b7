#include "backends/measure.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <limits>
#include <mutex>
#include <optional>

#include "compiler/expr/simplify.h"
#include "compiler/graph/builder.h"
#include "runtime/base/compile_thread.h"
#include "runtime/base/status.h"
#include "runtime/device_image.h"
#include "runtime/memory.h"
#include "runtime/thread_hooks.h"

namespace sardonyx::backends {

namespace {

using runtime::Completion;
using runtime::DeviceCommand;
using Op = DeviceCommand::Op;

constexpr std::chrono::seconds answer_limit{2};
constexpr double repeat_ns = 30e6;
constexpr int most_repeats = 16;
// Sizes of samples grow until a run is estimated to take so long.
constexpr double sample_ns = 2e6;
constexpr int64_t least_rows = 16, most_rows = 16384, depth = 256;
constexpr int64_t least_elements = int64_t{1} << 16, most_elements = int64_t{1} << 23;
constexpr int64_t few_elements = 16;
constexpr int more_launches = 16;
constexpr int64_t transfer_bytes = int64_t{4} << 20, few_bytes = 64;

double now_ns(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return double(time.tv_sec) * 1e9 + double(time.tv_nsec);
}

// The best of a few runs: what else the machine does only makes them longer.
template <class Work>
double best_ns(const Work& work, clockid_t clock = CLOCK_MONOTONIC) {
  double best = std::numeric_limits<double>::infinity();
  const double begin = now_ns(clock);
  for (int i = 0; i < most_repeats && (i == 0 || now_ns(clock) - begin < repeat_ns); ++i) {
    const double start = now_ns(clock);
    work();
    best = std::min(best, now_ns(clock) - start);
  }
  return best;
}

// A group in a graph of its own.
struct Sample {
  std::unique_ptr<graph::Graph> graph;
  const graph::Node* group = nullptr;
};

// y = -x over `extent` elements, a number or "n".
template <class Extent>
Sample map_sample(const Extent& extent) {
  Sample sample;
  const std::string type = str("f32[", extent, "]");
  sample.graph =
      graph::parse(str("graph(%0:", type, " \"x\") {\n  %1:", type, " = fused %0 {name=\"map\"} (%2:", type,
                       ") {\n    %3:", type, " = unary %2 {fn=neg}\n    yield %3\n  }\n  yield %1 \"y\"\n}\n"));
  sample.group = sample.graph->body().nodes().front().get();
  return sample;
}

// Rows times a constant square matrix.
Sample product_sample(int64_t rows) {
  Sample sample;
  const std::string x = str("f32[", rows, ",", depth, "]"), w = str("f32[", depth, ",", depth, "]");
  sample.graph = graph::parse(str("graph(%0:", x, " \"x\", %1:", w, " \"w\") {\n  %2:", x,
                                  " = fused %0, %1 {name=\"product\"} (%3:", x, ", %4:", w, ") {\n    %5:", x,
                                  " = matmul %3, %4\n    yield %5\n  }\n  yield %2 \"y\"\n}\n"));
  graph::Node* group = sample.graph->body().nodes().front().get();
  graph::Builder builder(*sample.graph);
  builder.insert_before(group);
  Tensor weights(DType::F32, {depth, depth});
  std::fill_n(weights.data<float>(), weights.count(), 1.0F / depth);
  sample.graph->set_operand(group, 1, builder.constant(std::move(weights)));
  sample.group = group;
  return sample;
}

bool row_major(const Candidate& candidate) {
  const auto plain = [](const graph::Layout& layout) { return layout.row_major(); };
  return std::all_of(candidate.inputs.begin(), candidate.inputs.end(), plain) &&
         std::all_of(candidate.outputs.begin(), candidate.outputs.end(), plain);
}

// The cheapest candidate that needs no change of layout; nothing when the device declines.
std::optional<Candidate> best_candidate(const Backend& backend, const Target& target, const Sample& sample) {
  std::optional<Candidate> best;
  for (Candidate& candidate : backend.candidates(*sample.group, target).list)
    if (row_major(candidate) && candidate.cost_ns > 0 && (!best || candidate.cost_ns < best->cost_ns))
      best = std::move(candidate);
  return best;
}

// Waits until the device has done its work. `keep` stays alive until then, even when nobody waits any more.
void finish(runtime::Device& device, runtime::Point point, std::shared_ptr<void> keep) {
  struct Answer {
    std::mutex mutex;
    std::condition_variable came;
    std::optional<Completion> completion;
  };
  auto answer = std::make_shared<Answer>();
  device.wait(point, [answer, keep = std::move(keep)](const Completion& completion) {
    std::lock_guard lock(answer->mutex);
    answer->completion = completion;
    answer->came.notify_all();
  });
  std::unique_lock lock(answer->mutex);
  require(answer->came.wait_for(lock, answer_limit, [&] { return answer->completion.has_value(); }),
          Status::BackendUnavailable, "no answer for ", answer_limit.count(), " s");
  if (answer->completion->status != Status::Success) throw Error(answer->completion->status, answer->completion->text);
}

// A compiled and loaded group with memory for its operands, in host memory (`device` null) or the device's.
class Bench : public std::enable_shared_from_this<Bench> {
 public:
  Bench(runtime::DevicePtr device, const graph::Node& group, CompiledGroup code, const expr::Variable* symbol,
        int64_t extent)
      : device_(std::move(device)), code_(std::move(code)) {
    if (symbol != nullptr) values_[symbol] = extent;
    for (size_t i = 0; i < group.operands.size(); ++i) {
      const auto pack = code_.pack.find(int(i));
      const Tensor* constant = group.operand(int(i))->constant();
      add(pack != code_.pack.end() ? pack->second(*constant)
          : constant != nullptr    ? *constant
                                   : tensor(group.operand(int(i))->type.dtype, group.operand(int(i))->type.dims));
    }
    for (const auto& result : group.results) add(tensor(result->type.dtype, result->type.dims));
    for (const GroupTemporary& temporary : code_.temporaries) add(tensor(temporary.dtype, temporary.dims));
    for (const GroupLaunch& launch : code_.launches) prepare(launch);
  }

  // Runs the group `times` times, one after another.
  void run(int times = 1) {
    if (device_ == nullptr) return run_here(times);
    std::vector<DeviceCommand> commands;
    if (!uploaded_)
      for (size_t i = 0; i < tensors_.size(); ++i)
        if (tensors_[i].bytes() > 0)
          commands.push_back({.op = Op::Upload,
                              .operands = {{memory_[i], 0}},
                              .host = tensors_[i].raw(),
                              .bytes = tensors_[i].bytes(),
                              .label = "sample"});
    for (int i = 0; i < times; ++i)
      for (const Launch& launch : launches_) {
        commands.push_back({.op = Op::Launch, .invocation = launch.invocation, .label = "sample"});
        for (const int operand : launch.operands) commands.back().operands.push_back({memory_[size_t(operand)], 0});
      }
    const runtime::Point point = device_->submit(commands, runtime::next_run_number());
    finish(*device_, point, shared_from_this());
    uploaded_ = true;
  }

 private:
  struct Launch {
    std::shared_ptr<const runtime::Invocation> invocation;
    std::vector<int> operands;
    std::vector<int64_t> dims;
  };

  Tensor tensor(DType dtype, const std::vector<expr::Expr>& dims) const {
    Dims extents;
    for (const expr::Expr& dim : dims) extents.push_back(expr::evaluate(dim, values_));
    Tensor result(dtype, std::move(extents));
    if (dtype == DType::F32)
      std::fill_n(result.data<float>(), result.count(), 0.5F);
    else
      std::fill_n(result.raw(), result.bytes(), uint8_t{0});
    return result;
  }

  void add(Tensor tensor) {
    if (device_ != nullptr) memory_.push_back(device_->allocate(tensor.bytes(), {}));
    tensors_.push_back(std::move(tensor));
  }

  void prepare(const GroupLaunch& launch) {
    Launch& ready = launches_.emplace_back();
    ready.operands = launch.inputs;
    ready.operands.insert(ready.operands.end(), launch.outputs.begin(), launch.outputs.end());
    for (const expr::Expr& dim : launch.dims) ready.dims.push_back(expr::evaluate(dim, values_));
    ready.invocation = launch.kernel->prepare(ready.dims);
    if (device_ == nullptr) scratch_.reserve(ready.invocation->scratch_bytes);
  }

  void run_here(int times) {
    const runtime::KernelThreadScope scope;
    for (int i = 0; i < times; ++i)
      for (const Launch& launch : launches_) {
        std::vector<void*> buffers;
        for (const int operand : launch.operands) buffers.push_back(tensors_[size_t(operand)].raw());
        const auto& invocation = runtime::on_host(*launch.invocation);
        const int32_t code = invocation.run(buffers.data(), launch.dims.data(), scratch_.data(), 0, invocation.grid);
        if (code != runtime::KernelOk) fail(runtime::kernel_error_status(code), runtime::kernel_error_text(code));
      }
  }

  runtime::DevicePtr device_;
  CompiledGroup code_;
  std::unordered_map<const expr::Variable*, int64_t> values_;
  std::vector<Tensor> tensors_;
  std::vector<runtime::DeviceMemoryPtr> memory_;
  std::vector<Launch> launches_;
  runtime::Memory scratch_;
  bool uploaded_ = false;
};

class Measurer {
 public:
  Measurer(const Backend& backend, const DeviceInfo& device, const Settings& settings)
      : backend_(backend), target_(device.target), settings_(settings) {
    settings_.trace_file.clear();
    settings_.dump_dir.clear();
    device_ = backend.open(device, {.settings = settings_});
    if (device_ == nullptr) target_.cores = 1;
  }

  Measurement run() {
    if (device_ != nullptr) transfers();
    map();
    product();
    return result_;
  }

 private:
  // A sample whose kernels are ready to run, and what its candidate estimates for `size`; no sample: declined.
  struct Ready {
    Sample sample;
    CompiledGroup code;
    int64_t size = 0;
    double estimate_ns = 0;
  };

  CompiledGroup compile(const Sample& sample) const {
    const Chosen chosen{sample.group, best_candidate(backend_, target_, sample).value()};
    std::vector<CompiledGroup> compiled = backend_.compile({&chosen, 1}, target_, settings_);
    check(compiled.size() == 1 && compiled[0].host == nullptr, "compile answers a sample with ", compiled.size(),
          " groups or a host function");
    if (device_ == nullptr) return std::move(compiled[0]);
    std::vector<runtime::KernelPtr> kernels;
    for (const GroupLaunch& launch : compiled[0].launches) kernels.push_back(launch.kernel);
    kernels = device_->load(kernels);
    check(kernels.size() == compiled[0].launches.size(), "the device loaded ", kernels.size(), " kernels of ",
          compiled[0].launches.size());
    for (size_t i = 0; i < kernels.size(); ++i) compiled[0].launches[i].kernel = kernels[i];
    return std::move(compiled[0]);
  }

  // Of sizes that grow fourfold the first whose sample is estimated to run long enough. `form` is what is compiled for
  // it.
  template <class Make, class Form>
  Ready make_ready(int64_t least, int64_t most, const Make& make, const Form& form) const {
    Ready ready;
    on_compile_thread([&] {
      for (int64_t size = least;; size = std::min(most, 4 * size)) {
        const auto candidate = best_candidate(backend_, target_, make(size));
        if (!candidate) return;
        ready.size = size;
        ready.estimate_ns = candidate->cost_ns;
        if (candidate->cost_ns >= sample_ns || size >= most) break;
      }
      Sample sample = form(ready.size);
      if (!best_candidate(backend_, target_, sample)) return;
      ready.code = compile(sample);
      ready.sample = std::move(sample);
    });
    return ready;
  }

  // One code for all sizes: some drivers take long to compile.
  void map() {
    const Ready ready = make_ready(
        least_elements, most_elements, [](int64_t n) { return map_sample(n); },
        [](int64_t) { return map_sample("n"); });
    if (ready.sample.group == nullptr) return;
    const expr::Expr n = ready.sample.graph->symbol("n");
    const auto bench = [&](int64_t elements) {
      return std::make_shared<Bench>(device_, *ready.sample.group, ready.code, n->var.get(), elements);
    };
    if (device_ != nullptr) {
      const auto small = bench(few_elements);
      small->run();
      const double one = best_ns([&] { small->run(); }), more = best_ns([&] { small->run(1 + more_launches); });
      result_.launch_ns = std::max(1.0, (more - one) / more_launches);
    }
    const double time = beside_launch(*bench(ready.size));
    result_.bytes = 2.0 * sizeof(float) * double(ready.size) / time * 1e9;
    result_.map_ratio = time / ready.estimate_ns;
  }

  void product() {
    const Ready ready = make_ready(least_rows, most_rows, product_sample, product_sample);
    if (ready.sample.group == nullptr) return;
    const double time = beside_launch(*std::make_shared<Bench>(device_, *ready.sample.group, ready.code, nullptr, 0));
    result_.macs = double(ready.size) * depth * depth / time * 1e9;
    result_.contraction_ratio = time / ready.estimate_ns;
  }

  // Time of a run, without that of handing over and hearing of it.
  double beside_launch(Bench& bench) const {
    bench.run();
    // Of this thread's own time, so that a busy machine does not look slow.
    if (device_ == nullptr) return std::max(1.0, best_ns([&] { bench.run(); }, CLOCK_THREAD_CPUTIME_ID));
    const double once = best_ns([&] { bench.run(); });
    const double twice = best_ns([&] { bench.run(2); });
    return std::max({twice - once - result_.launch_ns, once / 8, 1.0});
  }

  void transfers() {
    // Shared with the device's callback: all of this must outlive a device that hangs, which waits when it is closed.
    struct Copies {
      runtime::DevicePtr device;
      Tensor host{DType::U8, {transfer_bytes}};
      runtime::DeviceMemoryPtr memory{};
    };
    auto copies = std::make_shared<Copies>(Copies{.device = device_});
    std::fill_n(copies->host.raw(), transfer_bytes, uint8_t{0});
    copies->memory = device_->allocate(transfer_bytes, {});
    const auto copy_ns = [&](Op op, int64_t bytes) {
      const DeviceCommand command{
          .op = op, .operands = {{copies->memory, 0}}, .host = copies->host.raw(), .bytes = bytes, .label = "sample"};
      return best_ns([&] { finish(*device_, device_->submit({&command, 1}, runtime::next_run_number()), copies); });
    };
    copy_ns(Op::Upload, transfer_bytes);
    const auto rate = [&](Op op, double start) {
      const double whole = std::max(1.0, copy_ns(op, transfer_bytes));
      return double(transfer_bytes) / std::max(whole - start, whole / 4) * 1e9;
    };
    const double up = copy_ns(Op::Upload, few_bytes), down = copy_ns(Op::Download, few_bytes);
    result_.transfer_ns = (up + down) / 2;
    result_.upload_bytes = rate(Op::Upload, up);
    result_.download_bytes = rate(Op::Download, down);
  }

  const Backend& backend_;
  Target target_;
  Settings settings_;
  runtime::DevicePtr device_;
  Measurement result_;
};

}  // namespace

Measurement measure(const Backend& backend, const DeviceInfo& device, const Settings& settings) {
  return Measurer(backend, device, settings).run();
}

}  // namespace sardonyx::backends
