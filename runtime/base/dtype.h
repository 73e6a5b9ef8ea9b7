// Element types. Codes equal ONNX's TensorProto.DataType (and ONNXIFI's data types), so no table translates them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sardonyx {

enum class DType : uint8_t {
  None = 0,
  F32 = 1,
  U8 = 2,
  I8 = 3,
  U16 = 4,
  I16 = 5,
  I32 = 6,
  I64 = 7,
  String = 8,
  Bool = 9,  // one byte, 0 or 1
  F16 = 10,
  F64 = 11,
  U32 = 12,
  U64 = 13,
  Complex64 = 14,
  Complex128 = 15,
  BF16 = 16,
  F8E4M3FN = 17,
  F8E4M3FNUZ = 18,
  F8E5M2 = 19,
  F8E5M2FNUZ = 20,
  U4 = 21,
  I4 = 22,
  F4E2M1 = 23,
  F8E8M0 = 24,
  U2 = 25,
  I2 = 26,
  // Not an element type of ONNX: the value is a container (base/value.h). Never known to a host.
  Object = 64,
};

// True for codes 1..26.
bool is_known(DType dtype);
// Bytes of one element inside this library; 0 for None and Object. A String is a Text (base/tensor.h). Types of less
// than a byte take one: I4 and I2 with their sign extended, U4, U2 and F4E2M1 with zeros above. Hosts and models pack
// them (runtime/base/packing.h).
size_t size_of(DType dtype);
// Bits of one element: 8 * size_of, but 4 and 2 for the types of less than a byte.
int bits_of_element(DType dtype);
bool is_float(DType dtype);       // F16, BF16, F32, F64 and the floats of 8 and 4 bits
bool is_mini_float(DType dtype);  // the floats of 8 and 4 bits (runtime/base/mini_float.h)
bool is_integer(DType dtype);     // signed and unsigned integers, not Bool
bool is_signed(DType dtype);      // signed integers and floats
bool is_complex(DType dtype);
bool is_nibble(DType dtype);  // I4 and U4
bool is_code(DType dtype);    // I4, U4, I8 and U8: what weights are quantized to
// The low bits of `value` as an element of a type of less than a byte: extended by sign for I4 and I2, else by zeros.
int64_t extend_element(int64_t value, DType dtype);
// String and Object: values of the host whose memory refers to other memory. Their bytes are never copied one by one.
bool is_held(DType dtype);
// "f32", "i64", "bool", ... as used by the textual graph form and by messages.
std::string_view dtype_name(DType dtype);
// The inverse of dtype_name; None when unknown.
DType dtype_from_name(std::string_view name);

// IEEE binary16 and bfloat16 conversions, round to nearest even; NaN stays NaN.
float f16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);
float bf16_to_f32(uint16_t bits);
uint16_t f32_to_bf16(float value);
// Rounds to odd: what rounding the result to at most 21 bits then gives is `value` rounded once.
float f64_to_f32_odd(double value);

// The C++ type of a DType: visit_dtype(d, [](auto zero) { using T = decltype(zero); ... }) for every type that C++
// arithmetic covers (not F16, BF16, mini floats, complex, string, nor integers of less than a byte). Returns false when
// `dtype` is none of them.
template <class F>
bool visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::F32:
      f(float{});
      return true;
    case DType::F64:
      f(double{});
      return true;
    case DType::I8:
      f(int8_t{});
      return true;
    case DType::I16:
      f(int16_t{});
      return true;
    case DType::I32:
      f(int32_t{});
      return true;
    case DType::I64:
      f(int64_t{});
      return true;
    case DType::U8:
      f(uint8_t{});
      return true;
    case DType::U16:
      f(uint16_t{});
      return true;
    case DType::U32:
      f(uint32_t{});
      return true;
    case DType::U64:
      f(uint64_t{});
      return true;
    case DType::Bool:
      f(bool{});
      return true;
    default:
      return false;
  }
}

}  // namespace sardonyx
