// Elements of less than a byte as hosts and models hold them: several to a byte, the first in the lowest bits, unused
// bits of the last byte 0. Inside this library every element has a byte of its own (size_of).
//   unpack(DType::I4, {0x87, 0x09}, 3) gives {7, -8, -7}; pack gives {0x87, 0x09} again
#pragma once
#include <cstdint>
#include <span>

#include "runtime/base/dtype.h"

namespace sardonyx {

// Whether hosts pack elements of `dtype`: U4, I4, F4E2M1, U2 and I2.
bool is_packed(DType dtype);
// Bytes of `elements` elements in a host's buffer, for every dtype; 0 for None and String. `elements` times 16 must not
// overflow.
int64_t host_bytes(DType dtype, int64_t elements);
// Both need is_packed(dtype). The regions must not overlap.
void unpack(DType dtype, const uint8_t* packed, int64_t elements, uint8_t* unpacked);
void pack(DType dtype, const uint8_t* unpacked, int64_t elements, uint8_t* packed);

}  // namespace sardonyx
