#include "backends/opencl/loaded_kernel.h"

namespace sardonyx::opencl {

namespace {

// Sets the arguments of one launch in order.
class Arguments {
 public:
  explicit Arguments(cl_kernel kernel) : kernel_(kernel) {}
  void memory(cl_mem value) { set(sizeof value, &value); }
  void number(int64_t value) {
    const cl_long argument = value;
    set(sizeof argument, &argument);
  }

 private:
  void set(size_t size, const void* value) {
    check_call(clSetKernelArg(kernel_, next_++, size, value), "clSetKernelArg");
  }
  cl_kernel kernel_;
  cl_uint next_ = 0;
};

struct LaunchArguments {
  const std::vector<runtime::DeviceRange>& operands;
  const std::vector<int64_t>& dims;
  cl_mem scratch, status;
};

void enqueue_kernel(const LoadedKernel& kernel, cl_command_queue queue, const LaunchShape& shape,
                    const LaunchArguments& values, cl_event* event) {
  const Signature& signature = kernel.code().signature();
  Arguments arguments(kernel.get());
  for (const runtime::DeviceRange& operand : values.operands) {
    arguments.memory(operand.memory ? static_cast<const Memory&>(*operand.memory).get() : nullptr);
    arguments.number(operand.offset);
  }
  for (const int64_t dim : values.dims) arguments.number(dim);
  arguments.number(shape.grid);
  if (signature.scratch) {
    arguments.memory(values.scratch);
    arguments.number(shape.scratch_slice);
  }
  if (signature.status) arguments.memory(values.status);
  const auto global = size_t(shape.global_size), local = size_t(shape.local_size);
  check_call(clEnqueueNDRangeKernel(queue, kernel.get(), 1, nullptr, &global, &local, 0, nullptr, event),
             "clEnqueueNDRangeKernel");
}

}  // namespace

std::shared_ptr<const runtime::Invocation> LoadedKernel::prepare(std::span<const int64_t> dims) const {
  return std::make_shared<Launch>(shared_from_this(), std::vector<int64_t>(dims.begin(), dims.end()),
                                  code_->resolve(dims));
}

Launch::Launch(std::shared_ptr<const LoadedKernel> kernel, std::vector<int64_t> dims, LaunchShape shape)
    : kernel_(std::move(kernel)), dims_(std::move(dims)), shape_(shape) {
  grid = shape_.grid;
  cost_ns = shape_.cost_ns;
}

void Launch::enqueue(cl_command_queue queue, const std::vector<runtime::DeviceRange>& operands, cl_mem scratch,
                     cl_mem status, EventOwner& event) const {
  const Signature& signature = kernel_->code().signature();
  check(operands.size() == size_t(signature.inputs + signature.outputs), "kernel ", kernel_->name(), " got ",
        operands.size(), " operands, expects ", signature.inputs + signature.outputs);
  if (shape_.grid == 0) return;
  enqueue_kernel(*kernel_, queue, shape_, {operands, dims_, scratch, status}, event.out());
}

void warm_up(const LoadedKernel& kernel, cl_command_queue queue) {
  const Signature& signature = kernel.code().signature();
  const std::vector<int64_t> dims(size_t(signature.symbols), 1);
  LaunchShape shape;
  try {
    shape = kernel.code().resolve(dims);
  } catch (const Error&) {
    return;  // extents that make no sense for ones; the first run finds out
  }
  shape.grid = 0;
  shape.global_size = shape.local_size;
  const std::vector<runtime::DeviceRange> operands(size_t(signature.inputs + signature.outputs));
  enqueue_kernel(kernel, queue, shape, {operands, dims, nullptr, nullptr}, nullptr);
}

}  // namespace sardonyx::opencl
