// Running primitives and ONNX operators in tests: build a graph around given inputs and interpret it.
//
// Every case runs twice: with static input shapes, and with the dims of input 0 as symbols. Both must agree bit by bit.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

using Values = std::vector<Value*>;

inline Tensor make(DType dtype, Dims dims, const std::vector<double>& values) {
  Tensor tensor(dtype, std::move(dims));
  check(tensor.count() == int64_t(values.size()), "test tensor of ", tensor.count(), " elements got ", values.size());
  for (size_t i = 0; i < values.size(); ++i) tensor.set_double(int64_t(i), values[i]);
  return tensor;
}
inline Tensor f32(Dims dims, const std::vector<double>& values) { return make(DType::F32, std::move(dims), values); }
inline Tensor i64(Dims dims, const std::vector<double>& values) { return make(DType::I64, std::move(dims), values); }
inline Tensor bools(Dims dims, const std::vector<double>& values) { return make(DType::Bool, std::move(dims), values); }

// start, start + step, ...
inline Tensor ramp(Dims dims, double start = 0, double step = 1, DType dtype = DType::F32) {
  Tensor tensor(dtype, std::move(dims));
  for (int64_t i = 0; i < tensor.count(); ++i) tensor.set_double(i, start + step * double(i));
  return tensor;
}

inline std::vector<Tensor> run_once(const std::vector<Tensor>& inputs, bool symbolic,
                                    const std::function<Values(Builder&, Values)>& build) {
  graph::Graph graph;
  Values values;
  for (size_t i = 0; i < inputs.size(); ++i) {
    graph::TensorType type{inputs[i].dtype(), {inputs[i].dims().begin(), inputs[i].dims().end()}, {}};
    if (symbolic && i == 0)
      for (size_t d = 0; d < type.dims.size(); ++d) type.dims[d] = graph.symbol(str("d", d));
    values.push_back(graph.body().add_parameter(type, str("x", i)));
  }
  Builder builder(graph);
  const Values results = build(builder, values);
  graph.set_outputs(results, std::vector<std::string>(results.size(), "y"));
  graph::verify(graph);
  return graph::interpret(graph, inputs);
}

// `dynamic` false: the operator needs static shapes.
inline std::vector<Tensor> run(const std::vector<Tensor>& inputs, const std::function<Values(Builder&, Values)>& build,
                               bool dynamic = true) {
  std::vector<Tensor> results = run_once(inputs, false, build);
  if (!dynamic) return results;
  const std::vector<Tensor> symbolic = run_once(inputs, true, build);
  EXPECT_EQ(results.size(), symbolic.size());
  for (size_t i = 0; i < results.size() && i < symbolic.size(); ++i)
    EXPECT_TRUE(same_bits(results[i], symbolic[i])) << "result " << i << " differs between static and symbolic shapes";
  return results;
}

using Attributes = std::map<std::string, Attribute>;

// Input i of an ONNX operator: a tensor, or absent.
struct OnnxCase {
  std::string op;
  int opset = 17;
  std::vector<Tensor> inputs = {};  // undefined tensors are omitted inputs
  Attributes attributes = {};
  int outputs = 1;
  bool dynamic = true;
  // Inputs that the graph sees as constants.
  std::vector<int> constants = {};
  std::string domain = "";
};

inline std::vector<Tensor> run(const OnnxCase& test) {
  const OnnxOpVersion version = find_onnx_op(test.domain, test.op, test.opset);
  check(version.lower != nullptr, "operator ", test.op, " is unknown in opset ", test.opset);
  std::vector<Tensor> given;
  const auto is_constant = [&](size_t i) {
    return std::find(test.constants.begin(), test.constants.end(), int(i)) != test.constants.end();
  };
  for (size_t i = 0; i < test.inputs.size(); ++i)
    if (test.inputs[i].defined() && !is_constant(i)) given.push_back(test.inputs[i]);
  return run(
      given,
      [&](Builder& builder, Values values) {
        Values operands;
        size_t next = 0;
        for (size_t i = 0; i < test.inputs.size(); ++i) {
          if (!test.inputs[i].defined())
            operands.push_back(nullptr);
          else
            operands.push_back(is_constant(i) ? builder.constant(test.inputs[i]) : values[next++]);
        }
        Lowering lowering(builder, "node", test.op, version.since, operands, test.attributes, test.outputs);
        return version.lower(lowering);
      },
      test.dynamic);
}

inline void expect_tensor(const Tensor& actual, DType dtype, const Dims& dims, const std::vector<double>& values,
                          double tolerance = 1e-6) {
  EXPECT_EQ(dtype_name(actual.dtype()), dtype_name(dtype));
  EXPECT_EQ(actual.dims(), dims);
  ASSERT_EQ(actual.count(), int64_t(values.size()));
  for (size_t i = 0; i < values.size(); ++i) {
    const double value = actual.as_double(int64_t(i));
    if (std::isnan(values[i]))
      EXPECT_TRUE(std::isnan(value)) << "element " << i << " is " << value;
    else if (std::isinf(values[i]))
      EXPECT_EQ(value, values[i]) << "element " << i;
    else
      EXPECT_NEAR(value, values[i], tolerance * std::max(1.0, std::fabs(values[i]))) << "element " << i;
  }
}

// Expects an Error of `status` whose text has all `fragments`.
inline void expect_error(Status status, const std::vector<std::string>& fragments, const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_EQ(status_name(error.status()), std::string(status_name(status))) << error.text();
    for (const std::string& fragment : fragments)
      EXPECT_NE(error.text().find(fragment), std::string::npos) << "no '" << fragment << "' in: " << error.text();
    return;
  }
  ADD_FAILURE() << "no error";
}

}  // namespace sardonyx::ops
