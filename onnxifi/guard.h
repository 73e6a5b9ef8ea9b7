// The boundary between exceptions and status codes. Every exported function runs its body inside guarded(): nothing
// thrown leaves it, the failure's text is kept for onnxxGetLastError, and the status is the Error's own.
//
//   return guarded([&] {
//     require_pointer(event, "event");
//     *event = nullptr;
//     ...
//   });
#pragma once
#if defined(__SSE__)
#include <xmmintrin.h>
#else
#include <cfenv>
#endif
#include <string>
#include <type_traits>

#include "onnx/onnxifi.h"
#include "runtime/base/status.h"

namespace sardonyx::onnxifi {

// Translates the exception being handled and remembers its text for this thread.
onnxStatus translate_exception() noexcept;
// The text of the last failure on this thread, "" after none.
const std::string& last_error();

template <class Body>
onnxStatus guarded(Body&& body) noexcept {
  try {
    if constexpr (std::is_void_v<decltype(body())>) {
      body();
      return ONNXIFI_STATUS_SUCCESS;
    } else {
      return onnxStatus(body());
    }
  } catch (...) {
    return translate_exception();
  }
}

inline void require_pointer(const void* pointer, const char* parameter) {
  if (pointer == nullptr) fail(Status::InvalidPointer, parameter, " is NULL");
}

// Computations on the host's thread see default rounding and no traps; the host gets its own state back, sticky flags
// included. Only SSE arithmetic is used on x86, so the x87 state needs no care there.
class FloatEnvironment {
 public:
#if defined(__SSE__)
  FloatEnvironment() : saved_(_mm_getcsr()) { _mm_setcsr(0x1F80); }
  ~FloatEnvironment() { _mm_setcsr(saved_); }
#else
  FloatEnvironment() { std::feholdexcept(&saved_), std::fesetenv(FE_DFL_ENV); }
  ~FloatEnvironment() { std::fesetenv(&saved_); }
#endif
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
#if defined(__SSE__)
  unsigned saved_;
#else
  std::fenv_t saved_;
#endif
};

}  // namespace sardonyx::onnxifi
