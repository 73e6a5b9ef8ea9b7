// When an answer counts as the expected one. Floats: |actual - expected| <= atol + rtol * |expected|, equal infinities,
// NaN where NaN is expected. Integers and bool: equal. Always: the same element type and shape.
#pragma once
#include <string>

#include "tools/tensor_file.h"

namespace sardonyx::tools {

struct Tolerance {
  double rtol = 1e-3;
  double atol = 1e-7;
  double atol_relative = 0;  // this times the expected output's largest magnitude is added to atol
};

// Empty when `actual` is as expected, else what differs and where: "output 'y' f32[2,3]: 4 of 6 elements differ, ...".
std::string difference(const HostTensor& expected, const HostTensor& actual, const Tolerance& tolerance);

}  // namespace sardonyx::tools
