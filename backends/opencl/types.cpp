#include "backends/opencl/types.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "runtime/base/status.h"

namespace sardonyx::opencl {

using expr::Type;

namespace {

std::string scalar_name(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return "float";
    case DType::F64:
      return "double";
    case DType::Bool:
    case DType::I32:
      return "int";
    case DType::F16:
    case DType::BF16:
    case DType::U16:
      return "ushort";
    case DType::I8:
    case DType::I4:
    case DType::I2:
      return "char";
    case DType::U8:
    case DType::U4:
    case DType::U2:
      return "uchar";
    case DType::I16:
      return "short";
    case DType::U32:
      return "uint";
    case DType::I64:
      return "long";
    case DType::U64:
    case DType::Complex64:  // only moved
      return "ulong";
    default:
      if (is_mini_float(dtype)) return "uchar";
      fail(Status::InternalError, "no OpenCL type for ", dtype_name(dtype));
  }
}

std::string with_lanes(const std::string& name, int lanes) { return lanes == 1 ? name : name + std::to_string(lanes); }

const char* integer_name(DType dtype) {
  switch (bits_of(dtype)) {
    case 8:
      return "char";
    case 16:
      return "short";
    case 32:
      return "int";
    default:
      return "long";
  }
}

}  // namespace

int bits_of(DType dtype) { return dtype == DType::Bool ? 32 : int(size_of(dtype)) * 8; }

bool native_lanes(int lanes) { return lanes == 1 || lanes == 2 || lanes == 4 || lanes == 8 || lanes == 16; }

std::string type_name(Type type) { return with_lanes(scalar_name(type.dtype), type.lanes); }

std::string memory_type_name(Type type) {
  return type_name({type.dtype == DType::Bool ? DType::U8 : type.dtype, type.lanes});
}

std::string unsigned_name(Type type) { return with_lanes(std::string("u") + integer_name(type.dtype), type.lanes); }

std::string signed_name(Type type) { return with_lanes(integer_name(type.dtype), type.lanes); }

std::string suffix(Type type) {
  return with_lanes(std::string(dtype_name(type.dtype)) + (type.lanes == 1 ? "" : "x"), type.lanes);
}

std::string blend(const std::string& mask, const std::string& yes, const std::string& no, Type type) {
  // The mask of select() has elements as wide as those it chooses from.
  const bool fits = bits_of(type.dtype) == 32;
  return "select(" + no + ", " + yes + ", " + (fits ? mask : "convert_" + signed_name(type) + "(" + mask + ")") + ")";
}

std::string literal(int64_t value, DType dtype) {
  std::string digits = std::to_string(value);  // knows no locale
  switch (dtype) {
    case DType::I64:
      if (value == std::numeric_limits<int64_t>::min()) return "(-0x7fffffffffffffffL - 1)";
      return value < 0 ? "(" + digits + "L)" : digits + "L";
    case DType::U64:
      return std::to_string(uint64_t(value)) + "UL";
    case DType::U32:
      return std::to_string(uint32_t(value)) + "U";
    case DType::Bool:
      return value ? "1" : "0";
    case DType::I32:
      if (value == std::numeric_limits<int32_t>::min()) return "(-0x7fffffff - 1)";
      return value < 0 ? "(" + digits + ")" : digits;
    default:
      return "((" + scalar_name(dtype) + ")" + digits + ")";
  }
}

std::string literal(double value, DType dtype) {
  if (dtype == DType::F16) return literal(int64_t{f32_to_f16(float(value))}, DType::U16);
  if (dtype == DType::BF16) return literal(int64_t{f32_to_bf16(float(value))}, DType::U16);
  bool single = dtype == DType::F32;
  if (single) value = double(float(value));
  if (std::isnan(value)) return single ? "as_float(0x7fc00000)" : "as_double(0x7ff8000000000000L)";
  if (std::isinf(value)) {
    const char* infinity = single ? "as_float(0x7f800000)" : "as_double(0x7ff0000000000000L)";
    return value < 0 ? std::string("(-") + infinity + ")" : infinity;
  }
  char digits[64];
  char* end = std::to_chars(digits, digits + sizeof digits, std::fabs(value), std::chars_format::hex).ptr;
  std::string text = "0x" + std::string(digits, end) + (single ? "f" : "");
  return std::signbit(value) ? "(-" + text + ")" : text;
}

}  // namespace sardonyx::opencl
