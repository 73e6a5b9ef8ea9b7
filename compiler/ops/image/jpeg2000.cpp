// JPEG 2000 by OpenJPEG, which makes room for all that headers announce: they are read by our own code first.
#include <openjpeg.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>

#include "compiler/ops/image/jpeg2000_headers.h"
#include "compiler/ops/image/library.h"

namespace sardonyx::ops::image {
namespace {

struct OpenJpeg {
  Library library{jpeg2000_library};
  decltype(&opj_create_decompress) create = library["opj_create_decompress"];
  decltype(&opj_destroy_codec) destroy = library["opj_destroy_codec"];
  decltype(&opj_set_error_handler) handle_errors = library["opj_set_error_handler"];
  decltype(&opj_set_default_decoder_parameters) set_defaults = library["opj_set_default_decoder_parameters"];
  decltype(&opj_setup_decoder) setup = library["opj_setup_decoder"];
  decltype(&opj_read_header) read_header = library["opj_read_header"];
  decltype(&opj_decode) decode = library["opj_decode"];
  decltype(&opj_image_destroy) destroy_image = library["opj_image_destroy"];
  decltype(&opj_stream_default_create) create_stream = library["opj_stream_default_create"];
  decltype(&opj_stream_destroy) destroy_stream = library["opj_stream_destroy"];
  decltype(&opj_stream_set_user_data) set_data = library["opj_stream_set_user_data"];
  decltype(&opj_stream_set_user_data_length) set_length = library["opj_stream_set_user_data_length"];
  decltype(&opj_stream_set_read_function) set_read = library["opj_stream_set_read_function"];
  decltype(&opj_stream_set_skip_function) set_skip = library["opj_stream_set_skip_function"];
  decltype(&opj_stream_set_seek_function) set_seek = library["opj_stream_set_seek_function"];
};

const OpenJpeg& openjpeg() {
  static const OpenJpeg functions;
  return functions;
}

// A file as OpenJPEG reads it, forwards and backwards.
struct Source {
  Bytes file;
  size_t at = 0;

  static OPJ_SIZE_T read(void* to, OPJ_SIZE_T count, void* user) {
    Source& source = *static_cast<Source*>(user);
    const size_t size = std::min(count, source.file.size() - source.at);
    if (size == 0) return OPJ_SIZE_T(-1);
    std::memcpy(to, source.file.data() + source.at, size);
    source.at += size;
    return size;
  }
  static OPJ_OFF_T skip(OPJ_OFF_T count, void* user) {
    Source& source = *static_cast<Source*>(user);
    return seek(OPJ_OFF_T(source.at) + count, user) ? count : -1;
  }
  static OPJ_BOOL seek(OPJ_OFF_T at, void* user) {
    Source& source = *static_cast<Source*>(user);
    if (at < 0 || size_t(at) > source.file.size()) return OPJ_FALSE;
    source.at = size_t(at);
    return OPJ_TRUE;
  }
};

void keep_first(const char* message, void* user) {
  std::string& error = *static_cast<std::string*>(user);
  if (error.empty()) error = std::string_view(message).substr(0, std::strcspn(message, "\n"));
}

using Picture = std::unique_ptr<opj_image_t, decltype(openjpeg().destroy_image)>;

Picture read(Bytes file) {
  const OpenJpeg& library = openjpeg();
  const std::unique_ptr<opj_codec_t, decltype(library.destroy)> codec(
      library.create(file[0] == 0xFF ? OPJ_CODEC_J2K : OPJ_CODEC_JP2), library.destroy);
  const std::unique_ptr<opj_stream_t, decltype(library.destroy_stream)> stream(library.create_stream(OPJ_TRUE),
                                                                               library.destroy_stream);
  if (codec == nullptr || stream == nullptr) throw std::bad_alloc();
  Source source{file};
  library.set_data(stream.get(), &source, nullptr);
  library.set_length(stream.get(), file.size());
  library.set_read(stream.get(), Source::read);
  library.set_skip(stream.get(), Source::skip);
  library.set_seek(stream.get(), Source::seek);
  std::string error;
  library.handle_errors(codec.get(), keep_first, &error);
  opj_dparameters_t parameters;
  library.set_defaults(&parameters);
  opj_image_t* header = nullptr;
  bool success = library.setup(codec.get(), &parameters) && library.read_header(stream.get(), codec.get(), &header);
  Picture picture(header, library.destroy_image);
  success = success && library.decode(codec.get(), stream.get(), picture.get());
  if (!success) throw DecodeError(error.empty() ? "damaged" : error);
  return picture;
}

// Sample of a component at a pixel, in 0 to 255. Components may have fewer samples than the image has pixels.
uint8_t sample(const opj_image_comp_t& component, int64_t row, int64_t column) {
  const size_t y = std::min(size_t(row) / component.dy, size_t(component.h) - 1);
  const size_t x = std::min(size_t(column) / component.dx, size_t(component.w) - 1);
  const int64_t most = (int64_t{1} << component.prec) - 1;
  const int64_t stored = component.data[y * component.w + x] + (component.sgnd ? (most + 1) / 2 : 0);
  return uint8_t((std::clamp<int64_t>(stored, 0, most) * 255 + most / 2) / most);
}

void set_ycc(uint8_t* rgb, double luma, double blue, double red) {
  const auto rounded = [](double value) { return uint8_t(std::clamp(std::round(value), 0.0, 255.0)); };
  rgb[0] = rounded(luma + 1.402 * (red - 128));
  rgb[1] = rounded(luma - 0.344136 * (blue - 128) - 0.714136 * (red - 128));
  rgb[2] = rounded(luma + 1.772 * (blue - 128));
}

}  // namespace

Image decode_jpeg2000(Bytes file) {
  const Jpeg2000Size size = check_jpeg2000(file);
  Image image(size.height, size.width, most_pixels(file, 1 << 12));  // OpenJPEG takes some 20 bytes per pixel
  const Picture picture = read(file);
  const std::span<const opj_image_comp_t> components(picture->comps, picture->numcomps);
  expect(!components.empty(), "there are no components");
  for (const auto& component : components)
    expect(component.data != nullptr && component.w > 0 && component.h > 0 && component.dx > 0 && component.dy > 0 &&
               component.prec >= 1 && component.prec <= 31,
           "a component that is not read");
  const auto is_chroma = [&](size_t i) { return components[i].dx > components[0].dx; };
  const bool inks = components.size() == 4 && picture->color_space == OPJ_CLRSPC_CMYK;
  const bool colour = components.size() >= 3;  // of two, the second is alpha
  const bool ycc = colour && (picture->color_space == OPJ_CLRSPC_SYCC || (is_chroma(1) && is_chroma(2)));
  for (int64_t row = 0; row < image.height; ++row)
    for (int64_t column = 0; column < image.width; ++column) {
      uint8_t* out = image.pixel(row, column);
      const auto value = [&](size_t i) { return sample(components[i], row, column); };
      if (inks)
        set_inks(out, value(0), value(1), value(2), value(3));
      else if (ycc)
        set_ycc(out, value(0), value(1), value(2));
      else
        for (size_t channel = 0; channel < 3; ++channel) out[channel] = value(colour ? channel : 0);
    }
  return image;
}

}  // namespace sardonyx::ops::image
