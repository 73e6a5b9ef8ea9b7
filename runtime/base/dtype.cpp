#include "runtime/base/dtype.h"

#include <bit>
#include <cmath>

namespace sardonyx {

namespace {
enum Class : uint8_t { Other, Float, Signed, Unsigned, Complex };
struct Traits {
  DType dtype;
  const char* name;
  uint8_t size;  // bytes
  uint8_t bits;
  Class kind;
};
constexpr Traits traits[] = {
    {DType::None, "none", 0, 0, Other},
    {DType::F32, "f32", 4, 32, Float},
    {DType::U8, "u8", 1, 8, Unsigned},
    {DType::I8, "i8", 1, 8, Signed},
    {DType::U16, "u16", 2, 16, Unsigned},
    {DType::I16, "i16", 2, 16, Signed},
    {DType::I32, "i32", 4, 32, Signed},
    {DType::I64, "i64", 8, 64, Signed},
    {DType::String, "string", 16, 128, Other},
    {DType::Bool, "bool", 1, 8, Other},
    {DType::F16, "f16", 2, 16, Float},
    {DType::F64, "f64", 8, 64, Float},
    {DType::U32, "u32", 4, 32, Unsigned},
    {DType::U64, "u64", 8, 64, Unsigned},
    {DType::Complex64, "c64", 8, 64, Complex},
    {DType::Complex128, "c128", 16, 128, Complex},
    {DType::BF16, "bf16", 2, 16, Float},
    {DType::F8E4M3FN, "f8e4m3fn", 1, 8, Float},
    {DType::F8E4M3FNUZ, "f8e4m3fnuz", 1, 8, Float},
    {DType::F8E5M2, "f8e5m2", 1, 8, Float},
    {DType::F8E5M2FNUZ, "f8e5m2fnuz", 1, 8, Float},
    {DType::U4, "u4", 1, 4, Unsigned},
    {DType::I4, "i4", 1, 4, Signed},
    {DType::F4E2M1, "f4e2m1", 1, 4, Float},
    {DType::F8E8M0, "f8e8m0", 1, 8, Float},
    {DType::U2, "u2", 1, 2, Unsigned},
    {DType::I2, "i2", 1, 2, Signed},
};
constexpr Traits object_traits = {DType::Object, "object", 0, 0, Other};

const Traits& of(DType dtype) {
  if (dtype == DType::Object) return object_traits;
  return traits[static_cast<size_t>(dtype) < std::size(traits) ? size_t(dtype) : 0];
}
}  // namespace

bool is_known(DType dtype) { return size_t(dtype) > 0 && size_t(dtype) < std::size(traits); }
size_t size_of(DType dtype) { return of(dtype).size; }
int bits_of_element(DType dtype) { return of(dtype).bits; }
bool is_float(DType dtype) { return of(dtype).kind == Float; }
bool is_mini_float(DType dtype) { return of(dtype).kind == Float && of(dtype).size == 1; }
bool is_integer(DType dtype) { return of(dtype).kind == Signed || of(dtype).kind == Unsigned; }
bool is_signed(DType dtype) { return of(dtype).kind == Float || of(dtype).kind == Signed; }
bool is_held(DType dtype) { return dtype == DType::String || dtype == DType::Object; }
bool is_complex(DType dtype) { return of(dtype).kind == Complex; }
bool is_nibble(DType dtype) { return dtype == DType::I4 || dtype == DType::U4; }
bool is_code(DType dtype) { return is_nibble(dtype) || dtype == DType::I8 || dtype == DType::U8; }

int64_t extend_element(int64_t value, DType dtype) {
  const int unused = 64 - of(dtype).bits;
  const uint64_t high = uint64_t(value) << unused;
  return of(dtype).kind == Signed ? int64_t(high) >> unused : int64_t(high >> unused);
}

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

float f64_to_f32_odd(double value) {
  float nearest = float(value);
  if (double(nearest) == value || std::isnan(value)) return nearest;
  uint32_t bits = std::bit_cast<uint32_t>(nearest);
  if (std::fabs(double(nearest)) > std::fabs(value)) --bits;  // towards zero
  return std::bit_cast<float>(bits | 1);
}

}  // namespace sardonyx
