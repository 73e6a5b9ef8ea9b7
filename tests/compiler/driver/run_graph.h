// Compiling graphs for the CPU device and running them in tests, beside the interpreter as oracle.
//
//   auto graph = graph::parse(text);
//   expect_compiled_equals_interpreted(*graph, inputs, Policy::Library);
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <random>

#include "compiler/driver/compile.h"
#include "runtime/base/packing.h"
#include "runtime/session.h"

namespace sardonyx::driver {

// Of 3 x 3 convolutions that keep the size of their images.
inline graph::ConvAttrs same_size(int64_t groups = 1) {
  graph::ConvAttrs attrs;
  attrs.strides = attrs.dilations = {1, 1};
  attrs.pads = std::vector<expr::Expr>(4, expr::Expr(1));
  attrs.groups = groups;
  return attrs;
}

// Weights: seven numbers from `first` on, again and again.
inline Tensor ramp(Dims dims, float first = 0) {
  Tensor result(DType::F32, std::move(dims));
  for (int64_t i = 0; i < result.count(); ++i) result.data<float>()[i] = first + float(i % 7);
  return result;
}

// One context for all tests: starting threads per graph would cost more than the graphs.
inline const std::shared_ptr<runtime::Context>& test_context() {
  static const std::shared_ptr<runtime::Context> context = [] {
    Settings settings;
    settings.num_threads = 2;
    return runtime::Context::create(settings);
  }();
  return context;
}

// The host's CPU alone.
inline std::span<const backends::DeviceInfo> host() {
  static const std::vector<backends::DeviceInfo> devices = backends::registry().front()->discover();
  return devices;
}

// Compiles a copy of the graph for the host, with the verifier on after every pass.
inline std::shared_ptr<const runtime::Program> compile_copy(const graph::Graph& graph, const Settings& settings) {
  CompileOptions options;
  options.settings = settings;
  options.settings.verify = true;
  options.preferred = 0;
  return compile(graph::clone(graph), host(), options);
}
inline Settings with_policy(Policy policy) {
  Settings settings;
  settings.policy = policy;
  return settings;
}
inline std::shared_ptr<const runtime::Program> compile_copy(const graph::Graph& graph, Policy policy = Policy::Auto) {
  return compile_copy(graph, with_policy(policy));
}

// The buffers that a host binds for tensors: elements of less than a byte are packed.
class HostBuffers {
 public:
  runtime::HostTensor input(const Tensor& tensor) {
    if (!is_packed(tensor.dtype())) return {const_cast<uint8_t*>(tensor.raw()), tensor.dims()};
    std::vector<uint8_t>& packed = add(tensor);
    pack(tensor.dtype(), tensor.raw(), tensor.count(), packed.data());
    return {packed.data(), tensor.dims()};
  }
  // Poisoned. read() brings the result home; tensors must outlive this.
  runtime::HostTensor output(Tensor& tensor) {
    std::fill_n(tensor.raw(), tensor.bytes(), uint8_t{0xCD});
    if (!is_packed(tensor.dtype())) return {tensor.raw(), tensor.dims()};
    std::vector<uint8_t>& packed = add(tensor);
    outputs_.emplace_back(&tensor, &packed);
    return {packed.data(), tensor.dims()};
  }
  void read() {
    for (auto& [tensor, packed] : outputs_) unpack(tensor->dtype(), packed->data(), tensor->count(), tensor->raw());
  }

 private:
  std::vector<uint8_t>& add(const Tensor& tensor) {
    return buffers_.emplace_back(size_t(host_bytes(tensor.dtype(), tensor.count())), uint8_t{0xCD});
  }
  std::deque<std::vector<uint8_t>> buffers_;
  std::vector<std::pair<Tensor*, std::vector<uint8_t>*>> outputs_;
};

// Runs a program; `output_dims` are the shapes that the host describes. Throws the run's error.
inline std::vector<Tensor> run_program(std::shared_ptr<const runtime::Program> program,
                                       const std::vector<Tensor>& inputs, const std::vector<Dims>& output_dims,
                                       const std::shared_ptr<runtime::Context>& context = test_context()) {
  auto session = std::make_shared<runtime::Session>(program, context);
  HostBuffers buffers;
  std::vector<runtime::HostTensor> in, out;
  for (const Tensor& tensor : inputs) in.push_back(buffers.input(tensor));
  std::vector<Tensor> results;
  for (size_t i = 0; i < output_dims.size(); ++i) results.emplace_back(program->outputs[i].dtype, output_dims[i]);
  for (Tensor& result : results) out.push_back(buffers.output(result));
  auto done = std::make_shared<runtime::Event>();
  session->submit(session->bind(in, out), nullptr, done);
  require(done->wait() == Status::Success, done->status(), done->text());
  session->wait_idle();
  for (size_t i = 0; i < output_dims.size(); ++i) {
    const Dims* shape = done->output_shape(program->outputs[i].name);
    EXPECT_TRUE(shape != nullptr && *shape == output_dims[i]) << "reported shape of output " << i;
  }
  buffers.read();
  return results;
}

// Runs the graph compiled; shapes of outputs are those of `expected`.
inline std::vector<Tensor> run_compiled(const graph::Graph& graph, const std::vector<Tensor>& inputs,
                                        const std::vector<Tensor>& expected, const Settings& settings) {
  std::vector<Dims> dims;
  for (const Tensor& tensor : expected) dims.push_back(tensor.dims());
  return run_program(compile_copy(graph, settings), inputs, dims);
}
inline std::vector<Tensor> run_compiled(const graph::Graph& graph, const std::vector<Tensor>& inputs,
                                        const std::vector<Tensor>& expected, Policy policy = Policy::Auto) {
  return run_compiled(graph, inputs, expected, with_policy(policy));
}

// "" when equal within |a - b| <= tolerance (0: equal bits, but for the sign of zero and payloads of NaNs), else the
// first difference.
inline std::string difference(const Tensor& actual, const Tensor& expected, double tolerance) {
  if (actual.dtype() != expected.dtype() || actual.dims() != expected.dims())
    return str(dtype_name(actual.dtype()), "[", join(actual.dims(), ","), "] is not ", dtype_name(expected.dtype()),
               "[", join(expected.dims(), ","), "]");
  for (int64_t i = 0; i < actual.count(); ++i) {
    if (!is_float(actual.dtype())) {
      if (actual.as_int(i) != expected.as_int(i))
        return str("element ", i, " is ", actual.as_int(i), ", expected ", expected.as_int(i));
      continue;
    }
    const double a = actual.as_double(i), b = expected.as_double(i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (!(std::fabs(a - b) <= tolerance)) return str("element ", i, " is ", a, ", expected ", b, " within ", tolerance);
  }
  return {};
}

// Relative to the largest magnitude of each output.
inline void expect_compiled_equals_interpreted(const graph::Graph& graph, const std::vector<Tensor>& inputs,
                                               Policy policy, double relative = 2e-6) {
  const std::vector<Tensor> expected = graph::interpret(graph, inputs);
  const std::vector<Tensor> actual = run_compiled(graph, inputs, expected, policy);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    double largest = 0;
    if (is_float(expected[i].dtype()))
      for (int64_t k = 0; k < expected[i].count(); ++k)
        largest = std::max(largest, std::fabs(expected[i].as_double(k)));
    EXPECT_EQ(difference(actual[i], expected[i], relative * largest), "") << "output " << i << " of\n"
                                                                          << graph::to_string(graph);
  }
}

// Uniform in [low, high], integers included; deterministic.
inline Tensor random_tensor(DType dtype, Dims dims, uint64_t seed, double low = -1, double high = 1) {
  std::mt19937_64 random(seed);
  Tensor tensor(dtype, std::move(dims));
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const double unit = double(random() >> 11) * 0x1p-53;
    if (is_float(dtype))
      tensor.set_double(i, low + (high - low) * unit);
    else
      tensor.set_int(i, int64_t(std::floor(low + (high - low + 1) * unit)));
  }
  return tensor;
}

}  // namespace sardonyx::driver
