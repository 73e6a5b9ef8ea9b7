// TIFF: a directory of tags that says where strips of rows are.
#include "compiler/ops/image/image.h"

namespace sardonyx::ops::image {
namespace {

enum Tag : uint32_t {
  ImageWidth = 256,
  ImageLength = 257,
  BitsPerSample = 258,
  Compression = 259,
  Photometric = 262,
  StripOffsets = 273,
  SamplesPerPixel = 277,
  RowsPerStrip = 278,
  PlanarConfiguration = 284,
  ColourMap = 320
};

class Directory {
 public:
  explicit Directory(Bytes file) : file_(file), big_endian_(file.size() > 1 && file[0] == 'M') {
    Reader in(file, big_endian_, 2);
    expect(in.u16() == 42, "no TIFF");
    in.seek(in.u32());
    const uint32_t count = in.u16();
    for (uint32_t i = 0; i < count; ++i) {
      Entry entry;
      entry.tag = in.u16(), entry.type = in.u16(), entry.count = in.u32(), entry.at = in.at();
      in.skip(4);
      entries_.push_back(entry);
    }
  }

  // Element `index` of a tag of shorts or longs; `fallback` for index 0 of a tag that is not there.
  uint32_t value(Tag tag, uint32_t index, uint32_t fallback) const {
    for (const Entry& entry : entries_) {
      if (entry.tag != tag) continue;
      expect(index < entry.count && (entry.type == 3 || entry.type == 4), "a tag of a TIFF");
      const size_t size = entry.type == 3 ? 2 : 4;
      Reader in(file_, big_endian_, entry.at);
      if (size * entry.count > 4) in.seek(in.u32());
      in.skip(size * index);
      return size == 2 ? in.u16() : in.u32();
    }
    return fallback;
  }

 private:
  struct Entry {
    uint32_t tag = 0, type = 0, count = 0;
    size_t at = 0;
  };
  Bytes file_;
  bool big_endian_;
  std::vector<Entry> entries_;
};

}  // namespace

Image decode_tiff(Bytes file) {
  const Directory directory(file);
  const uint32_t samples = directory.value(SamplesPerPixel, 0, 1), photometric = directory.value(Photometric, 0, 1);
  const bool palette = photometric == 3, grey = photometric <= 1;
  expect(directory.value(Compression, 0, 1) == 1, "a compressed TIFF");
  expect(directory.value(PlanarConfiguration, 0, 1) == 1 && directory.value(BitsPerSample, 0, 1) == 8,
         "samples of another kind");
  expect(samples <= 16 && (palette || grey ? samples >= 1 : photometric == 2 && samples >= 3),
         "colours of another kind");
  Image image(directory.value(ImageLength, 0, 0), directory.value(ImageWidth, 0, 0), file.size() / samples);
  const int64_t rows_per_strip = directory.value(RowsPerStrip, 0, uint32_t(image.height));
  expect(rows_per_strip > 0, "strips without rows");
  Reader in(file, false);
  for (int64_t row = 0; row < image.height; ++row) {
    if (row % rows_per_strip == 0) in.seek(directory.value(StripOffsets, uint32_t(row / rows_per_strip), 0));
    const Bytes data = in.take(size_t(image.width) * samples);
    for (int64_t x = 0; x < image.width; ++x) {
      const uint8_t* from = data.data() + size_t(x) * samples;
      for (uint32_t channel = 0; channel < 3; ++channel) {
        uint8_t& out = image.pixel(row, x)[channel];
        if (palette)
          out = uint8_t(directory.value(ColourMap, channel * 256 + from[0], 0) >> 8);
        else
          out = !grey ? from[channel] : photometric == 0 ? uint8_t(255 - from[0]) : from[0];
      }
    }
  }
  return image;
}

}  // namespace sardonyx::ops::image
