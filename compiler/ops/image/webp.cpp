// WebP by libwebp: lossy and lossless still images.
#include <webp/decode.h>

#include "compiler/ops/image/image.h"
#include "compiler/ops/image/library.h"

namespace sardonyx::ops::image {
namespace {

struct Libwebp {
  Library library{webp_library};
  decltype(&WebPGetFeaturesInternal) features = library["WebPGetFeaturesInternal"];
  decltype(&WebPInitDecoderConfigInternal) initialise = library["WebPInitDecoderConfigInternal"];
  decltype(&WebPDecode) decode = library["WebPDecode"];
};

const Libwebp& libwebp() {
  static const Libwebp functions;
  return functions;
}

void expect_success(VP8StatusCode status) {
  constexpr const char* texts[] = {"",
                                   "out of memory",
                                   "an invalid parameter",
                                   "the bitstream is damaged",
                                   "a feature that is not supported",
                                   "the file ends early",
                                   "decoding was stopped",
                                   "the file ends early"};
  if (status != VP8_STATUS_OK) throw DecodeError(size_t(status) < std::size(texts) ? texts[status] : "unknown failure");
}

}  // namespace

Image decode_webp(Bytes file) {
  WebPDecoderConfig config;
  expect(libwebp().initialise(&config, WEBP_DECODER_ABI_VERSION) != 0, "libwebp is of another version");
  expect_success(libwebp().features(file.data(), file.size(), &config.input, WEBP_DECODER_ABI_VERSION));
  expect(config.input.has_animation == 0, "an animation");
  Image image(config.input.height, config.input.width, most_pixels(file));
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {image.rgb.data(), int(image.width * 3), image.rgb.size()};
  expect_success(libwebp().decode(file.data(), file.size(), &config));
  return image;
}

}  // namespace sardonyx::ops::image
