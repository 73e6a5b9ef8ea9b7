// NonMaxSuppression: greedy selection of boxes by score, on the host.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

struct Box {
  double top, left, bottom, right;
  double area() const { return (bottom - top) * (right - left); }
};

Box box_at(const Tensor& boxes, int64_t index, bool centred) {
  double v[4];
  for (int i = 0; i < 4; ++i) v[i] = boxes.as_double(index * 4 + i);
  if (centred) return {v[1] - v[3] / 2, v[0] - v[2] / 2, v[1] + v[3] / 2, v[0] + v[2] / 2};
  return {std::min(v[0], v[2]), std::min(v[1], v[3]), std::max(v[0], v[2]), std::max(v[1], v[3])};
}

double overlap(const Box& a, const Box& b) {
  double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  if (height <= 0 || width <= 0) return 0;
  double common = height * width, together = a.area() + b.area() - common;
  return together > 0 ? common / together : 0;
}

// Operands: boxes [B, N, 4], scores [B, C, N], the largest count per class, thresholds of overlap and score.
// Result: I64 [n, 3] of batch, class, box.
std::vector<Tensor> run(const std::string& parameters, std::span<const Tensor> operands) {
  const Tensor &boxes = operands[0], &scores = operands[1];
  require(boxes.dims()[0] == scores.dims()[0] && boxes.dims()[1] == scores.dims()[2] && boxes.dims()[2] == 4,
          Status::MismatchingShape, "NonMaxSuppression of boxes [", join(boxes.dims(), ","), "] and scores [",
          join(scores.dims(), ","), "]");
  const int64_t limit = operands[2].as_int(0), count = boxes.dims()[1], classes = scores.dims()[1];
  const double most_overlap = operands[3].as_double(0), least_score = operands[4].as_double(0);
  const bool centred = parameters[0] == '1', scored = parameters[1] == '1';
  std::vector<int64_t> selected;
  for (int64_t batch = 0; batch < boxes.dims()[0]; ++batch)
    for (int64_t c = 0; c < classes; ++c) {
      auto score = [&](int64_t i) { return scores.as_double((batch * classes + c) * count + i); };
      std::vector<int64_t> order;
      for (int64_t i = 0; i < count; ++i)
        if (!std::isnan(score(i)) && (!scored || score(i) > least_score)) order.push_back(i);
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return score(a) > score(b); });
      std::vector<Box> kept;
      for (int64_t i : order) {
        if (int64_t(kept.size()) >= limit) break;
        Box box = box_at(boxes, batch * count + i, centred);
        auto hides = [&](const Box& other) { return overlap(box, other) > most_overlap; };
        if (std::any_of(kept.begin(), kept.end(), hides)) continue;
        kept.push_back(box);
        selected.insert(selected.end(), {batch, c, i});
      }
    }
  return {Tensor::of<int64_t>(DType::I64, {int64_t(selected.size() / 3), 3}, selected)};
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  for (int i : {0, 1})
    in.require(in[i]->type.rank() == 3 && is_float(in[i]->type.dtype), Status::InvalidModel, "input ", i,
               " must be floats of rank 3, got ", graph::to_string(in[i]->type));
  auto scalar = [&](int i, DType dtype) {
    return in.optional(i) ? b.reshape(b.cast(in[i], dtype), {}) : b.scalar(dtype, 0);
  };
  int64_t format = in.attr_int("center_point_box", 0);
  in.require(format == 0 || format == 1, Status::InvalidModel, "center_point_box is ", format);
  const std::string parameters{format ? '1' : '0', in.optional(4) ? '1' : '0'};
  return b.host_call("non_max_suppression", parameters,
                     {in[0], in[1], scalar(2, DType::I64), scalar(3, DType::F64), scalar(4, DType::F64)},
                     {{DType::I64, {b.graph().fresh_symbol("selected"), 3}, {}}});
}

const HostFunctionEntry entry{{.name = "non_max_suppression", .run = run}};
const OnnxOp op{operator_row("NonMaxSuppression", {10, 11}, lower, {2, 5}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
