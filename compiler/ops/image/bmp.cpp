// BMP: a header, a palette for up to 8 bits per pixel, and rows that are padded to four bytes.
#include "compiler/ops/image/image.h"

namespace sardonyx::ops::image {

Image decode_bmp(Bytes file) {
  Reader in(file, false, 10);
  const uint32_t pixels = in.u32(), header = in.u32();
  expect(header >= 40, "a BMP header of another kind");
  const int64_t width = int32_t(in.u32()), signed_height = int32_t(in.u32());
  in.skip(2);
  const uint32_t bits = in.u16(), compression = in.u32();
  in.skip(12);
  uint32_t colours = in.u32();
  expect(compression == 0 || (compression == 3 && bits == 32), "a compressed BMP");
  expect(bits == 1 || bits == 4 || bits == 8 || bits == 24 || bits == 32, "bits per pixel of a BMP");
  Image image(signed_height < 0 ? -signed_height : signed_height, width, file.size() * 8 / bits);
  Bytes palette;
  if (bits <= 8) {
    if (colours == 0) colours = 1u << bits;
    expect(colours <= 256, "the palette of a BMP");
    in.seek(size_t{14} + header);
    palette = in.take(size_t{4} * colours);
  }
  in.seek(pixels);
  const size_t row_bytes = (size_t(width) * bits + 31) / 32 * 4;
  for (int64_t row = 0; row < image.height; ++row) {
    const Bytes data = in.take(row_bytes);
    for (int64_t x = 0; x < width; ++x) {
      const uint8_t* bgr = nullptr;
      if (bits >= 24) {
        bgr = data.data() + size_t(x) * bits / 8;
      } else {
        const size_t bit = size_t(x) * bits;
        const uint32_t index = data[bit / 8] >> (8 - bits - bit % 8) & ((1u << bits) - 1);
        expect(index < colours, "a colour beyond the palette");
        bgr = palette.data() + size_t{4} * index;
      }
      uint8_t* out = image.pixel(signed_height < 0 ? row : image.height - 1 - row, x);
      out[0] = bgr[2], out[1] = bgr[1], out[2] = bgr[0];
    }
  }
  return image;
}

}  // namespace sardonyx::ops::image
