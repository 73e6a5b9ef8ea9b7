// Panels against the definition of PanelPlan, element by element.
#include "compiler/sketch/pack.h"

#include <gtest/gtest.h>

#include <random>

namespace sardonyx::sketch {
namespace {

// What the plan says about one element, without its runs and blocks.
uint32_t expected(const PanelPlan& plan, const Tensor& source, int64_t panel, const std::vector<int64_t>& steps,
                  int64_t lane) {
  int64_t offset = 0;
  for (const PanelPlan::Coordinate& c : plan.coordinates) {
    int64_t at = c.constant + c.per_vector * (panel * plan.width + lane);
    for (size_t i = 0; i < steps.size(); ++i) at += c.per_step[i] * steps[i];
    if (at < 0 || (!c.wide && at >= c.dim)) return 0;
    offset += at * c.stride;
  }
  return offset < source.count() ? source.data<uint32_t>()[offset] : 0;
}

void expect_as_defined(const PanelPlan& plan) {
  Dims dims;
  for (const PanelPlan::Coordinate& c : plan.coordinates) dims.push_back(c.dim);
  Tensor source(plan.dtype, dims);
  for (int64_t i = 0; i < source.count(); ++i) source.data<uint32_t>()[i] = uint32_t(i + 1);
  const Tensor packed = pack_panels(plan, source);
  int64_t total = 1;
  for (int64_t s : plan.steps) total *= s;
  ASSERT_EQ(packed.count(), plan.panels * total * plan.width);
  for (int64_t at = 0; at < packed.count(); ++at) {
    std::vector<int64_t> steps(plan.steps.size());
    int64_t rest = at / plan.width;
    for (size_t i = steps.size(); i-- > 0; rest /= plan.steps[i]) steps[i] = rest % plan.steps[i];
    ASSERT_EQ(packed.data<uint32_t>()[at], expected(plan, source, rest, steps, at % plan.width)) << "element " << at;
  }
}

// Strides of a dense source.
PanelPlan plan_of(int64_t panels, int64_t width, std::vector<int64_t> steps,
                  std::vector<PanelPlan::Coordinate> coordinates) {
  int64_t stride = 1;
  for (size_t d = coordinates.size(); d-- > 0;) {
    coordinates[d].stride = stride;
    stride *= coordinates[d].dim;
  }
  return {DType::U32, panels, width, std::move(steps), std::move(coordinates)};
}

TEST(PackPanels, ColumnsOfAMatrix) {
  expect_as_defined(plan_of(3, 16, {37}, {{0, 0, {1}, 37}, {0, 1, {0}, 48}}));
  expect_as_defined(plan_of(3, 16, {37}, {{0, 0, {1}, 37}, {0, 1, {0}, 41}}));  // the last panel is not full
}

TEST(PackPanels, RowsOfAMatrix) {
  expect_as_defined(plan_of(3, 16, {37}, {{0, 1, {0}, 48}, {0, 0, {1}, 37}}));
  expect_as_defined(plan_of(3, 16, {37}, {{0, 1, {0}, 33}, {0, 0, {1}, 37}}));
}

TEST(PackPanels, LargeOnesTakeSeveralThreads) {
  expect_as_defined(plan_of(70, 16, {1200}, {{0, 0, {1}, 1200}, {0, 1, {0}, 1111}}));
}

TEST(PackPanels, OneElementWithoutSteps) {
  expect_as_defined(plan_of(1, 4, {}, {}));
  expect_as_defined(plan_of(2, 4, {}, {{0, 1, {}, 7}}));
}

TEST(PackPanels, AnyPlan) {
  std::mt19937 random(11);
  auto number = [&](int64_t low, int64_t high) { return low + int64_t(random() % uint32_t(high - low + 1)); };
  for (int round = 0; round < 300; ++round) {
    std::vector<int64_t> steps(size_t(number(0, 3)));
    for (int64_t& s : steps) s = number(1, 20);
    std::vector<PanelPlan::Coordinate> coordinates(size_t(number(1, 3)));
    for (PanelPlan::Coordinate& c : coordinates) {
      c.constant = number(-3, 3);
      c.per_vector = number(0, 2);
      for (size_t i = 0; i < steps.size(); ++i) c.per_step.push_back(number(-1, 2));
      c.dim = number(1, 30);
      c.wide = number(0, 3) == 0;
    }
    expect_as_defined(plan_of(number(1, 3), 8, std::move(steps), std::move(coordinates)));
  }
}

}  // namespace
}  // namespace sardonyx::sketch
