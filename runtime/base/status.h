// Status codes and the one error type of the project.
//
// Inside the library a failure is an exception of type Error; the C boundary (onnxifi/) translates it to its code once.
// Codes are numerically equal to ONNXIFI's onnxStatus. `require` blames the user's input, `check` blames us.
//
//   require(rank == 4, Status::InvalidModel, "Conv expects rank 4, got rank ", rank);
#pragma once
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include "runtime/base/strings.h"

namespace sardonyx {

enum class Status : int32_t {
  Success = 0x0000,
  Fallback = 0x0001,
  InvalidId = 0x0101,
  InvalidSize = 0x0102,
  InvalidPointer = 0x0103,
  InvalidProtobuf = 0x0104,
  InvalidModel = 0x0105,
  InvalidBackend = 0x0106,
  InvalidGraph = 0x0107,
  InvalidEvent = 0x0108,
  InvalidState = 0x0109,
  InvalidName = 0x010A,
  InvalidShape = 0x010B,
  InvalidDatatype = 0x010C,
  InvalidMemoryType = 0x010D,
  InvalidMemoryLocation = 0x010E,
  InvalidFenceType = 0x010F,
  InvalidProperty = 0x0110,
  UnsupportedTag = 0x0201,
  UnsupportedVersion = 0x0202,
  UnsupportedOperator = 0x0203,
  UnsupportedAttribute = 0x0204,
  UnsupportedShape = 0x0205,
  UnsupportedDatatype = 0x0206,
  UnsupportedMemoryType = 0x0207,
  UnsupportedFenceType = 0x0208,
  UnsupportedProperty = 0x0209,
  UnidentifiedName = 0x0301,
  MismatchingShape = 0x0302,
  MismatchingDatatype = 0x0303,
  NoSystemMemory = 0x0401,
  NoDeviceMemory = 0x0402,
  NoSystemResources = 0x0403,
  NoDeviceResources = 0x0404,
  BackendUnavailable = 0x0405,
  InternalError = 0x0406,
};

// "INVALID_MODEL" and the like; "UNKNOWN" for other values.
const char* status_name(Status status);

// What every failure inside the library is. `context` frames ("while importing node 'conv1' (Conv, opset 13)") are
// added outermost-last by add_context; text() joins them with the message.
class Error : public std::exception {
 public:
  Error(Status status, std::string message);
  const char* what() const noexcept override { return text_.c_str(); }
  Status status() const noexcept { return status_; }
  const std::string& text() const noexcept { return text_; }
  void add_context(const std::string& frame);

 private:
  Status status_;
  std::string text_;
};

template <class... Args>
[[noreturn]] void fail(Status status, const Args&... args) {
  throw Error(status, str(args...));
}

// The caller's mistake: throws Error(status, text of args) unless `condition`.
template <class... Args>
void require(bool condition, Status status, const Args&... args) {
  if (!condition) fail(status, args...);
}

// Our mistake: throws Error(InternalError, ...) unless `condition`.
template <class... Args>
void check(bool condition, const Args&... args) {
  if (!condition) fail(Status::InternalError, "internal error: ", args...);
}

}  // namespace sardonyx
