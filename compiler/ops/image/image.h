// Image files in memory to pixels: what ImageDecoder runs. The bytes are data of a run and may be anything.
#pragma once
#include <cstdint>
#include <span>
#include <stdexcept>
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

  // Throws DecodeError for more pixels than 2^28, or than `most`, which is what the file can hold at best: a few bytes
  // shall not take much memory.
  Image(int64_t height, int64_t width, size_t most);
  uint8_t* pixel(int64_t row, int64_t column) { return rgb.data() + (row * width + column) * 3; }
};

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

Image decode_bmp(Bytes file);   // 1, 4, 8, 24 and 32 bits per pixel, uncompressed
Image decode_pnm(Bytes file);   // P1 to P6, at most 8 bits per sample
Image decode_png(Bytes file);   // all colour types and depths, interlaced ones excepted; transparency is dropped
Image decode_tiff(Bytes file);  // grey, palette and RGB of 8 bits, uncompressed, in strips
Image decode_jpeg(Bytes file);  // baseline and extended sequential with Huffman codes, 8 bits, grey and YCbCr

// The format is recognised by its first bytes; DecodeError for what is none of the above.
Image decode(Bytes file);

// The bytes of a zlib stream, at most `limit`.
std::vector<uint8_t> inflate(Bytes stream, size_t limit);

}  // namespace sardonyx::ops::image
