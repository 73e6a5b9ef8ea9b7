// topk and nonzero: selections whose result depends on values. Opaque.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

using graph::TopkAttrs;

std::vector<TensorType> infer_topk(const Attributes& attributes, Types operands) {
  const auto& topk = as<TopkAttrs>(attributes);
  const bool known = topk.k.size() == 1 && expr::as_int(topk.k[0]);
  expect_operands(Op::topk, operands, known && operands.size() != 2 ? 1 : 2);
  const TensorType& x = operands[0];
  require(topk.axis >= -x.rank() && topk.axis < x.rank() && topk.k.size() == 1, Status::InvalidModel,
          "topk along axis ", topk.axis, " does not accept ", graph::to_string(x));
  require(is_float(x.dtype) || is_integer(x.dtype), Status::InvalidModel, "topk does not accept ", graph::to_string(x));
  const size_t axis = size_t(topk.axis < 0 ? topk.axis + x.rank() : topk.axis);
  const auto k = expr::as_int(topk.k[0]), dim = expr::as_int(x.dims[axis]);
  require(!k || (*k >= 0 && (!dim || *k <= *dim)), Status::InvalidModel, "topk: k = ", k.value_or(0), " does not fit ",
          graph::to_string(x), " on axis ", axis);
  TensorType values{x.dtype, x.dims, {}};
  values.dims[axis] = expr::simplify(topk.k[0]);
  TensorType indices = values;
  indices.dtype = DType::I64;
  return {values, indices};
}

// Strict order in which NaN is the largest value.
template <class T>
bool greater(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(b)) return false;
    if (std::isnan(a)) return true;
  }
  return a > b;
}

// Equal elements keep their order, so results are deterministic; "unsorted" is sorted too.
template <class T>
void select_rows(const T* data, Dims dims, size_t axis, int64_t k, bool largest,
                 const std::function<void(int64_t, int64_t)>& put) {
  const int64_t extent = dims[axis];
  const int64_t inner = element_count(std::span(dims).subspan(axis + 1));
  const int64_t outer = element_count(std::span(dims).first(axis));
  std::vector<int64_t> order(static_cast<size_t>(extent));
  for (int64_t row = 0; row < outer * inner; ++row) {
    const int64_t start = row / inner * extent * inner + row % inner;
    std::iota(order.begin(), order.end(), int64_t{0});
    std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t a, int64_t b) {
      const T left = data[start + a * inner], right = data[start + b * inner];
      if (greater(left, right)) return largest;
      if (greater(right, left)) return !largest;
      return a < b;
    });
    for (int64_t i = 0; i < k; ++i) put(row / inner * k * inner + i * inner + row % inner, order[size_t(i)]);
  }
}

std::vector<Tensor> topk(const Attributes& attributes, std::span<const Tensor> operands) {
  const auto& topk = as<TopkAttrs>(attributes);
  const Tensor& x = operands[0];
  const size_t axis = size_t(topk.axis < 0 ? topk.axis + x.rank() : topk.axis);
  const int64_t k = operands.size() > 1 ? operands[1].as_int(0) : *expr::as_int(topk.k[0]);
  require(k >= 0 && k <= x.dims()[axis], Status::MismatchingShape, "topk: k = ", k, " for a dim of ", x.dims()[axis]);
  Dims dims = x.dims();
  dims[axis] = k;
  Tensor values(x.dtype(), dims), indices(DType::I64, dims);
  if (indices.count() == 0) return {values, indices};
  const auto put = [&](int64_t at, int64_t index) { indices.data<int64_t>()[at] = index; };
  const bool direct = visit_dtype(
      x.dtype(), [&](auto zero) { select_rows(x.data<decltype(zero)>(), x.dims(), axis, k, topk.largest, put); });
  if (!direct) {  // F16, BF16
    std::vector<float> wide(size_t(x.count()));
    for (size_t i = 0; i < wide.size(); ++i) wide[i] = float(x.as_double(int64_t(i)));
    select_rows(wide.data(), x.dims(), axis, k, topk.largest, put);
  }
  const int64_t inner = element_count(std::span(dims).subspan(axis + 1)), extent = x.dims()[axis];
  const size_t size = size_of(x.dtype());
  for (int64_t i = 0; i < indices.count(); ++i) {
    const int64_t from = i / (k * inner) * extent * inner + indices.data<int64_t>()[i] * inner + i % inner;
    std::copy_n(x.raw() + size_t(from) * size, size, values.raw() + size_t(i) * size);
  }
  return {values, indices};
}

std::vector<Tensor> nonzero(const Attributes&, std::span<const Tensor> operands) {
  const Tensor& x = operands[0];
  const int64_t count = x.count();
  std::vector<int64_t> hits;
  for (int64_t i = 0; i < count; ++i)
    if (x.as_double(i) != 0) hits.push_back(i);
  const int64_t found = int64_t(hits.size());
  Tensor result(DType::I64, {int64_t(x.rank()), found});
  for (int64_t d = x.rank() - 1; d >= 0; --d) {
    const int64_t dim = x.dims()[size_t(d)];
    for (int64_t i = 0; i < found; ++i) {
      result.data<int64_t>()[d * found + i] = hits[size_t(i)] % dim;
      hits[size_t(i)] /= dim;
    }
  }
  return {result};
}

const RegisterOp topk_registration{{.op = Op::topk, .traits = graph::Opaque, .infer = infer_topk, .reference = topk}};
const RegisterOp nonzero_registration{{.op = Op::nonzero, .traits = graph::Opaque, .reference = nonzero}};

}  // namespace
}  // namespace sardonyx::ops
