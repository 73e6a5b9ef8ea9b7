// Det: determinants of the last two dims, by elimination on the host.
#include <cmath>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/onnx/versions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

// Gaussian elimination with partial pivoting; `matrix` is overwritten.
double determinant(std::vector<double>& matrix, size_t n) {
  double result = 1;
  for (size_t k = 0; k < n; ++k) {
    size_t pivot = k;
    for (size_t i = k + 1; i < n; ++i)
      if (std::fabs(matrix[i * n + k]) > std::fabs(matrix[pivot * n + k])) pivot = i;
    const double value = matrix[pivot * n + k];
    if (value == 0) return 0;
    if (pivot != k) {
      for (size_t j = k; j < n; ++j) std::swap(matrix[pivot * n + j], matrix[k * n + j]);
      result = -result;
    }
    result *= value;
    for (size_t i = k + 1; i < n; ++i) {
      const double factor = matrix[i * n + k] / value;
      for (size_t j = k; j < n; ++j) matrix[i * n + j] -= factor * matrix[k * n + j];
    }
  }
  return result;
}

std::vector<Tensor> run(const std::string&, std::span<const Tensor> operands) {
  const Tensor& x = operands[0];
  const size_t n = size_t(x.dims().back());
  require(x.dims()[x.dims().size() - 2] == int64_t(n), Status::MismatchingShape,
          "Det of matrices that are not square: [", join(x.dims(), ","), "]");
  Tensor result(x.dtype(), Dims(x.dims().begin(), x.dims().end() - 2));
  std::vector<double> matrix(n * n);
  for (int64_t i = 0; i < result.count(); ++i) {
    for (size_t k = 0; k < n * n; ++k) matrix[k] = x.as_double(i * int64_t(n * n) + int64_t(k));
    result.set_double(i, determinant(matrix, n));
  }
  return {result};
}

std::vector<Value*> det(Lowering& in) {
  const graph::TensorType& type = in[0]->type;
  in.require(type.rank() >= 2 && is_float(type.dtype), Status::InvalidModel, "matrices of floats expected, got ",
             graph::to_string(type));
  return in.builder().host_call("det", "", {in[0]}, {{type.dtype, {type.dims.begin(), type.dims.end() - 2}, {}}});
}

const HostFunctionEntry entry{{.name = "det", .run = run}};
const OnnxOp op{operator_row("Det", {11, 22}, det)};

}  // namespace
}  // namespace sardonyx::ops
