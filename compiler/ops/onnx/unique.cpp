// Unique: distinct elements or slices, their first positions, where each went, and how many there were; on the host.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

// Slices of a tensor along an axis, compared element by element.
class Slices {
 public:
  Slices(const Tensor& x, size_t axis) : x_(x) {
    for (size_t i = 0; i < axis; ++i) outer_ *= x.dims()[i];
    length_ = x.dims()[axis];
    for (size_t i = axis + 1; i < x.dims().size(); ++i) inner_ *= x.dims()[i];
  }
  int64_t length() const { return length_; }

  // -1, 0 or 1; NaNs come last and equal each other.
  int compare(int64_t a, int64_t b) const {
    int result = 0;
    const bool known = x_.dtype() != DType::Bool && visit_dtype(x_.dtype(), [&](auto zero) {
                         const auto* data = x_.data<decltype(zero)>();
                         result = compare_by(a, b, [data](int64_t i) { return data[i]; });
                       });
    return known ? result : compare_by(a, b, [this](int64_t i) { return x_.as_double(i); });
  }
  void copy(int64_t from, Tensor& to, int64_t position) const {
    size_t bytes = size_t(inner_) * size_of(x_.dtype());
    int64_t width = to.count() / std::max<int64_t>(1, outer_ * inner_);
    for (int64_t o = 0; o < outer_; ++o)
      std::memcpy(to.raw() + size_t((o * width + position) * inner_) * size_of(x_.dtype()),
                  x_.raw() + size_t((o * length_ + from) * inner_) * size_of(x_.dtype()), bytes);
  }

 private:
  template <class At>
  int compare_by(int64_t a, int64_t b, At at) const {
    for (int64_t o = 0; o < outer_; ++o)
      for (int64_t i = 0; i < inner_; ++i) {
        const auto left = at((o * length_ + a) * inner_ + i), right = at((o * length_ + b) * inner_ + i);
        if (left == right) continue;
        bool left_nan = left != left, right_nan = right != right;
        if (left_nan && right_nan) continue;
        if (left_nan || right_nan) return left_nan ? 1 : -1;
        return left < right ? -1 : 1;
      }
    return 0;
  }

  const Tensor& x_;
  int64_t outer_ = 1, length_ = 1, inner_ = 1;
};

// Parameters: "axis sorted". Results: values, first indices, inverse indices, counts.
std::vector<Tensor> run(const std::string& parameters, std::span<const Tensor> operands) {
  size_t separator = parameters.find(' ');
  const size_t axis = std::stoul(parameters.substr(0, separator));
  const bool sorted = parameters.substr(separator + 1) == "1";
  const Slices slices(operands[0], axis);
  std::vector<int64_t> order(size_t(slices.length()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return slices.compare(a, b) < 0; });

  // Groups of equal slices; each begins with its first occurrence, since the sort is stable.
  std::vector<int64_t> first, counts, group(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || slices.compare(order[i - 1], order[i]) != 0) {
      first.push_back(order[i]);
      counts.push_back(0);
    }
    ++counts.back();
    group[size_t(order[i])] = int64_t(first.size()) - 1;
  }
  std::vector<size_t> ranks(first.size());
  std::iota(ranks.begin(), ranks.end(), size_t{0});
  if (!sorted) std::sort(ranks.begin(), ranks.end(), [&](size_t a, size_t b) { return first[a] < first[b]; });

  Dims dims = operands[0].dims();
  dims[axis] = int64_t(first.size());
  Tensor values(operands[0].dtype(), dims);
  std::vector<int64_t> place(first.size()), result_first, result_counts;
  for (size_t i = 0; i < ranks.size(); ++i) {
    place[ranks[i]] = int64_t(i);
    slices.copy(first[ranks[i]], values, int64_t(i));
    result_first.push_back(first[ranks[i]]);
    result_counts.push_back(counts[ranks[i]]);
  }
  for (int64_t& g : group) g = place[size_t(g)];
  return {values, Tensor::ints(result_first), Tensor::ints(group), Tensor::ints(result_counts)};
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  auto [x, axis] = in.on_axis_or_flat();
  // Texts are told apart by their ranks, which sort as they do.
  Value* texts = x->type.dtype == DType::String ? x : nullptr;
  if (texts) x = b.text_ranks({texts})[0];
  in.require(visit_dtype(x->type.dtype, [](auto) {}) || is_float(x->type.dtype), Status::UnsupportedDatatype,
             "tensors of ", dtype_name(x->type.dtype), " are not supported");
  Expr count = b.graph().fresh_symbol("unique");
  graph::TensorType values = x->type;
  const Expr length = values.dims[size_t(axis)];
  values.dims[size_t(axis)] = count;
  const std::string parameters = str(axis, ' ', in.attr_int("sorted", 1) != 0 ? 1 : 0);
  std::vector<Value*> results =
      b.host_call("unique", parameters, {x},
                  {values, {DType::I64, {count}, {}}, {DType::I64, {length}, {}}, {DType::I64, {count}, {}}});
  if (texts) results[0] = b.gather(texts, results[1], axis);
  return results;
}

const HostFunctionEntry entry{{.name = "unique", .run = run}};
const OnnxOp op{operator_row("Unique", {11}, lower, {1, 1}, {1, 4}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
