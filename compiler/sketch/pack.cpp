#include "compiler/sketch/pack.h"

#include <algorithm>

#include "runtime/base/compile_thread.h"
#include "runtime/base/pages.h"
#include "runtime/base/status.h"

namespace sardonyx::sketch {

std::optional<PanelPlan> plan_panels(const Expr& load, const Axis& vector, const std::vector<Axis>& steps,
                                     int64_t panels, int64_t width) {
  PanelPlan plan;
  plan.dtype = load->buffer->dtype;
  plan.panels = panels;
  plan.width = width;
  for (const Axis& step : steps) {
    auto extent = constant(step.extent);
    if (!extent) return std::nullopt;
    plan.steps.push_back(*extent);
  }
  auto lanes = constant(vector.extent);
  if (!lanes) return std::nullopt;
  int64_t stride = 1;
  plan.coordinates.resize(load->args.size());
  for (size_t d = load->args.size(); d-- > 0;) {
    PanelPlan::Coordinate& c = plan.coordinates[d];
    auto dim = constant(load->buffer->dims[d]);
    if (!dim) return std::nullopt;
    c.dim = *dim;
    c.stride = stride;
    stride *= *dim;
    Expr rest = load->args[d];
    auto coefficient = [&](const VarPtr& var) -> std::optional<int64_t> {
      if (!expr::uses_var(rest, var.get())) return 0;
      auto linear = expr::linear_in(rest, var);
      if (!linear) return std::nullopt;
      rest = linear->rest;
      return expr::as_int(linear->coefficient);
    };
    auto v = coefficient(vector.var);
    if (!v) return std::nullopt;
    c.per_vector = *v;
    for (const Axis& step : steps) {
      auto s = coefficient(step.var);
      if (!s) return std::nullopt;
      c.per_step.push_back(*s);
    }
    auto left = expr::as_int(expr::simplify(rest));
    if (!left) return std::nullopt;
    c.constant = *left;
    int64_t last = c.constant + std::max<int64_t>(0, c.per_vector) * (*lanes - 1);
    for (size_t i = 0; i < steps.size(); ++i) last += std::max<int64_t>(0, c.per_step[i]) * (plan.steps[i] - 1);
    c.wide = last >= c.dim;
  }
  return plan;
}

std::vector<Expr> panel_dims(const PanelPlan& plan) {
  std::vector<Expr> dims{Expr(plan.panels)};
  for (int64_t s : plan.steps) dims.emplace_back(s);
  dims.emplace_back(plan.width);
  return dims;
}

namespace {

// The panels' elements, by runs of steps of the innermost reduction loop.
class Packing {
 public:
  explicit Packing(const PanelPlan& plan) : plan_(plan) {
    for (const auto& c : plan.coordinates) {
      lane_stride_ += c.per_vector * c.stride;
      if (!plan.steps.empty()) step_stride_ += c.per_step.back() * c.stride;
    }
    if (!plan.coordinates.empty()) elements_ = plan.coordinates[0].dim * plan.coordinates[0].stride;
    if (!plan.steps.empty()) inner_ = plan.steps.back();
    for (size_t i = 0; i + 1 < plan.steps.size(); ++i) runs_ *= plan.steps[i];
  }

  int64_t panel_elements() const { return runs_ * inner_ * plan_.width; }

  template <class T>
  void fill(int64_t panel, const Unaligned<T>* source, T* to) const {
    std::vector<int64_t> outer(plan_.steps.empty() ? 0 : plan_.steps.size() - 1, 0);
    std::vector<int64_t> base(plan_.coordinates.size());
    for (int64_t run = 0; run < runs_; ++run) {
      for (size_t d = 0; d < base.size(); ++d) {
        const auto& c = plan_.coordinates[d];
        base[d] = c.constant + c.per_vector * panel * plan_.width;
        for (size_t i = 0; i < outer.size(); ++i) base[d] += c.per_step[i] * outer[i];
      }
      for (int64_t step = 0; step < inner_; step += block) {
        const int64_t count = std::min(block, inner_ - step);
        if (inside(base, step, 0) && inside(base, step, plan_.width - 1) && inside(base, step + count - 1, 0) &&
            inside(base, step + count - 1, plan_.width - 1))
          copy(source + offset(base, step, 0), count, to);
        else
          copy_inside(base, step, count, source, to);
        to += count * plan_.width;
      }
      for (size_t i = outer.size(); i-- > 0;) {
        if (++outer[i] < plan_.steps[i]) break;
        outer[i] = 0;
      }
    }
  }

 private:
  static constexpr int64_t block = 16;

  int64_t at(const std::vector<int64_t>& base, size_t d, int64_t step, int64_t lane) const {
    const auto& c = plan_.coordinates[d];
    return base[d] + c.per_vector * lane + (plan_.steps.empty() ? 0 : c.per_step.back() * step);
  }
  int64_t offset(const std::vector<int64_t>& base, int64_t step, int64_t lane) const {
    int64_t sum = 0;
    for (size_t d = 0; d < base.size(); ++d) sum += at(base, d, step, lane) * plan_.coordinates[d].stride;
    return sum;
  }
  bool inside(const std::vector<int64_t>& base, int64_t step, int64_t lane) const {
    for (size_t d = 0; d < base.size(); ++d) {
      const int64_t index = at(base, d, step, lane);
      if (index < 0 || (!plan_.coordinates[d].wide && index >= plan_.coordinates[d].dim)) return false;
    }
    return offset(base, step, lane) < elements_;
  }

  // Everything is linear in step and lane, so what has its corners inside has all inside.
  template <class T>
  void copy(const Unaligned<T>* source, int64_t count, T* to) const {
    if (lane_stride_ == 1) {
      for (int64_t s = 0; s < count; ++s) std::copy_n(source + s * step_stride_, plan_.width, to + s * plan_.width);
      return;
    }
    for (int64_t lane = 0; lane < plan_.width; ++lane)
      for (int64_t s = 0; s < count; ++s) to[s * plan_.width + lane] = source[lane * lane_stride_ + s * step_stride_];
  }

  template <class T>
  void copy_inside(const std::vector<int64_t>& base, int64_t step, int64_t count, const Unaligned<T>* source,
                   T* to) const {
    for (int64_t s = step; s < step + count; ++s)
      for (int64_t lane = 0; lane < plan_.width; ++lane)
        *to++ = inside(base, s, lane) ? T(source[offset(base, s, lane)]) : T{};
  }

  const PanelPlan& plan_;
  int64_t lane_stride_ = 0, step_stride_ = 0, elements_ = 1, inner_ = 1, runs_ = 1;
};

template <class T>
void fill(const PanelPlan& plan, const Tensor& source, Tensor& packed) {
  const Packing packing(plan);
  const Unaligned<T>* from = source.unaligned<T>();
  parallel_parts(plan.panels, packed.bytes(), [&](int64_t panel) {
    packing.fill(panel, from, packed.data<T>() + panel * packing.panel_elements());
  });
}

}  // namespace

Tensor pack_panels(const PanelPlan& plan, const Tensor& source) {
  Dims dims{plan.panels};
  dims.insert(dims.end(), plan.steps.begin(), plan.steps.end());
  dims.push_back(plan.width);
  Tensor packed(plan.dtype, dims, weight_bytes(byte_size(plan.dtype, dims), Pages::Huge));
  switch (size_of(plan.dtype)) {
    case 1:
      fill<uint8_t>(plan, source, packed);
      break;
    case 2:
      fill<uint16_t>(plan, source, packed);
      break;
    case 4:
      fill<uint32_t>(plan, source, packed);
      break;
    case 8:
      fill<uint64_t>(plan, source, packed);
      break;
    default:
      fail(Status::InternalError, "internal error: cannot pack ", dtype_name(plan.dtype));
  }
  return packed;
}

}  // namespace sardonyx::sketch
