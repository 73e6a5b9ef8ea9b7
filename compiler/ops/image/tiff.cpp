// TIFF by libtiff: the first image of a file.
#include <tiffio.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

#include "compiler/ops/image/image.h"
#include "compiler/ops/image/library.h"

namespace sardonyx::ops::image {
namespace {

struct Libtiff {
  Library library{tiff_library};
  decltype(&TIFFOpenOptionsAlloc) make_options = library["TIFFOpenOptionsAlloc"];
  decltype(&TIFFOpenOptionsFree) free_options = library["TIFFOpenOptionsFree"];
  decltype(&TIFFOpenOptionsSetMaxSingleMemAlloc) limit_memory = library["TIFFOpenOptionsSetMaxSingleMemAlloc"];
  decltype(&TIFFOpenOptionsSetErrorHandlerExtR) handle_errors = library["TIFFOpenOptionsSetErrorHandlerExtR"];
  decltype(&TIFFOpenOptionsSetWarningHandlerExtR) handle_warnings = library["TIFFOpenOptionsSetWarningHandlerExtR"];
  decltype(&TIFFClientOpenExt) open = library["TIFFClientOpenExt"];
  decltype(&TIFFClose) close = library["TIFFClose"];
  decltype(&TIFFGetFieldDefaulted) get = library["TIFFGetFieldDefaulted"];
  decltype(&TIFFSetField) set = library["TIFFSetField"];
  decltype(&TIFFRGBAImageOK) supports = library["TIFFRGBAImageOK"];
  decltype(&TIFFReadRGBAImageOriented) read = library["TIFFReadRGBAImageOriented"];
};

const Libtiff& libtiff() {
  static const Libtiff functions;
  return functions;
}

// The file as libtiff reads it, and its first complaint. Handlers are this file's own: others may use the library too.
struct Source {
  Bytes file;
  uint64_t at = 0;
  std::string error = "";

  static Source& of(thandle_t handle) { return *static_cast<Source*>(handle); }
  static tmsize_t read(thandle_t handle, void* to, tmsize_t count) {
    Source& source = of(handle);
    if (source.at >= source.file.size() || count <= 0) return 0;
    const size_t size = std::min(size_t(count), source.file.size() - size_t(source.at));
    std::memcpy(to, source.file.data() + source.at, size);
    source.at += size;
    return tmsize_t(size);
  }
  static tmsize_t write(thandle_t, void*, tmsize_t) { return 0; }
  static toff_t seek(thandle_t handle, toff_t offset, int whence) {
    Source& source = of(handle);
    source.at = offset + (whence == SEEK_CUR ? source.at : whence == SEEK_END ? source.file.size() : 0);
    return source.at;
  }
  static int close(thandle_t) { return 0; }
  static toff_t size(thandle_t handle) { return of(handle).file.size(); }
  // libtiff 4.5 reads small tiles without compression right only where it sees the file as memory.
  static int map(thandle_t handle, void** base, toff_t* size) {
    *base = const_cast<uint8_t*>(of(handle).file.data());  // files opened for reading stay as they are
    *size = of(handle).file.size();
    return 1;
  }
  static void unmap(thandle_t, void*, toff_t) {}

  // Nonzero: the message goes to nobody else.
  static int keep(TIFF*, void* user, const char*, const char* format, va_list values) {
    char text[512];
    std::vsnprintf(text, sizeof text, format, values);
    if (std::string& error = static_cast<Source*>(user)->error; error.empty()) error = text;
    return 1;
  }
  static int ignore(TIFF*, void*, const char*, const char*, va_list) { return 1; }
};

using Tiff = std::unique_ptr<TIFF, decltype(libtiff().close)>;

Tiff open(Source& source) {
  const std::unique_ptr<TIFFOpenOptions, decltype(libtiff().free_options)> options(libtiff().make_options(),
                                                                                   libtiff().free_options);
  if (options == nullptr) throw std::bad_alloc();
  // One strip or tile may be the whole image, of 16 bytes per pixel; small images may have large tiles.
  constexpr size_t largest_tile = size_t{1} << 26;
  libtiff().limit_memory(options.get(),
                         tmsize_t(largest_tile + 16 * std::min(size_t{1} << 27, most_pixels(source.file))));
  libtiff().handle_errors(options.get(), Source::keep, &source);
  libtiff().handle_warnings(options.get(), Source::ignore, &source);
  return {libtiff().open("image", "r", &source, Source::read, Source::write, Source::seek, Source::close, Source::size,
                         Source::map, Source::unmap, options.get()),
          libtiff().close};
}

// Compressions in common use whose decoders bound their memory; libjbig aborts the process when it has none left.
constexpr uint16_t compressions[] = {COMPRESSION_NONE,      COMPRESSION_CCITTRLE,      COMPRESSION_CCITTFAX3,
                                     COMPRESSION_CCITTFAX4, COMPRESSION_LZW,           COMPRESSION_JPEG,
                                     COMPRESSION_DEFLATE,   COMPRESSION_ADOBE_DEFLATE, COMPRESSION_PACKBITS};

// libtiff multiplies colours by alpha that says it is not yet in them; nobody asks for that here.
void forget_alpha(TIFF* tiff) {
  uint16_t count = 0;
  const uint16_t* kinds = nullptr;
  libtiff().get(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds);
  const std::vector<uint16_t> unspecified(count, EXTRASAMPLE_UNSPECIFIED);
  if (count > 0) libtiff().set(tiff, TIFFTAG_EXTRASAMPLES, int(count), unspecified.data());
}

}  // namespace

Image decode_tiff(Bytes file) {
  Source source{file};
  const Tiff tiff = open(source);
  const auto expect_success = [&](bool success, const char* otherwise) {
    if (!success) throw DecodeError(source.error.empty() ? otherwise : source.error);
  };
  expect_success(tiff != nullptr, "no TIFF");
  uint32_t width = 0, height = 0;
  uint16_t orientation = ORIENTATION_TOPLEFT, compression = COMPRESSION_NONE;
  libtiff().get(tiff.get(), TIFFTAG_IMAGEWIDTH, &width);
  libtiff().get(tiff.get(), TIFFTAG_IMAGELENGTH, &height);
  libtiff().get(tiff.get(), TIFFTAG_ORIENTATION, &orientation);
  libtiff().get(tiff.get(), TIFFTAG_COMPRESSION, &compression);
  expect(std::count(std::begin(compressions), std::end(compressions), compression) > 0,
         "a compression that is not read");
  const bool turned = orientation >= ORIENTATION_LEFTTOP;
  const size_t most = compression == COMPRESSION_NONE ? file.size() * 8 : most_pixels(file);
  Image image(turned ? width : height, turned ? height : width, most);
  forget_alpha(tiff.get());
  char why[1024] = "";
  if (libtiff().supports(tiff.get(), why) == 0) throw DecodeError(why);
  // Asked for the orientation that it has, libtiff leaves rows where they are stored.
  std::vector<uint32_t> pixels(size_t(width) * height);
  expect_success(libtiff().read(tiff.get(), width, height, pixels.data(), orientation, 1) != 0, "damaged pixels");
  const bool from_right = orientation == ORIENTATION_TOPRIGHT || orientation == ORIENTATION_BOTRIGHT ||
                          orientation == ORIENTATION_RIGHTTOP || orientation == ORIENTATION_RIGHTBOT;
  const bool from_bottom = orientation == ORIENTATION_BOTRIGHT || orientation == ORIENTATION_BOTLEFT ||
                           orientation == ORIENTATION_RIGHTBOT || orientation == ORIENTATION_LEFTBOT;
  for (int64_t stored_row = 0; stored_row < height; ++stored_row)
    for (int64_t stored_column = 0; stored_column < width; ++stored_column) {
      const uint32_t abgr = pixels[size_t(stored_row * width + stored_column)];
      const int64_t row = turned ? stored_column : stored_row, column = turned ? stored_row : stored_column;
      uint8_t* out =
          image.pixel(from_bottom ? image.height - 1 - row : row, from_right ? image.width - 1 - column : column);
      out[0] = uint8_t(TIFFGetR(abgr)), out[1] = uint8_t(TIFFGetG(abgr)), out[2] = uint8_t(TIFFGetB(abgr));
    }
  return image;
}

}  // namespace sardonyx::ops::image
