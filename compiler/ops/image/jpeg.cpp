// JPEG by libjpeg-turbo's TurboJPEG interface, which upsamples chroma as ONNX's text asks.
#include <turbojpeg.h>

#include <memory>
#include <new>

#include "compiler/ops/image/image.h"
#include "compiler/ops/image/library.h"

namespace sardonyx::ops::image {
namespace {

struct TurboJpeg {
  Library library{jpeg_library};
  decltype(&tjInitDecompress) create = library["tjInitDecompress"];
  decltype(&tjDestroy) destroy = library["tjDestroy"];
  decltype(&tjDecompressHeader3) read_header = library["tjDecompressHeader3"];
  decltype(&tjDecompress2) decompress = library["tjDecompress2"];
  decltype(&tjGetErrorStr2) error = library["tjGetErrorStr2"];
};

const TurboJpeg& turbojpeg() {
  static const TurboJpeg functions;
  return functions;
}

}  // namespace

Image decode_jpeg(Bytes file) {
  const TurboJpeg& library = turbojpeg();
  const std::unique_ptr<void, decltype(library.destroy)> decoder(library.create(), library.destroy);
  if (decoder == nullptr) throw std::bad_alloc();
  const auto expect_success = [&](bool success) {
    if (!success) throw DecodeError(library.error(decoder.get()));
  };
  // The call also fails for sampling factors that it has no name for; the decoder takes them, and the rest is set then.
  int width = 0, height = 0, subsampling = 0, colours = -1;
  const int failed =
      library.read_header(decoder.get(), file.data(), file.size(), &width, &height, &subsampling, &colours);
  expect_success(failed == 0 || (width > 0 && height > 0 && colours >= 0));
  Image image(height, width, most_pixels(file));
  const bool inks = colours == TJCS_CMYK || colours == TJCS_YCCK;
  std::vector<uint8_t> cmyk(inks ? image.rgb.size() / 3 * 4 : 0);
  const int flags = TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;  // damage is an error, so are scans without end
  expect_success(library.decompress(decoder.get(), file.data(), file.size(), inks ? cmyk.data() : image.rgb.data(),
                                    width, 0, height, inks ? TJPF_CMYK : TJPF_RGB, flags) == 0);
  // All who write such files store 255 for no ink, as Adobe did.
  for (size_t i = 0; i < cmyk.size() / 4; ++i) {
    const uint8_t* white = cmyk.data() + 4 * i;
    set_inks(image.rgb.data() + 3 * i, 255u - white[0], 255u - white[1], 255u - white[2], 255u - white[3]);
  }
  return image;
}

}  // namespace sardonyx::ops::image
