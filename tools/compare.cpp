#include "tools/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/base/strings.h"

namespace sardonyx::tools {

namespace {

std::string type_text(const HostTensor& tensor) { return str(dtype_name(tensor.dtype), tensor.dims); }

std::vector<int64_t> position(int64_t index, const std::vector<int64_t>& dims) {
  std::vector<int64_t> result(dims.size());
  for (size_t axis = dims.size(); axis-- > 0;) {
    result[axis] = index % dims[axis];
    index /= dims[axis];
  }
  return result;
}

}  // namespace

std::string difference(const HostTensor& expected, const HostTensor& actual, const Tolerance& tolerance) {
  const std::string subject = str("output '", actual.name, "' ");
  if (expected.dtype != actual.dtype || expected.dims != actual.dims) {
    return str(subject, "is ", type_text(actual), ", expected ", type_text(expected));
  }
  if (expected.dtype == DType::String) {
    const auto [want, got] = std::mismatch(expected.texts.begin(), expected.texts.end(), actual.texts.begin());
    if (want == expected.texts.end()) return "";
    return str(subject, type_text(actual), ": expected '", *want, "' at ",
               position(want - expected.texts.begin(), expected.dims), ", got '", *got, "'");
  }
  const int64_t parts = is_complex(expected.dtype) ? 2 : 1;
  const int64_t count = expected.element_count() * parts;
  const bool inexact = is_float(expected.dtype) || is_complex(expected.dtype);
  if (count == 0) return "";
  if (!inexact) {
    if (std::memcmp(expected.bytes.data(), actual.bytes.data(), expected.byte_size()) == 0) return "";
  }
  double atol = tolerance.atol;
  if (tolerance.atol_relative > 0) {
    double largest = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double magnitude = std::abs(expected.number(i));
      if (std::isfinite(magnitude)) largest = std::max(largest, magnitude);
    }
    atol += tolerance.atol_relative * largest;
  }
  int64_t differing = 0, worst_at = 0;
  double worst = -1;
  for (int64_t i = 0; i < count; ++i) {
    const double want = expected.number(i), got = actual.number(i);
    if (want == got || (std::isnan(want) && std::isnan(got))) continue;
    const double distance = std::abs(want - got);
    if (inexact && std::isfinite(want) && distance <= atol + tolerance.rtol * std::abs(want)) continue;
    ++differing;
    const double rank = std::isnan(distance) ? INFINITY : distance;
    if (rank > worst) {
      worst = rank;
      worst_at = i;
    }
  }
  // 64-bit integers beyond a double's precision may differ in bytes alone.
  if (differing == 0 && inexact) return "";
  std::ostringstream text;
  text.precision(9);
  text << subject << type_text(actual) << ": ";
  if (differing == 0) {
    text << "large integers differ";
    return text.str();
  }
  text << differing << " of " << count << " elements differ, worst at "
       << str(position(worst_at / parts, expected.dims)) << ": expected " << expected.number(worst_at) << ", got "
       << actual.number(worst_at);
  return text.str();
}

}  // namespace sardonyx::tools
