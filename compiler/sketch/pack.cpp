#include "compiler/sketch/pack.h"

#include <algorithm>

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

template <class T>
void fill(const PanelPlan& plan, const T* source, T* to) {
  size_t n = plan.steps.size();
  int64_t total = 1, elements = plan.coordinates.empty() ? 1 : plan.coordinates[0].dim * plan.coordinates[0].stride;
  for (int64_t s : plan.steps) total *= s;
  std::vector<int64_t> step(n, 0), base(plan.coordinates.size());
  for (int64_t panel = 0; panel < plan.panels; ++panel) {
    std::fill(step.begin(), step.end(), 0);
    for (int64_t k = 0; k < total; ++k) {
      for (size_t d = 0; d < base.size(); ++d) {
        const auto& c = plan.coordinates[d];
        base[d] = c.constant + c.per_vector * panel * plan.width;
        for (size_t i = 0; i < n; ++i) base[d] += c.per_step[i] * step[i];
      }
      for (int64_t lane = 0; lane < plan.width; ++lane) {
        int64_t offset = 0;
        bool inside = true;
        for (size_t d = 0; d < base.size(); ++d) {
          const auto& c = plan.coordinates[d];
          int64_t at = base[d] + c.per_vector * lane;
          inside = inside && at >= 0 && (c.wide || at < c.dim);
          offset += at * c.stride;
        }
        *to++ = inside && offset < elements ? source[offset] : T{};
      }
      for (size_t i = n; i-- > 0;) {
        if (++step[i] < plan.steps[i]) break;
        step[i] = 0;
      }
    }
  }
}

}  // namespace

Tensor pack_panels(const PanelPlan& plan, const Tensor& source) {
  Dims dims{plan.panels};
  dims.insert(dims.end(), plan.steps.begin(), plan.steps.end());
  dims.push_back(plan.width);
  Tensor packed(plan.dtype, dims);
  switch (size_of(plan.dtype)) {
    case 1:
      fill(plan, source.data<uint8_t>(), packed.data<uint8_t>());
      break;
    case 2:
      fill(plan, source.data<uint16_t>(), packed.data<uint16_t>());
      break;
    case 4:
      fill(plan, source.data<uint32_t>(), packed.data<uint32_t>());
      break;
    case 8:
      fill(plan, source.data<uint64_t>(), packed.data<uint64_t>());
      break;
    default:
      fail(Status::InternalError, "internal error: cannot pack ", dtype_name(plan.dtype));
  }
  return packed;
}

}  // namespace sardonyx::sketch
