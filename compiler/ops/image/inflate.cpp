// Inflate (RFC 1951) of zlib streams (RFC 1950). The checksum at the end is not looked at.
#include <array>

#include "compiler/ops/image/image.h"

namespace sardonyx::ops::image {
namespace {

class BitReader {
 public:
  explicit BitReader(Bytes bytes) : in_(bytes, false) {}
  uint32_t bit() {
    if (left_ == 0) current_ = in_.u8(), left_ = 8;
    --left_;
    const uint32_t result = current_ & 1;
    current_ >>= 1;
    return result;
  }
  uint32_t bits(int count) {
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) value |= bit() << i;
    return value;
  }
  // The bytes behind the current one.
  Reader& aligned() {
    left_ = 0;
    return in_;
  }

 private:
  Reader in_;
  uint32_t current_ = 0;
  int left_ = 0;
};

// A canonical Huffman code: symbols in the order of their codes.
class Code {
 public:
  explicit Code(const std::vector<uint8_t>& lengths) {
    for (uint8_t length : lengths) ++counts_[length];
    counts_[0] = 0;
    int64_t free = 1;
    for (int length = 1; length <= 15; ++length) {
      free = free * 2 - counts_[size_t(length)];
      expect(free >= 0, "a Huffman code with too many symbols");
    }
    std::array<uint32_t, 16> next{};
    for (size_t length = 1; length < 15; ++length) next[length + 1] = next[length] + counts_[length];
    symbols_.resize(lengths.size());
    for (size_t symbol = 0; symbol < lengths.size(); ++symbol)
      if (lengths[symbol]) symbols_[next[lengths[symbol]]++] = uint16_t(symbol);
  }
  uint32_t read(BitReader& in) const {
    uint32_t code = 0, first = 0, index = 0;
    for (size_t length = 1; length <= 15; ++length) {
      code |= in.bit();
      const uint32_t count = counts_[length];
      if (code - first < count) return symbols_[index + (code - first)];
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw DecodeError("a code that no symbol has");
  }

 private:
  std::array<uint32_t, 16> counts_{};
  std::vector<uint16_t> symbols_;
};

constexpr uint16_t length_base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                    31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr uint8_t length_bits[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                   2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr uint16_t distance_base[] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                      33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                      1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};

void expand(BitReader& in, const Code& literals, const Code& distances, size_t limit, std::vector<uint8_t>& out) {
  while (true) {
    const uint32_t symbol = literals.read(in);
    if (symbol == 256) return;
    if (symbol < 256) {
      expect(out.size() < limit, "more data than the image has");
      out.push_back(uint8_t(symbol));
      continue;
    }
    expect(symbol < 257 + std::size(length_base), "a length that does not exist");
    const size_t length = length_base[symbol - 257] + in.bits(length_bits[symbol - 257]);
    const uint32_t code = distances.read(in);
    expect(code < std::size(distance_base), "a distance that does not exist");
    const size_t distance = distance_base[code] + in.bits(code < 2 ? 0 : int(code) / 2 - 1);
    expect(distance <= out.size() && length <= limit - out.size(), "a copy from before the start or beyond the end");
    for (size_t i = 0; i < length; ++i) out.push_back(out[out.size() - distance]);
  }
}

void expand_dynamic(BitReader& in, size_t limit, std::vector<uint8_t>& out) {
  const size_t literals = in.bits(5) + 257, distances = in.bits(5) + 1, count = in.bits(4) + 4;
  constexpr uint8_t order[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  std::vector<uint8_t> lengths(19, 0);
  for (size_t i = 0; i < count; ++i) lengths[order[i]] = uint8_t(in.bits(3));
  const Code code(lengths);
  lengths.clear();
  while (lengths.size() < literals + distances) {
    const uint32_t symbol = code.read(in);
    if (symbol < 16) {
      lengths.push_back(uint8_t(symbol));
      continue;
    }
    expect(symbol != 16 || !lengths.empty(), "a repeat of nothing");
    const uint8_t repeated = symbol == 16 ? lengths.back() : uint8_t{0};
    const size_t times = symbol == 16 ? 3 + in.bits(2) : symbol == 17 ? 3 + in.bits(3) : 11 + in.bits(7);
    lengths.insert(lengths.end(), times, repeated);
  }
  expect(lengths.size() == literals + distances, "code lengths that run over");
  const auto split = lengths.begin() + long(literals);
  expand(in, Code({lengths.begin(), split}), Code({split, lengths.end()}), limit, out);
}

std::vector<uint8_t> fixed_lengths() {
  std::vector<uint8_t> lengths(288, 8);
  for (size_t i = 144; i < 256; ++i) lengths[i] = 9;
  for (size_t i = 256; i < 280; ++i) lengths[i] = 7;
  return lengths;
}

}  // namespace

std::vector<uint8_t> inflate(Bytes stream, size_t limit) {
  expect(stream.size() > 2 && (stream[0] & 15) == 8 && (stream[1] & 32) == 0, "no zlib stream");
  BitReader in(stream.subspan(2));
  std::vector<uint8_t> out;
  bool last = false;
  while (!last) {
    last = in.bit() != 0;
    const uint32_t kind = in.bits(2);
    expect(kind < 3, "a block of unknown kind");
    if (kind == 1) {
      expand(in, Code(fixed_lengths()), Code(std::vector<uint8_t>(30, 5)), limit, out);
    } else if (kind == 2) {
      expand_dynamic(in, limit, out);
    } else {
      Reader& bytes = in.aligned();
      const uint32_t length = bytes.u16();
      expect((bytes.u16() ^ length) == 0xFFFF && length <= limit - out.size(), "a stored block");
      const Bytes data = bytes.take(length);
      out.insert(out.end(), data.begin(), data.end());
    }
  }
  return out;
}

}  // namespace sardonyx::ops::image
