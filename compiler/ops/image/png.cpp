// PNG without interlacing: chunks, one zlib stream, and a filter per row.
#include <cstdlib>
#include <cstring>

#include "compiler/ops/image/image.h"

namespace sardonyx::ops::image {
namespace {

struct Header {
  int64_t width = 0, height = 0;
  int depth = 0, colour = 0;

  int channels() const { return colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1; }
  size_t row_bytes() const { return (size_t(width) * size_t(channels() * depth) + 7) / 8; }
};

Header read_header(Reader& in) {
  Header header;
  header.width = in.u32(), header.height = in.u32();
  header.depth = in.u8(), header.colour = in.u8();
  const bool methods = in.u8() == 0 && in.u8() == 0;
  expect(methods && in.u8() == 0, "an interlaced PNG");
  const int d = header.depth, c = header.colour;
  const bool packed = d == 1 || d == 2 || d == 4;
  expect((c == 0 && (packed || d == 8 || d == 16)) || (c == 3 && (packed || d == 8)) ||
             ((c == 2 || c == 4 || c == 6) && (d == 8 || d == 16)),
         "a colour type that does not exist");
  return header;
}

uint8_t paeth(int left, int above, int corner) {
  const int estimate = left + above - corner;
  const int a = std::abs(estimate - left), b = std::abs(estimate - above), c = std::abs(estimate - corner);
  return uint8_t(a <= b && a <= c ? left : b <= c ? above : corner);
}

// Takes the filter off `row`, given the row above.
void unfilter(int filter, std::span<uint8_t> row, const std::vector<uint8_t>& above, size_t step) {
  expect(filter <= 4, "a filter that does not exist");
  for (size_t i = 0; i < row.size(); ++i) {
    const int left = i < step ? 0 : row[i - step], up = above[i], corner = i < step ? 0 : above[i - step];
    const int predicted = filter == 0   ? 0
                          : filter == 1 ? left
                          : filter == 2 ? up
                          : filter == 3 ? (left + up) / 2
                                        : paeth(left, up, corner);
    row[i] = uint8_t(row[i] + predicted);
  }
}

// Sample `index` of a row, as 8 bits; indices of palettes as they are.
uint32_t sample(const Header& header, std::span<const uint8_t> row, size_t index) {
  if (header.depth == 8) return row[index];
  if (header.depth == 16) return row[index * 2];
  const size_t bit = index * size_t(header.depth);
  const uint32_t most = (1u << header.depth) - 1;
  const uint32_t value = row[bit / 8] >> (8 - size_t(header.depth) - bit % 8) & most;
  return header.colour == 3 ? value : value * 255 / most;
}

}  // namespace

Image decode_png(Bytes file) {
  Reader in(file, true, 8);
  Header header;
  Bytes palette;
  std::vector<uint8_t> stream;
  while (true) {
    const uint32_t length = in.u32();
    const Bytes name = in.take(4), data = in.take(length);
    in.skip(4);  // the checksum
    const auto is = [&](const char* other) { return std::memcmp(name.data(), other, 4) == 0; };
    if (is("IEND")) break;
    if (is("IHDR")) {
      Reader fields(data, true);
      header = read_header(fields);
    } else if (is("PLTE")) {
      palette = data;
    } else if (is("IDAT")) {
      stream.insert(stream.end(), data.begin(), data.end());
    }
  }
  expect(header.width > 0 && header.height > 0 && header.width < 1 << 28 && header.height < 1 << 28,
         "the size of a PNG");
  const size_t row_bytes = header.row_bytes(), step = std::max<size_t>(1, size_t(header.channels() * header.depth) / 8);
  std::vector<uint8_t> pixels = inflate(stream, (row_bytes + 1) * size_t(header.height));
  expect(pixels.size() == (row_bytes + 1) * size_t(header.height), "rows are missing");
  Image image(header.height, header.width, pixels.size() * 8);
  std::vector<uint8_t> above(row_bytes, 0);
  for (int64_t y = 0; y < header.height; ++y) {
    uint8_t* start = pixels.data() + size_t(y) * (row_bytes + 1);
    const std::span<uint8_t> row(start + 1, row_bytes);
    unfilter(*start, row, above, step);
    above.assign(row.begin(), row.end());
    for (int64_t x = 0; x < header.width; ++x) {
      uint8_t* out = image.pixel(y, x);
      const size_t first = size_t(x) * size_t(header.channels());
      for (size_t channel = 0; channel < 3; ++channel) {
        const uint32_t value = sample(header, row, header.channels() >= 3 ? first + channel : first);
        const size_t entry = size_t(value) * 3 + channel;
        expect(header.colour != 3 || entry < palette.size(), "a colour beyond the palette");
        out[channel] = header.colour == 3 ? palette[entry] : uint8_t(value);
      }
    }
  }
  return image;
}

}  // namespace sardonyx::ops::image
