#include "runtime/base/packing.h"

namespace sardonyx {

bool is_packed(DType dtype) { return bits_of_element(dtype) > 0 && bits_of_element(dtype) < 8; }

int64_t host_bytes(DType dtype, int64_t elements) {
  const int bits = bits_of_element(dtype);
  if (bits >= 8) return elements * (bits / 8);
  return bits == 0 ? 0 : (elements + (8 / bits - 1)) / (8 / bits);
}

void unpack(DType dtype, const uint8_t* packed, int64_t elements, uint8_t* unpacked) {
  const int bits = bits_of_element(dtype), per_byte = 8 / bits;
  for (int64_t i = 0; i < elements; ++i)
    unpacked[i] = uint8_t(extend_element(packed[i / per_byte] >> (i % per_byte * bits), dtype));
}

void pack(DType dtype, const uint8_t* unpacked, int64_t elements, uint8_t* packed) {
  const int bits = bits_of_element(dtype), per_byte = 8 / bits, mask = (1 << bits) - 1;
  for (int64_t byte = 0; byte * per_byte < elements; ++byte) {
    int value = 0;
    for (int k = 0; k < per_byte && byte * per_byte + k < elements; ++k)
      value |= (unpacked[byte * per_byte + k] & mask) << (k * bits);
    packed[byte] = uint8_t(value);
  }
}

}  // namespace sardonyx
