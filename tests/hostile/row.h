// The table of hostile values: what a row is, and short words to write one with.
//
// A row is an operator with honest inputs, the one input that steers it at run time, and the values that input gets.
#pragma once
#include <algorithm>
#include <climits>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tests/compiler/ops/run.h"

namespace sardonyx::hostile {

using ops::Attributes;
using ops::Builder;
using ops::OnnxCase;
using ops::Value;
using ops::Values;

enum class Outcome {
  Fails,   // an error, where the value is known to the compiler and where only the run knows it
  Gives,   // what ONNX defines
  Agrees,  // the same everywhere: an error everywhere, or the same values everywhere
  Ends,    // nothing is defined; a part that does not matter to the result may be left out, with its error
};

struct Hostile {
  Tensor value;
  Outcome outcome = Outcome::Agrees;
  std::vector<Tensor> results = {};  // of Gives
};

struct Row {
  OnnxCase test;    // with honest inputs, which must give a result
  int control = 0;  // the operand of the operator that the values take the place of
  std::vector<Hostile> values = {};
  // Makes the results, where they are not one node of tensors; the inputs of `test` are its arguments.
  std::function<Values(Builder& builder, const Values& arguments)> build = {};
  int argument = -1;     // of `build`, which becomes the operand `control`; the same number when it is -1
  bool symbolic = true;  // false: the operator needs static shapes
  bool opencl = false;   // takes part in the test of OpenCL, whose drivers compile slowly
  bool honest = true;    // false: there is no honest value
};

// The rows of one file.
std::vector<Row> arithmetic_rows();
std::vector<Row> attention_rows();
std::vector<Row> axis_rows();
std::vector<Row> container_rows();
std::vector<Row> count_rows();
std::vector<Row> feature_rows();
std::vector<Row> index_rows();
std::vector<Row> sampling_rows();
std::vector<Row> sequence_rows();
std::vector<Row> shape_rows();
std::vector<Row> signal_rows();

// All of them.
const std::vector<Row>& rows();

// ---- values ---------------------------------------------------------------------------------------------------------

inline constexpr int64_t least = INT64_MIN, most = INT64_MAX, huge = int64_t{1} << 50;
inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();
// Neither finite nor small: for coordinates, scales and features.
inline const std::vector<double> wild = {nan, infinity, -infinity, 1e30, -1e30, 3.4e38, 1e-42, -0.0};

inline Tensor ints(std::vector<int64_t> values) { return Tensor::ints(values); }
inline Tensor scalar(int64_t value) { return ints({value}).reshaped({}); }
inline Tensor of(DType dtype, Dims dims, std::vector<int64_t> values) {
  Tensor tensor(dtype, std::move(dims));
  for (size_t i = 0; i < values.size(); ++i) tensor.set_int(int64_t(i), values[i]);
  return tensor;
}

// One tensor per number, of shape [1] or of `dims` filled with it.
inline Tensor zeros(DType dtype, Dims dims) {
  Tensor tensor(dtype, std::move(dims));
  std::fill_n(tensor.raw(), tensor.bytes(), uint8_t{0});
  return tensor;
}
inline std::vector<Tensor> each(const std::vector<int64_t>& numbers, const Dims& dims = {1}, DType dtype = DType::I64) {
  std::vector<Tensor> tensors;
  for (int64_t number : numbers) {
    Tensor& tensor = tensors.emplace_back(dtype, dims);
    for (int64_t i = 0; i < tensor.count(); ++i) tensor.set_int(i, number);
  }
  return tensors;
}
inline std::vector<Tensor> each_real(const std::vector<double>& numbers, const Dims& dims = {1},
                                     DType dtype = DType::F32) {
  std::vector<Tensor> tensors;
  for (double number : numbers) {
    Tensor& tensor = tensors.emplace_back(dtype, dims);
    for (int64_t i = 0; i < tensor.count(); ++i) tensor.set_double(i, number);
  }
  return tensors;
}

inline std::vector<Hostile> with(Outcome outcome, std::vector<Tensor> values) {
  std::vector<Hostile> list;
  for (Tensor& value : values) list.push_back({std::move(value), outcome});
  return list;
}
inline std::vector<Hostile> fails(std::vector<Tensor> values) { return with(Outcome::Fails, std::move(values)); }
inline std::vector<Hostile> agrees(std::vector<Tensor> values) { return with(Outcome::Agrees, std::move(values)); }
inline std::vector<Hostile> ends(std::vector<Tensor> values) { return with(Outcome::Ends, std::move(values)); }
inline std::vector<Hostile> gives(Tensor value, std::vector<Tensor> results) {
  return {{std::move(value), Outcome::Gives, std::move(results)}};
}
inline std::vector<Hostile> operator+(std::vector<Hostile> left, const std::vector<Hostile>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace sardonyx::hostile
