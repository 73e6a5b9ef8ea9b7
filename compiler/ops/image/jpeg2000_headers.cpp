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

// The header of a codestream, as far as it is read, and what it says about the rest.
struct Header {
  size_t bytes;  // of the codestream
  Jpeg2000Size size = {};
  int64_t tiles = 0, step_x = 1, step_y = 1, layers = 1;

  void read_size(Reader in) {
    in.skip(2);  // capabilities
    const int64_t right = in.u32(), bottom = in.u32(), left = in.u32(), top = in.u32();
    const int64_t tile_width = in.u32(), tile_height = in.u32(), tile_left = in.u32(), tile_top = in.u32();
    const uint32_t components = in.u16();
    size = {bottom - top, right - left};
    const int64_t most = 1 << 28;  // so that products fit; Image is stricter
    expect(size.height > 0 && size.width > 0 && size.height <= most && size.width <= most, "the size of the image");
    expect(tile_width > 0 && tile_height > 0 && tile_left <= left && tile_top <= top, "the size of tiles");
    const int64_t across = (right - tile_left + tile_width - 1) / tile_width;
    const int64_t down = (bottom - tile_top + tile_height - 1) / tile_height;
    tiles = across * std::min<int64_t>(down, 65535);
    expect(across <= 65535 && tiles <= int64_t(bytes / 14), "more tiles than the file can hold");  // two markers each
    expect(components >= 1 && components <= 4, "the number of components");
    for (uint32_t i = 0; i < components; ++i) {
      in.skip(1);  // its bits
      const int64_t x = in.u8(), y = in.u8();
      if (i == 0) step_x = x, step_y = y;
      expect(x >= step_x && y >= step_y && step_x > 0 && step_y > 0, "a first component of fewer samples than others");
    }
  }

  // Levels, exponents of the code blocks' size, two styles, and where `has_precincts` the exponents of the precincts'
  // size for each resolution, the least first. Every precinct has a packet of a byte at least in each layer.
  void check_style(Reader in, bool has_precincts) const {
    const int levels = in.u8(), block_width = in.u8() + 2, block_height = in.u8() + 2;
    in.skip(2);
    expect(levels <= 32, "the number of levels");
    expect(block_width + block_height >= 8, "code blocks of less than 256 samples");
    int64_t precincts = 0;
    for (int resolution = 0; has_precincts && resolution <= levels; ++resolution) {
      const int exponents = in.u8(), halvings = levels - resolution;
      precincts += (size.width / step_x >> ((exponents & 15) + halvings)) *
                   (size.height / step_y >> ((exponents >> 4) + halvings));
    }
    expect(std::max(precincts, tiles) <= int64_t(bytes) / layers, "more packets than the file can hold");
  }
};

}  // namespace

Jpeg2000Size check_jpeg2000(Bytes file) {
  const Bytes stream = file[0] == 0xFF ? file : find_codestream(file);
  Reader in(stream, true);
  expect(in.u16() == StartOfCodestream, "no codestream");
  Header header{stream.size()};
  size_t next_part = 0;  // nowhere as long as the first has not begun
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
      header.read_size(segment);
    } else if (marker == CodingStyle || marker == CodingStyleOfComponent) {
      expect(next_part == 0, "a tile with a coding style of its own");
      if (marker == CodingStyleOfComponent) segment.skip(1);  // its number, of one byte for so few
      const bool has_precincts = (segment.u8() & 1) != 0;
      if (marker == CodingStyle) {
        segment.skip(1);  // progression
        header.layers = std::max(segment.u16(), 1u);
        segment.skip(1);  // transform of components
      }
      header.check_style(segment, has_precincts);
    }
  }
  return header.size;
}

}  // namespace sardonyx::ops::image
