#include "compiler/ops/image/image.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace sardonyx::ops::image {

Image::Image(int64_t height, int64_t width, size_t most) : height(height), width(width) {
  const auto most_pixels = int64_t(std::min(most, size_t{1} << 28));
  expect(height > 0 && width > 0 && height <= most_pixels && width <= most_pixels / height, "the size is out of range");
  rgb.resize(size_t(height * width) * 3);
}

void Reader::seek(size_t at) {
  expect(at <= bytes_.size(), "a position beyond the end");
  at_ = at;
}

Bytes Reader::take(size_t count) {
  expect(count <= bytes_.size() - at_, "the file ends early");
  const Bytes result = bytes_.subspan(at_, count);
  at_ += count;
  return result;
}

uint32_t Reader::u16() {
  const Bytes b = take(2);
  return big_endian_ ? uint32_t(b[0]) << 8 | b[1] : uint32_t(b[1]) << 8 | b[0];
}

uint32_t Reader::u32() {
  const uint32_t first = u16(), second = u16();
  return big_endian_ ? first << 16 | second : second << 16 | first;
}

Image decode(Bytes file) {
  const auto begins = [&](std::string_view magic) {
    return file.size() >= magic.size() && std::memcmp(file.data(), magic.data(), magic.size()) == 0;
  };
  if (begins("BM")) return decode_bmp(file);
  if (begins("\x89PNG\r\n\x1a\n")) return decode_png(file);
  if (begins("\xff\xd8\xff")) return decode_jpeg(file);
  if (begins("II*") || begins("MM")) return decode_tiff(file);
  if (file.size() > 1 && file[0] == 'P' && file[1] >= '1' && file[1] <= '6') return decode_pnm(file);
  throw DecodeError("the format is unknown");
}

}  // namespace sardonyx::ops::image
