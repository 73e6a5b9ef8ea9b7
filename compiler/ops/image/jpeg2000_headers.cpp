#include "compiler/ops/image/jpeg2000_headers.h"

#include <algorithm>

namespace sardonyx::ops::image {
namespace {

constexpr uint32_t box(const char (&name)[5]) {
  return uint32_t(name[0]) << 24 | uint32_t(name[1]) << 16 | uint32_t(name[2]) << 8 | uint32_t(name[3]);
}

// The codestream of a JP2 file: what follows the first header of such a box, whatever length it states.
Bytes find_codestream(Bytes file) {
  for (Reader in(file, true); !in.done();) {
    uint32_t length = in.u32(), header = 8;
    const uint32_t name = in.u32();
    if (length == 1) {
      expect(in.u32() == 0, "a box of 4 GiB");
      length = in.u32(), header = 16;
    }
    if (name == box("jp2c")) return file.subspan(in.at());
    if (name == box("jp2h")) continue;  // holds boxes
    expect(length >= header, "the length of a box");
    const Bytes contents = in.take(length - header);
    if (name == box("pclr")) expect(contents.size() >= 3 && contents[2] <= 4, "a palette of more than four channels");
  }
  throw DecodeError("there is no codestream");
}

enum Marker : uint32_t {
  CapabilitiesExtended = 0xFF50,
  Size = 0xFF51,
  CodingStyle = 0xFF52,
  CodingStyleOfComponent = 0xFF53,
  TilePartLengths = 0xFF55,
  PacketLengths = 0xFF57,
  PacketLengthsOfTile = 0xFF58,
  Quantization = 0xFF5C,
  QuantizationOfComponent = 0xFF5D,
  RegionOfInterest = 0xFF5E,
  ProgressionOrder = 0xFF5F,
  PackedHeaders = 0xFF60,
  PackedHeadersOfTile = 0xFF61,
  Registration = 0xFF63,
  Comment = 0xFF64,
  TilePart = 0xFF90,
  StartOfCodestream = 0xFF4F,
  StartOfData = 0xFF93,
  EndOfCodestream = 0xFFD9
};
constexpr uint32_t segments[] = {CapabilitiesExtended,
                                 Size,
                                 CodingStyle,
                                 CodingStyleOfComponent,
                                 TilePartLengths,
                                 PacketLengths,
                                 PacketLengthsOfTile,
                                 Quantization,
                                 QuantizationOfComponent,
                                 RegionOfInterest,
                                 ProgressionOrder,
                                 PackedHeaders,
                                 PackedHeadersOfTile,
                                 Registration,
                                 Comment,
                                 TilePart};

Jpeg2000Size check_size(Reader in, size_t bytes) {
  in.skip(2);  // capabilities
  const int64_t right = in.u32(), bottom = in.u32(), left = in.u32(), top = in.u32();
  const int64_t tile_width = in.u32(), tile_height = in.u32(), tile_left = in.u32(), tile_top = in.u32();
  const uint32_t components = in.u16();
  expect(right > left && bottom > top, "an image without pixels");
  expect(tile_width > 0 && tile_height > 0 && tile_left <= left && tile_top <= top, "the size of tiles");
  const int64_t across = (right - tile_left + tile_width - 1) / tile_width;
  const int64_t down = (bottom - tile_top + tile_height - 1) / tile_height;
  // A tile's two markers take 14 bytes.
  expect(across <= 65535 && down <= 65535 && across * down <= int64_t(bytes / 14), "more tiles than the file can hold");
  expect(components >= 1 && components <= 4, "the number of components");
  return {bottom - top, right - left};
}

// Levels, the size and style of blocks, the wavelet, and where `has_precincts` a byte per resolution, the least first.
void check_precincts(Reader in, bool has_precincts) {
  const int levels = in.u8();
  in.skip(4);
  expect(levels <= 32, "the number of levels");
  for (int resolution = 0; has_precincts && resolution <= levels; ++resolution) {
    const int exponents = in.u8(), halvings = levels - resolution;
    expect((exponents & 15) + halvings >= 4 && (exponents >> 4) + halvings >= 4, "precincts of less than 16 pixels");
  }
}

}  // namespace

Jpeg2000Size check_jpeg2000(Bytes file) {
  const Bytes stream = file[0] == 0xFF ? file : find_codestream(file);
  Reader in(stream, true);
  expect(in.u16() == StartOfCodestream, "no codestream");
  Jpeg2000Size size;
  size_t next_part = stream.size();
  while (!in.done()) {
    const size_t start = in.at();
    const uint32_t marker = in.u16();
    if (marker == EndOfCodestream) break;
    if (marker == StartOfData) {
      expect(next_part >= in.at(), "the length of a tile");
      in.seek(next_part);
      continue;
    }
    expect(std::count(std::begin(segments), std::end(segments), marker) > 0, "a marker beyond part 1 of the standard");
    const uint32_t length = in.u16();
    expect(length >= 2, "the length of a marker");
    Reader segment(in.take(length - 2), true);
    if (marker == TilePart) {
      segment.skip(2);
      const uint32_t part = segment.u32();
      next_part = part == 0 ? stream.size() : start + part;
    } else if (marker == Size) {
      size = check_size(segment, stream.size());
    } else if (marker == CodingStyle) {
      const bool has_precincts = (segment.u8() & 1) != 0;
      segment.skip(1);  // progression
      expect(segment.u16() <= stream.size(), "more layers than the file can hold");
      segment.skip(1);  // transform of components
      check_precincts(segment, has_precincts);
    } else if (marker == CodingStyleOfComponent) {
      segment.skip(1);  // its number, of one byte for so few
      const bool has_precincts = (segment.u8() & 1) != 0;
      check_precincts(segment, has_precincts);
    }
  }
  return size;
}

}  // namespace sardonyx::ops::image
