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
};

// True for codes 1..16 (the newer sub-byte and float8 codes join with their kernels).
bool is_known(DType dtype);
// Bytes of one element; 0 for None and String.
size_t size_of(DType dtype);
bool is_float(DType dtype);     // F16, BF16, F32, F64
bool is_integer(DType dtype);   // signed and unsigned integers, not Bool
bool is_signed(DType dtype);    // signed integers and floats
// "f32", "i64", "bool", ... as used by the textual graph form and by messages.
std::string_view dtype_name(DType dtype);
// The inverse of dtype_name; None when unknown.
DType dtype_from_name(std::string_view name);

// IEEE binary16 and bfloat16 conversions, round to nearest even; NaN stays NaN.
float f16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);
float bf16_to_f32(uint16_t bits);
uint16_t f32_to_bf16(float value);

// The C++ type of a DType: visit_dtype(d, [](auto zero) { using T = decltype(zero); ... }) for every type that C++
// arithmetic covers (not F16/BF16/complex/string). Returns false when `dtype` is none of them.
template <class F>
bool visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::F32: f(float{}); return true;
    case DType::F64: f(double{}); return true;
    case DType::I8: f(int8_t{}); return true;
    case DType::I16: f(int16_t{}); return true;
    case DType::I32: f(int32_t{}); return true;
    case DType::I64: f(int64_t{}); return true;
    case DType::U8: f(uint8_t{}); return true;
    case DType::U16: f(uint16_t{}); return true;
    case DType::U32: f(uint32_t{}); return true;
    case DType::U64: f(uint64_t{}); return true;
    case DType::Bool: f(bool{}); return true;
    default: return false;
  }
}

}  // namespace sardonyx
