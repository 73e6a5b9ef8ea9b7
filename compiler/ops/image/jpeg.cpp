// Sequential JPEG with Huffman codes (ITU T.81), 8 bits per sample: markers, entropy decoding, and the planes put
// together. Progressive, lossless and arithmetic files are refused.
#include <algorithm>
#include <array>
#include <optional>

#include "compiler/ops/image/image.h"
#include "compiler/ops/image/jpeg_transform.h"

namespace sardonyx::ops::image {
namespace {

enum Marker : uint32_t {
  BaselineFrame = 0xC0,
  ExtendedFrame = 0xC1,
  HuffmanTables = 0xC4,
  StartOfImage = 0xD8,
  EndOfImage = 0xD9,
  StartOfScan = 0xDA,
  QuantizationTables = 0xDB,
  RestartInterval = 0xDD,
  Adobe = 0xEE
};

constexpr uint8_t zigzag[64] = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
                                41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
                                30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

// Bits of a scan. A byte FF is followed by a 0 that does not count; any other marker ends the data.
class BitReader {
 public:
  explicit BitReader(Reader& in) : in_(in) {}
  uint32_t bit() {
    if (left_ == 0) {
      current_ = in_.u8();
      expect(current_ != 0xFF || in_.u8() == 0, "a marker inside of a scan");
      left_ = 8;
    }
    return current_ >> --left_ & 1;
  }
  // A number of `size` bits whose first bit is 0 when it is negative.
  int64_t number(uint32_t size) {
    int64_t value = 0;
    for (uint32_t i = 0; i < size; ++i) value = value << 1 | bit();
    return size > 0 && value < int64_t{1} << (size - 1) ? value - (int64_t{1} << size) + 1 : value;
  }
  void restart() {
    left_ = 0;
    expect(in_.u8() == 0xFF && (in_.u8() & 0xF8) == 0xD0, "a restart marker is missing");
  }

 private:
  Reader& in_;
  uint32_t current_ = 0;
  int left_ = 0;
};

struct HuffmanTable {
  std::array<uint32_t, 17> counts{};
  std::vector<uint8_t> symbols;

  uint8_t read(BitReader& in) const {
    uint32_t code = 0, first = 0, index = 0;
    for (size_t length = 1; length <= 16; ++length) {
      code |= in.bit();
      if (code < first + counts[length]) return symbols[index + (code - first)];
      index += counts[length];
      first = (first + counts[length]) << 1;
      code <<= 1;
    }
    throw DecodeError("a code that no symbol has");
  }
};

struct Component {
  uint32_t id = 0, horizontal = 1, vertical = 1, quantization = 0;
  uint32_t dc_table = 0, ac_table = 0;
  int64_t dc = 0;       // of the block before
  int64_t columns = 0;  // samples per row of `plane`, whole blocks
  Plane plane;
  bool scanned = false;
};

class Decoder {
 public:
  explicit Decoder(Bytes file) : file_(file), in_(file, true) {}

  Image run() {
    expect(in_.u16() == 0xFF00 + StartOfImage, "no JPEG");
    while (true) {
      const uint32_t marker = next_marker();
      if (marker == EndOfImage) break;
      const uint32_t length = in_.u16();
      expect(length >= 2, "the length of a segment");
      Reader segment(in_.take(length - 2), true);
      read_segment(marker, segment);
      if (marker == StartOfScan && all_scanned()) break;
    }
    return assemble();
  }

 private:
  uint32_t next_marker() {
    uint32_t byte = in_.u8();
    while (byte != 0xFF) byte = in_.u8();
    while (byte == 0xFF) byte = in_.u8();
    return byte;
  }

  void read_segment(uint32_t marker, Reader& in) {
    switch (marker) {
      case QuantizationTables:
        return read_quantization(in);
      case HuffmanTables:
        return read_huffman(in);
      case RestartInterval:
        interval_ = in.u16();
        return;
      case BaselineFrame:
      case ExtendedFrame:
        return read_frame(in);
      case StartOfScan:
        return read_scan(in);
      case Adobe:
        if (!in.done() && in.take(5)[0] == 'A') {
          in.skip(6);
          is_rgb_ = in.u8() == 0;
        }
        return;
      default:
        expect(marker < 0xC0 || marker > 0xCF || marker == 0xC8 || marker == 0xCC, "another kind of JPEG");
    }
  }

  void read_quantization(Reader& in) {
    while (!in.done()) {
      const uint32_t kind = in.u8();
      expect((kind & 15) < 4 && kind >> 4 < 2, "a quantization table");
      for (uint8_t position : zigzag) quantization_[kind & 15][position] = kind >> 4 ? in.u16() : in.u8();
    }
  }

  void read_huffman(Reader& in) {
    while (!in.done()) {
      const uint32_t kind = in.u8();
      expect((kind & 15) < 4 && kind >> 4 < 2, "a Huffman table");
      HuffmanTable table;
      size_t total = 0;
      for (size_t length = 1; length <= 16; ++length) total += table.counts[length] = in.u8();
      const Bytes symbols = in.take(total);
      table.symbols.assign(symbols.begin(), symbols.end());
      huffman_[kind >> 4][kind & 15] = std::move(table);
    }
  }

  void read_frame(Reader& in) {
    expect(components_.empty() && in.u8() == 8, "a second frame, or samples of more than 8 bits");
    height_ = in.u16(), width_ = in.u16();
    const uint32_t count = in.u8();
    expect((count == 1 || count == 3) && height_ > 0 && width_ > 0, "the components of a JPEG");
    expect(height_ * width_ / 64 <= int64_t(file_.size()) * 8, "more blocks than the file can hold");
    for (uint32_t i = 0; i < count; ++i) {
      Component c;
      c.id = in.u8();
      const uint32_t factors = in.u8();
      c.horizontal = factors >> 4, c.vertical = factors & 15, c.quantization = in.u8();
      expect(c.horizontal >= 1 && c.horizontal <= 4 && c.vertical >= 1 && c.vertical <= 4 && c.quantization < 4,
             "the sampling of a JPEG");
      if (count == 1) c.horizontal = c.vertical = 1;
      most_horizontal_ = std::max(most_horizontal_, c.horizontal);
      most_vertical_ = std::max(most_vertical_, c.vertical);
      components_.push_back(std::move(c));
    }
    units_across_ = (width_ + 8 * most_horizontal_ - 1) / (8 * most_horizontal_);
    units_down_ = (height_ + 8 * most_vertical_ - 1) / (8 * most_vertical_);
    for (Component& c : components_) {
      expect(most_horizontal_ % c.horizontal == 0 && most_vertical_ % c.vertical == 0, "the sampling of a JPEG");
      c.columns = units_across_ * c.horizontal * 8;
      c.plane.height = (height_ * c.vertical + most_vertical_ - 1) / most_vertical_;
      c.plane.width = (width_ * c.horizontal + most_horizontal_ - 1) / most_horizontal_;
      c.plane.samples.assign(size_t(c.columns * units_down_ * c.vertical * 8), 0);
    }
  }

  void read_scan(Reader& in) {
    const uint32_t count = in.u8();
    std::vector<Component*> scanned;
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t id = in.u8(), tables = in.u8();
      const auto found = std::find_if(components_.begin(), components_.end(), [&](auto& c) { return c.id == id; });
      expect(found != components_.end() && !found->scanned && tables >> 4 < 4 && (tables & 15) < 4, "a scan");
      found->dc_table = tables >> 4, found->ac_table = tables & 15;
      found->scanned = true;
      scanned.push_back(&*found);
    }
    expect(in.u8() == 0 && in.u8() == 63 && in.u8() == 0 && !scanned.empty(), "a progressive scan");
    BitReader bits(in_);
    // A scan of one component holds the blocks that it has samples for, else of whole units of all.
    const bool single = scanned.size() == 1;
    const int64_t across = single ? (scanned[0]->plane.width + 7) / 8 : units_across_;
    const int64_t down = single ? (scanned[0]->plane.height + 7) / 8 : units_down_;
    for (int64_t unit = 0; unit < across * down; ++unit) {
      if (interval_ > 0 && unit > 0 && unit % interval_ == 0) {
        bits.restart();
        for (Component* c : scanned) c->dc = 0;
      }
      const int64_t x = unit % across, y = unit / across;
      for (Component* c : scanned)
        for (int64_t v = 0; v < (single ? 1 : c->vertical); ++v)
          for (int64_t h = 0; h < (single ? 1 : c->horizontal); ++h)
            read_block(bits, *c, single ? y : y * c->vertical + v, single ? x : x * c->horizontal + h);
    }
  }

  const HuffmanTable& table(size_t kind, uint32_t index) const {
    expect(huffman_[kind][index].has_value(), "a Huffman table is missing");
    return *huffman_[kind][index];
  }

  void read_block(BitReader& bits, Component& c, int64_t block_row, int64_t block_column) {
    const auto& steps = quantization_[c.quantization];
    std::array<int64_t, 64> coefficients{};
    const uint32_t dc_size = table(0, c.dc_table).read(bits);
    expect(dc_size <= 11, "the size of a difference");
    c.dc += bits.number(dc_size);
    expect(c.dc >= -32768 && c.dc <= 32767, "a coefficient out of range");
    coefficients[0] = c.dc * steps[0];
    for (size_t k = 1; k < 64; ++k) {
      const uint32_t symbol = table(1, c.ac_table).read(bits), size = symbol & 15;
      if (size == 0 && symbol != 0xF0) break;
      k += symbol >> 4;
      if (size == 0) continue;
      expect(k < 64, "more coefficients than a block has");
      coefficients[zigzag[k]] = bits.number(size) * steps[zigzag[k]];
    }
    std::array<uint8_t, 64> samples{};
    inverse_cosine(coefficients, samples);
    for (int64_t row = 0; row < 8; ++row)
      std::copy_n(samples.begin() + row * 8, 8,
                  c.plane.samples.begin() + (block_row * 8 + row) * c.columns + block_column * 8);
  }

  bool all_scanned() const {
    return !components_.empty() &&
           std::all_of(components_.begin(), components_.end(), [](auto& c) { return c.scanned; });
  }

  // The samples that belong to the image, without the rest of the last blocks.
  static Plane cropped(const Component& c) {
    Plane plane{c.plane.height, c.plane.width, {}};
    plane.samples.reserve(size_t(plane.height * plane.width));
    for (int64_t row = 0; row < plane.height; ++row) {
      const auto start = c.plane.samples.begin() + row * c.columns;
      plane.samples.insert(plane.samples.end(), start, start + plane.width);
    }
    return plane;
  }

  Image assemble() {
    expect(all_scanned(), "a component is missing");
    Image image(height_, width_, file_.size() * 8 * 64);
    std::vector<Plane> planes;
    for (const Component& c : components_)
      planes.push_back(
          upsampled(cropped(c), most_vertical_ / c.vertical, most_horizontal_ / c.horizontal, height_, width_));
    for (int64_t y = 0; y < height_; ++y)
      for (int64_t x = 0; x < width_; ++x) {
        uint8_t* out = image.pixel(y, x);
        const int first = planes[0].at(y, x);
        if (planes.size() == 1)
          out[0] = out[1] = out[2] = uint8_t(first);
        else if (is_rgb_)
          out[0] = uint8_t(first), out[1] = planes[1].at(y, x), out[2] = planes[2].at(y, x);
        else
          ycc_to_rgb(first, planes[1].at(y, x), planes[2].at(y, x), out);
      }
    return image;
  }

  Bytes file_;
  Reader in_;
  std::array<std::array<uint32_t, 64>, 4> quantization_{};
  std::array<std::array<std::optional<HuffmanTable>, 4>, 2> huffman_;
  std::vector<Component> components_;
  int64_t height_ = 0, width_ = 0, units_across_ = 0, units_down_ = 0;
  uint32_t most_horizontal_ = 1, most_vertical_ = 1;
  int64_t interval_ = 0;
  bool is_rgb_ = false;
};

}  // namespace

Image decode_jpeg(Bytes file) { return Decoder(file).run(); }

}  // namespace sardonyx::ops::image
