// Sums and products of elements on the host: integers wrap (as generated code's do), floats are plain.
#pragma once
#include <cstdint>
#include <type_traits>

namespace sardonyx::ops {

template <class T>
T wrapping_add(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return T(uint64_t(a) + uint64_t(b));
  else
    return a + b;
}

template <class T>
T wrapping_mul(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return T(uint64_t(a) * uint64_t(b));
  else
    return a * b;
}

}  // namespace sardonyx::ops
