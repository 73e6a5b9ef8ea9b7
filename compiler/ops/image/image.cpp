#include "compiler/ops/image/image.h"

#include <string_view>

namespace sardonyx::ops::image {
namespace {

struct Format {
  const char* name;
  Image (*decode)(Bytes);
  std::string_view first;  // the bytes that its files begin with; a question mark stands for any byte
};

using namespace std::string_view_literals;
constexpr Format formats[] = {{"BMP", decode_bmp, "BM"},
                              {"PNG", decode_png, "\x89PNG\r\n\x1a\n"},
                              {"JPEG", decode_jpeg, "\xff\xd8\xff"},
                              {"TIFF", decode_tiff, "II*\0"sv},
                              {"TIFF", decode_tiff, "MM\0*"sv},
                              {"TIFF", decode_tiff, "II+\0"sv},
                              {"TIFF", decode_tiff, "MM\0+"sv},
                              {"WebP", decode_webp, "RIFF????WEBP"},
                              {"JPEG 2000", decode_jpeg2000, "\0\0\0\x0cjP  \r\n\x87\n"sv},
                              {"JPEG 2000", decode_jpeg2000, "\xff\x4f\xff\x51"},
                              {"PNM", decode_pnm, "P1"},
                              {"PNM", decode_pnm, "P2"},
                              {"PNM", decode_pnm, "P3"},
                              {"PNM", decode_pnm, "P4"},
                              {"PNM", decode_pnm, "P5"},
                              {"PNM", decode_pnm, "P6"}};

bool begins(Bytes file, std::string_view first) {
  return file.size() >= first.size() && std::equal(first.begin(), first.end(), file.begin(),
                                                   [](char c, uint8_t byte) { return c == '?' || uint8_t(c) == byte; });
}

}  // namespace

Image::Image(int64_t height, int64_t width, size_t most) : height(height), width(width) {
  const auto most_pixels = int64_t(std::min(most, size_t{1} << 27));
  if (height <= 0 || width <= 0 || height > most_pixels || width > most_pixels / height)
    throw DecodeError("the size of " + std::to_string(height) + " x " + std::to_string(width) +
                      " pixels is out of range; at most " + std::to_string(most_pixels) + " are read from this file");
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
  const Format* format =
      std::find_if(std::begin(formats), std::end(formats), [&](const Format& f) { return begins(file, f.first); });
  if (format == std::end(formats)) throw DecodeError("the format is unknown");
  try {
    return format->decode(file);
  } catch (const DecodeError& error) {
    throw DecodeError(std::string(format->name) + ": " + error.what());
  }
}

}  // namespace sardonyx::ops::image
