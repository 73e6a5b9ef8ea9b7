// A made-up backend and its device, for tests of placement: it claims the groups that a test wants at the costs that
// the test gives, row-major or in blocks, and its kernels interpret the group. Device memory is memory of this process.
//
//   FakeBackend gpu("gpu", [](const graph::Node& group) { return group.sources[0] == "slow" ? refused : 1000.0; });
//   Places places = {&host, &gpu};
#pragma once
#include <gtest/gtest.h>

#include <cstring>

#include "compiler/driver/place.h"
#include "compiler/graph/symbols.h"
#include "compiler/passes/pass.h"
#include "runtime/device.h"

namespace sardonyx::driver {

inline constexpr double refused = -1;

// A group as a graph of its own, interpreted on buffers of this process.
class FakeKernel : public runtime::Kernel {
 public:
  explicit FakeKernel(const graph::Node& group) : graph_(std::make_shared<graph::Graph>()) {
    graph::ValueMap values;
    for (const auto& parameter : group.regions[0]->parameters())
      values[parameter.get()] = graph_->body().add_parameter(parameter->type);
    const auto results = graph::clone_body(*group.regions[0], graph_->body(), nullptr, values);
    graph_->set_outputs(results, std::vector<std::string>(results.size()));
    for (const graph::Value* operand : group.operands) add(operand->type);
    for (const auto& result : group.results) add(result->type);
  }
  std::string name() const override { return "fake"; }
  // Of all operands and results, one after the other.
  const std::vector<expr::Expr>& dims() const { return dims_; }

  class Run : public runtime::Invocation {
   public:
    void run(const std::vector<uint8_t*>& buffers) const {
      std::vector<Tensor> inputs;
      for (size_t i = 0; i < buffers.size(); ++i) {
        Tensor tensor(types[i].first, types[i].second);
        if (inputs.size() < graph->body().parameters().size()) {
          std::memcpy(tensor.raw(), buffers[i], size_t(tensor.bytes()));
          inputs.push_back(std::move(tensor));
        }
      }
      const std::vector<Tensor> results = graph::interpret(*graph, inputs);
      for (size_t i = 0; i < results.size(); ++i)
        std::memcpy(buffers[inputs.size() + i], results[i].raw(), size_t(results[i].bytes()));
    }
    std::shared_ptr<const graph::Graph> graph;
    std::vector<std::pair<DType, Dims>> types;
  };

  std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t> dims) const override {
    auto run = std::make_shared<Run>();
    run->graph = graph_;
    for (const auto& [dtype, rank] : types_) {
      run->types.emplace_back(dtype, Dims(dims.begin(), dims.begin() + rank));
      dims = dims.subspan(size_t(rank));
    }
    return run;
  }

 private:
  void add(const graph::TensorType& type) {
    types_.emplace_back(type.dtype, type.rank());
    dims_.insert(dims_.end(), type.dims.begin(), type.dims.end());
  }

  std::shared_ptr<graph::Graph> graph_;
  std::vector<std::pair<DType, int>> types_;
  std::vector<expr::Expr> dims_;
};

// Runs every submission at once, on the calling thread.
class FakeDevice : public runtime::Device {
 public:
  struct Memory : runtime::DeviceMemory {
    std::vector<uint8_t> data;
  };
  runtime::DeviceMemoryPtr allocate(int64_t bytes, const runtime::MemoryUse&) override {
    auto memory = std::make_shared<Memory>();
    memory->bytes = bytes;
    memory->data.resize(size_t(bytes));
    return memory;
  }
  std::vector<runtime::KernelPtr> load(std::span<const runtime::KernelPtr> kernels) override {
    return {kernels.begin(), kernels.end()};
  }
  runtime::Point submit(std::span<const runtime::DeviceCommand> commands, uint64_t) override {
    using Op = runtime::DeviceCommand::Op;
    for (const runtime::DeviceCommand& command : commands) {
      std::vector<uint8_t*> buffers;
      for (const runtime::DeviceRange& range : command.operands)
        buffers.push_back(static_cast<Memory&>(*range.memory).data.data() + range.offset);
      const auto bytes = size_t(command.bytes);
      if (command.op == Op::Launch) static_cast<const FakeKernel::Run&>(*command.invocation).run(buffers), ++launches;
      if (command.op == Op::Upload) std::memcpy(buffers[0], command.host, bytes), ++uploads;
      if (command.op == Op::Download) std::memcpy(command.host, buffers[0], bytes), ++downloads;
      if (command.op == Op::Copy) std::memcpy(buffers[1], buffers[0], bytes);
    }
    return ++last_;
  }
  runtime::Completion wait(runtime::Point, std::function<void(const runtime::Completion&)> done) override {
    if (done) done({});
    return {};
  }
  int launches = 0, uploads = 0, downloads = 0;

 private:
  runtime::Point last_ = 0;
};

class FakeBackend : public backends::Backend {
 public:
  using Cost = std::function<double(const graph::Node& group)>;
  FakeBackend(std::string name, Cost cost) : name_(std::move(name)), cost_(std::move(cost)) {
    info.backend = name_;
    info.target.transfer_ns = 1000;
    info.target.transfer_bytes_per_ns = 1;
  }
  std::string_view name() const override { return name_; }
  std::vector<backends::DeviceInfo> discover() const override { return {info}; }
  runtime::DevicePtr open(const backends::DeviceInfo&, const backends::OpenOptions&) const override {
    return std::make_shared<FakeDevice>();
  }
  backends::Candidates candidates(const graph::Node& group, const backends::Target&) const override {
    const bool reorder = group.regions[0]->nodes().front()->op == graph::Op::reorder;
    if (reorder && !reorders) return {{}, {"no reorders"}};
    backends::Candidate candidate;
    candidate.family = "fake." + name_;
    candidate.cost_ns = reorder ? 100 : cost_(group);
    if (candidate.cost_ns < 0) return {{}, {"not on a " + name_}};
    if (blocked && !reorder) {
      candidate.inputs.assign(group.operands.size(), graph::Layout::blocked(1, 2));
      candidate.outputs.assign(group.results.size(), graph::Layout::blocked(1, 2));
    }
    return {{candidate}, {}};
  }
  std::vector<backends::CompiledGroup> compile(std::span<const backends::Chosen> batch, const backends::Target&,
                                               const Settings&) const override {
    std::vector<backends::CompiledGroup> groups(batch.size());
    for (size_t i = 0; i < batch.size(); ++i) {
      auto kernel = std::make_shared<FakeKernel>(*batch[i].group);
      backends::GroupLaunch launch;
      launch.dims = kernel->dims();
      launch.kernel = std::move(kernel);
      const int inputs = int(batch[i].group->operands.size()), results = int(batch[i].group->results.size());
      for (int k = 0; k < inputs; ++k) launch.inputs.push_back(k);
      for (int k = 0; k < results; ++k) launch.outputs.push_back(inputs + k);
      groups[i].launches.push_back(std::move(launch));
    }
    return groups;
  }

  backends::DeviceInfo info;
  bool blocked = false;  // wants and gives blocks
  bool reorders = true;

 private:
  std::string name_;
  Cost cost_;
};

// The first backend is the host's.
inline std::vector<Place> places_of(const std::vector<const FakeBackend*>& backends) {
  std::vector<Place> places;
  for (const FakeBackend* backend : backends) places.push_back({backend, &backend->info});
  return places;
}

inline FakeBackend::Cost always(double cost) {
  return [cost](const graph::Node&) { return cost; };
}
// Only groups with this node.
inline FakeBackend::Cost only(std::string node, double cost) {
  return [=](const graph::Node& group) {
    return std::find(group.sources.begin(), group.sources.end(), node) != group.sources.end() ? cost : refused;
  };
}
// All but groups with this node.
inline FakeBackend::Cost all_but(std::string node, double cost) {
  return [=](const graph::Node& group) {
    return std::find(group.sources.begin(), group.sources.end(), node) != group.sources.end() ? refused : cost;
  };
}

}  // namespace sardonyx::driver
