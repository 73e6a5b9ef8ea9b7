#include "runtime/base/dtype.h"

#include <bit>

namespace sardonyx {

namespace {
enum Class : uint8_t { Other, Float, Signed, Unsigned };
struct Traits {
  DType dtype;
  const char* name;
  uint8_t size;
  Class kind;
};
constexpr Traits traits[] = {
    {DType::None, "none", 0, Other},          {DType::F32, "f32", 4, Float},    {DType::U8, "u8", 1, Unsigned},
    {DType::I8, "i8", 1, Signed},             {DType::U16, "u16", 2, Unsigned}, {DType::I16, "i16", 2, Signed},
    {DType::I32, "i32", 4, Signed},           {DType::I64, "i64", 8, Signed},   {DType::String, "string", 0, Other},
    {DType::Bool, "bool", 1, Other},          {DType::F16, "f16", 2, Float},    {DType::F64, "f64", 8, Float},
    {DType::U32, "u32", 4, Unsigned},         {DType::U64, "u64", 8, Unsigned}, {DType::Complex64, "c64", 8, Other},
    {DType::Complex128, "c128", 16, Other},   {DType::BF16, "bf16", 2, Float},
};
const Traits& of(DType dtype) { return traits[static_cast<size_t>(dtype) < std::size(traits) ? size_t(dtype) : 0]; }
}  // namespace

bool is_known(DType dtype) { return size_t(dtype) > 0 && size_t(dtype) < std::size(traits); }
size_t size_of(DType dtype) { return of(dtype).size; }
bool is_float(DType dtype) { return of(dtype).kind == Float; }
bool is_integer(DType dtype) { return of(dtype).kind == Signed || of(dtype).kind == Unsigned; }
bool is_signed(DType dtype) { return of(dtype).kind == Float || of(dtype).kind == Signed; }
std::string_view dtype_name(DType dtype) { return of(dtype).name; }

DType dtype_from_name(std::string_view name) {
  for (const Traits& entry : traits)
    if (name == entry.name) return entry.dtype;
  return DType::None;
}

float f16_to_f32(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16;
  uint32_t exponent = (bits >> 10) & 0x1F, mantissa = bits & 0x3FF;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000 | (mantissa << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  float magnitude = float(mantissa) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

uint16_t f32_to_f16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t sign = uint16_t((bits >> 16) & 0x8000);
  uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return sign | 0x7E00;   // NaN
  if (magnitude >= 0x477FF000) return sign | 0x7C00;  // rounds to infinity
  if (magnitude < 0x38800000) {                       // subnormal half: let the adder round
    float rounded = std::bit_cast<float>(magnitude) + 0.5f;
    return uint16_t(sign | (std::bit_cast<uint32_t>(rounded) - 0x3F000000));
  }
  uint32_t odd = (magnitude >> 13) & 1;
  return uint16_t(sign | ((magnitude - 0x38000000 + 0xFFF + odd) >> 13));
}

float bf16_to_f32(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

uint16_t f32_to_bf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return uint16_t((bits >> 16) | 0x40);
  return uint16_t((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

}  // namespace sardonyx
