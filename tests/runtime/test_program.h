// Hand-built programs and kernels of a few lines for the runtime's tests.
//
//   TestProgram t;
//   DimId n = t.input_dim(0, 0, "n");
//   ValueId x = t.input("x", {n}), y = t.output("y", {n});
//   t.launch(affine(2, 1), {x}, {y}, {n});         // y = 2 x + 1
//   auto session = t.session(context);
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/event.h"
#include "runtime/program.h"
#include "runtime/session.h"

namespace sardonyx::runtime::test {

// Runs [begin, end) of the grid. Arguments as KernelFunction.
using Body = std::function<int32_t(void* const*, const int64_t*, void*, int64_t, int64_t)>;

struct FunctionInvocation final : HostInvocation {
  Body body;
  int32_t run(void* const* buffers, const int64_t* dims, void* scratch, int64_t begin,
              int64_t end) const noexcept override {
    return body(buffers, dims, scratch, begin, end);
  }
};

// grid = product of the dim operands.
struct FunctionKernel final : Kernel {
  std::string kernel_name;
  Body body;
  double ns_per_index = 1;
  int64_t scratch_bytes = 0, grain = 1;
  mutable std::atomic<int> prepared{0};
  std::string name() const override { return kernel_name; }
  std::shared_ptr<const Invocation> prepare(std::span<const int64_t> dims) const override {
    ++prepared;
    auto invocation = std::make_shared<FunctionInvocation>();
    invocation->body = body;
    invocation->grid = 1;
    for (int64_t dim : dims) invocation->grid *= dim;
    invocation->cost_ns = ns_per_index * double(invocation->grid);
    invocation->scratch_bytes = scratch_bytes;
    invocation->grain = grain;
    return invocation;
  }
};

inline std::shared_ptr<FunctionKernel> kernel(std::string name, Body body, double ns_per_index = 1) {
  auto result = std::make_shared<FunctionKernel>();
  result->kernel_name = std::move(name);
  result->body = std::move(body);
  result->ns_per_index = ns_per_index;
  return result;
}

// out[i] = scale * in[i] + offset, f32.
inline std::shared_ptr<FunctionKernel> affine(float scale, float offset, double ns_per_index = 1) {
  return kernel(
      "affine",
      [=](void* const* b, const int64_t*, void*, int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          static_cast<float*>(b[1])[i] = scale * static_cast<const float*>(b[0])[i] + offset;
        return KernelOk;
      },
      ns_per_index);
}

// out[i] = a[i] + b[i], f32.
inline std::shared_ptr<FunctionKernel> add() {
  return kernel("add", [](void* const* b, const int64_t*, void*, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      static_cast<float*>(b[2])[i] = static_cast<const float*>(b[0])[i] + static_cast<const float*>(b[1])[i];
    return KernelOk;
  });
}

struct FunctionHost final : HostFunction {
  std::string host_name;
  std::function<std::vector<Tensor>(std::span<const Tensor>)> body;
  std::string name() const override { return host_name; }
  std::vector<Tensor> call(std::span<const Tensor> inputs) const override { return body(inputs); }
};

inline std::shared_ptr<FunctionHost> host(std::string name,
                                          std::function<std::vector<Tensor>(std::span<const Tensor>)> body) {
  auto result = std::make_shared<FunctionHost>();
  result->host_name = std::move(name);
  result->body = std::move(body);
  return result;
}

class TestProgram {
 public:
  TestProgram() : program_(std::make_shared<Program>()), block_(&program_->main) {}

  Program& program() { return *program_; }

  DimId dim(DimExpr expr) {
    program_->dims.push_back(std::move(expr));
    return DimId(program_->dims.size() - 1);
  }
  DimId constant(int64_t value) { return dim({.op = DimExpr::Op::Constant, .value = value}); }
  DimId input_dim(int input, int axis, std::string name = {}) {
    return dim({.op = DimExpr::Op::Input, .a = input, .axis = axis, .name = std::move(name)});
  }
  DimId runtime_dim(std::string name = {}) { return dim({.op = DimExpr::Op::Runtime, .name = std::move(name)}); }
  DimId apply(DimExpr::Op op, DimId a, DimId b = -1, DimId c = -1) { return dim({.op = op, .a = a, .b = b, .c = c}); }

  ValueId value(ValueInfo info) {
    program_->values.push_back(std::move(info));
    return ValueId(program_->values.size() - 1);
  }
  ValueId input(std::string name, std::vector<DimId> dims, DType dtype = DType::F32) {
    const int32_t index = int32_t(program_->inputs.size());
    program_->inputs.push_back({.name = name, .dtype = dtype, .dims = dims});
    const ValueId id =
        value({.kind = ValueInfo::Kind::Input, .index = index, .dtype = dtype, .dims = std::move(dims), .name = name});
    program_->input_values.push_back(id);
    return id;
  }
  ValueId output(std::string name, std::vector<DimId> dims, DType dtype = DType::F32, bool data_dependent = false) {
    const int32_t index = int32_t(program_->outputs.size());
    const ValueId id =
        value({.kind = ValueInfo::Kind::Output, .index = index, .dtype = dtype, .dims = dims, .name = name});
    output_of(id, std::move(name), data_dependent);
    return id;
  }
  // Declares an existing value as the next output.
  void output_of(ValueId id, std::string name, bool data_dependent = false) {
    const ValueInfo& info = program_->values[size_t(id)];
    program_->outputs.push_back(
        {.name = std::move(name), .dtype = info.dtype, .dims = info.dims, .data_dependent = data_dependent});
    program_->output_values.push_back(id);
  }
  ValueId temporary(std::vector<DimId> dims, DType dtype = DType::F32, std::string name = "t") {
    return value({.dtype = dtype, .dims = std::move(dims), .name = std::move(name)});
  }
  ValueId view(ValueId base, std::vector<DimId> dims, DimId byte_offset = -1) {
    return value({.kind = ValueInfo::Kind::View,
                  .base = base,
                  .byte_offset = byte_offset,
                  .dtype = program_->values[size_t(base)].dtype,
                  .dims = std::move(dims),
                  .name = "view"});
  }
  ValueId constant(Tensor tensor) {
    std::vector<DimId> dims;
    for (int64_t extent : tensor.dims()) dims.push_back(constant(extent));
    const DType dtype = tensor.dtype();
    program_->constants.push_back({std::move(tensor), "c"});
    return value({.kind = ValueInfo::Kind::Constant,
                  .index = int32_t(program_->constants.size() - 1),
                  .dtype = dtype,
                  .dims = std::move(dims),
                  .name = "c"});
  }

  Step& step(Step step) {
    block_->steps.push_back(std::move(step));
    return block_->steps.back();
  }
  Step& launch(KernelPtr kernel, std::vector<ValueId> inputs, std::vector<ValueId> outputs, std::vector<DimId> dims,
               std::string label = "node") {
    return step({.op = Step::Op::Launch,
                 .inputs = std::move(inputs),
                 .outputs = std::move(outputs),
                 .dims = std::move(dims),
                 .kernel = std::move(kernel),
                 .label = std::move(label)});
  }
  Step& copy(ValueId from, ValueId to) {
    return step({.op = Step::Op::Copy, .inputs = {from}, .outputs = {to}, .label = "copy"});
  }
  Step& call(std::shared_ptr<const HostFunction> function, std::vector<ValueId> inputs, std::vector<ValueId> outputs,
             std::string label = "host") {
    return step({.op = Step::Op::HostCall,
                 .inputs = std::move(inputs),
                 .outputs = std::move(outputs),
                 .host = std::move(function),
                 .label = std::move(label)});
  }
  Step& bind_dims(ValueId value, std::vector<DimId> dims) {
    return step({.op = Step::Op::BindDims, .inputs = {value}, .dims = std::move(dims), .label = "bind"});
  }
  // Steps added by `body` go into a new block.
  template <class F>
  std::shared_ptr<Block> block(F&& body) {
    auto result = std::make_shared<Block>();
    Block* outer = std::exchange(block_, result.get());
    body(*result);
    block_ = outer;
    return result;
  }

  std::shared_ptr<Session> session(const std::shared_ptr<Context>& context) {
    verify(*program_);
    return std::make_shared<Session>(program_, context);
  }

 private:
  std::shared_ptr<Program> program_;
  Block* block_;
};

inline Settings settings(int threads = 2) {
  Settings result;
  result.num_threads = threads;
  return result;
}

// Binds, submits and waits.
inline EventPtr run(const std::shared_ptr<Session>& session, const std::vector<HostTensor>& inputs,
                    const std::vector<HostTensor>& outputs, EventPtr input = nullptr) {
  auto output = std::make_shared<Event>();
  session->submit(session->bind(inputs, outputs), std::move(input), output);
  output->wait();
  return output;
}

template <class T>
HostTensor host_tensor(std::vector<T>& data, Dims dims) {
  return {data.data(), std::move(dims)};
}

}  // namespace sardonyx::runtime::test
