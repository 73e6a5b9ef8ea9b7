// Image files in memory to pixels: what ImageDecoder runs. The bytes are data of a run and may be anything.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace sardonyx::ops::image {

using Bytes = std::span<const uint8_t>;

// Thrown by everything here when bytes are no image of the format, or one that is not supported.
struct DecodeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
inline void expect(bool condition, const char* what) {
  if (!condition) throw DecodeError(what);
}

// Red, green and blue of every pixel, row by row from the top.
struct Image {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> rgb;

  // Throws DecodeError for more pixels than 2^27, or than `most`, which is what the file can hold at best: a few bytes
  // shall not take much memory. Made before anything is decoded, so it guards the libraries' memory as well.
  Image(int64_t height, int64_t width, size_t most);
  uint8_t* pixel(int64_t row, int64_t column) { return rgb.data() + (row * width + column) * 3; }
};

// The `most` of a compressed file. Blank pages of fax codes have half as many pixels per byte.
inline size_t most_pixels(Bytes compressed, size_t per_byte = size_t{1} << 16) {
  return std::max(size_t{1} << 22, compressed.size() * per_byte);
}

// Sets a pixel to what amounts of ink leave of white.
inline void set_inks(uint8_t* rgb, uint32_t cyan, uint32_t magenta, uint32_t yellow, uint32_t black) {
  const auto left = [&](uint32_t ink) { return uint8_t(((255 - ink) * (255 - black) + 127) / 255); };
  rgb[0] = left(cyan), rgb[1] = left(magenta), rgb[2] = left(yellow);
}

// Numbers at positions of a file; reading beyond the end throws.
class Reader {
 public:
  Reader(Bytes bytes, bool big_endian, size_t at = 0) : bytes_(bytes), big_endian_(big_endian), at_(at) {}
  size_t at() const { return at_; }
  bool done() const { return at_ >= bytes_.size(); }
  void seek(size_t at);
  void skip(size_t count) { take(count); }
  Bytes take(size_t count);
  uint8_t u8() { return take(1)[0]; }
  uint32_t u16();
  uint32_t u32();

 private:
  Bytes bytes_;
  bool big_endian_;
  size_t at_;
};

// Colours are what the file stores: alpha is dropped, gamma and colour profiles are ignored, samples of other widths
// are scaled to 8 bits. Damage that a format can tell is an error. All are thread-safe. Those by libraries (library.h)
// throw Error when the library is missing.
Image decode_bmp(Bytes file);       // 1, 4, 8, 24 and 32 bits per pixel, uncompressed
Image decode_pnm(Bytes file);       // P1 to P6, at most 8 bits per sample
Image decode_png(Bytes file);       // all of it
Image decode_jpeg(Bytes file);      // 8 bits, sequential and progressive: grey, YCbCr, RGB, CMYK, YCCK
Image decode_tiff(Bytes file);      // the first image, of 1 to 16 bits, upright as its tag of orientation says
Image decode_webp(Bytes file);      // still images
Image decode_jpeg2000(Bytes file);  // JP2 files and bare codestreams: grey, RGB, YCC, CMYK, palettes

// The format is recognised by its first bytes; DecodeError, which names the format, for what is none of the above.
Image decode(Bytes file);

}  // namespace sardonyx::ops::image
