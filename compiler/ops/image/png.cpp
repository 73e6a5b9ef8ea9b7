// PNG by libpng's simplified interface, which keeps its long jumps to itself.
#include <png.h>

#include <cstring>

#include "compiler/ops/image/image.h"
#include "compiler/ops/image/library.h"

namespace sardonyx::ops::image {
namespace {

struct Libpng {
  Library library{png_library};
  decltype(&png_image_begin_read_from_memory) begin = library["png_image_begin_read_from_memory"];
  decltype(&png_image_finish_read) finish = library["png_image_finish_read"];
  decltype(&png_image_free) free = library["png_image_free"];
};

const Libpng& libpng() {
  static const Libpng functions;
  return functions;
}

// The file without its ancillary chunks: gamma and profiles, which libpng would apply, transparency, texts.
std::vector<uint8_t> critical_chunks(Bytes file) {
  Reader in(file, true);
  const Bytes signature = in.take(8);
  std::vector<uint8_t> kept(signature.begin(), signature.end());
  for (bool ended = false; !ended;) {
    const size_t start = in.at(), length = in.u32();
    const Bytes name = in.take(4);
    in.skip(length + 4);  // and the checksum
    const Bytes chunk = file.subspan(start, in.at() - start);
    if ((name[0] & 0x20) == 0) kept.insert(kept.end(), chunk.begin(), chunk.end());
    ended = std::memcmp(name.data(), "IEND", 4) == 0;
  }
  return kept;
}

// libpng's state for one file.
struct Reading : png_image {
  Reading() : png_image{} { version = PNG_IMAGE_VERSION; }
  Reading(const Reading&) = delete;
  ~Reading() { libpng().free(this); }

  // Warnings are left to critical chunks: they tell of damage.
  void expect_success() const {
    if (warning_or_error != 0) throw DecodeError(message);
  }
};

}  // namespace

Image decode_png(Bytes file) {
  const std::vector<uint8_t> chunks = critical_chunks(file);
  Reading reading;
  libpng().begin(&reading, chunks.data(), chunks.size());
  reading.expect_success();
  Image image(reading.height, reading.width, most_pixels(file));
  const bool alpha = (reading.format & PNG_FORMAT_FLAG_ALPHA) != 0;
  reading.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;                 // else 16 bits are taken for linear light
  reading.format = alpha ? PNG_FORMAT_RGBA : PNG_FORMAT_RGB;  // without alpha libpng would blend the colours
  std::vector<uint8_t> rgba(alpha ? image.rgb.size() / 3 * 4 : 0);
  libpng().finish(&reading, nullptr, alpha ? rgba.data() : image.rgb.data(), 0, nullptr);
  reading.expect_success();
  for (size_t i = 0; i < rgba.size() / 4; ++i) std::memcpy(image.rgb.data() + 3 * i, rgba.data() + 4 * i, 3);
  return image;
}

}  // namespace sardonyx::ops::image
