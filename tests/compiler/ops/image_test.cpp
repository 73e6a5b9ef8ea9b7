// Image files: small ones written here byte by byte, and what is left of them after damage.
#include "compiler/ops/image/image.h"

#include <random>

#include "compiler/ops/image/jpeg_transform.h"
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops::image {
namespace {

using File = std::vector<uint8_t>;

File text(const std::string& s) { return {s.begin(), s.end()}; }
void put(File& file, std::initializer_list<int> bytes) {
  for (int byte : bytes) file.push_back(uint8_t(byte));
}
void put_big(File& file, uint32_t value) {
  put(file, {int(value >> 24), int(value >> 16 & 255), int(value >> 8 & 255), int(value & 255)});
}
void put_little(File& file, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) file.push_back(i < 4 ? uint8_t(value >> (8 * i)) : 0);
}

File chunk(const char* name, const File& data) {
  File file;
  put_big(file, uint32_t(data.size()));
  file.insert(file.end(), name, name + 4);
  file.insert(file.end(), data.begin(), data.end());
  put_big(file, 0);
  return file;
}

// A zlib stream of one stored block.
File stored(const File& data) {
  File stream;
  put(stream, {0x78, 0x01, 1});
  put_little(stream, uint32_t(data.size()), 2);
  put_little(stream, ~uint32_t(data.size()) & 0xFFFF, 2);
  stream.insert(stream.end(), data.begin(), data.end());
  return stream;
}

File png(int width, int height, int depth, int colour, const File& rows, const File& palette = {}) {
  File header;
  put_big(header, uint32_t(width)), put_big(header, uint32_t(height));
  put(header, {depth, colour, 0, 0, 0});
  File file = text("\x89PNG\r\n\x1a\n");
  for (const File& part :
       {chunk("IHDR", header), chunk("PLTE", palette), chunk("IDAT", stored(rows)), chunk("IEND", {})})
    file.insert(file.end(), part.begin(), part.end());
  return file;
}

File bmp(int width, int height, int bits, const File& palette, const File& rows) {
  File file = text("BM");
  put_little(file, 0, 8), put_little(file, uint32_t(54 + palette.size()), 4), put_little(file, 40, 4);
  put_little(file, uint32_t(width), 4), put_little(file, uint32_t(height), 4), put_little(file, 1, 2);
  put_little(file, uint32_t(bits), 2), put_little(file, 0, 12);
  put_little(file, 0, 4), put_little(file, uint32_t(palette.size() / 4), 4), put_little(file, 0, 4);
  file.insert(file.end(), palette.begin(), palette.end());
  file.insert(file.end(), rows.begin(), rows.end());
  return file;
}

// 8 x 8 grey pixels: one block whose only coefficient is 8 * 10.
File jpeg() {
  File file;
  put(file, {0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0});
  file.insert(file.end(), 64, 8);
  put(file, {0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0});
  for (int kind : {0, 0x10}) {  // one code of one bit: a difference of 4 bits, and the end of a block
    put(file, {0xFF, 0xC4, 0, 20, kind, 1});
    file.insert(file.end(), 15, 0);
    put(file, {kind == 0 ? 4 : 0});
  }
  put(file, {0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0b01010011, 0xFF, 0xD9});
  return file;
}

File tiff() {
  File file = text("II*");
  put(file, {0});
  put_little(file, 8, 4), put_little(file, 6, 2);
  const auto entry = [&](uint32_t tag, uint32_t value) {
    put_little(file, tag, 2), put_little(file, 3, 2), put_little(file, 1, 4), put_little(file, value, 4);
  };
  entry(256, 2), entry(257, 1), entry(258, 8), entry(262, 1), entry(273, 86), entry(277, 1);
  put_little(file, 0, 4);
  put(file, {7, 9});
  return file;
}

void expect_pixels(const Image& image, int64_t height, int64_t width, const File& rgb) {
  EXPECT_EQ(image.height, height);
  EXPECT_EQ(image.width, width);
  EXPECT_EQ(image.rgb, rgb);
}

TEST(ImageFiles, PortableMaps) {
  expect_pixels(decode(text("P3 # a comment\n1 2\n255\n1 2 3 4 5 6\n")), 2, 1, {1, 2, 3, 4, 5, 6});
  expect_pixels(decode(text("P1 2 1 01")), 1, 2, {255, 255, 255, 0, 0, 0});
  expect_pixels(decode(text("P2 1 1 10 5")), 1, 1, {128, 128, 128});
  File raw = text("P6 1 1 255\n");
  put(raw, {9, 8, 7});
  expect_pixels(decode(raw), 1, 1, {9, 8, 7});
}

TEST(ImageFiles, Bitmaps) {
  expect_pixels(decode(bmp(1, 2, 24, {}, {1, 2, 3, 0, 4, 5, 6, 0})), 2, 1, {6, 5, 4, 3, 2, 1});  // from the bottom
  expect_pixels(decode(bmp(2, -1, 4, {1, 2, 3, 0, 4, 5, 6, 0}, {0x10, 0, 0, 0})), 1, 2, {6, 5, 4, 3, 2, 1});
  EXPECT_THROW(decode(bmp(2, -1, 4, {1, 2, 3, 0}, {0x10, 0, 0, 0})), DecodeError);
}

TEST(ImageFiles, Pngs) {
  expect_pixels(decode(png(2, 2, 8, 0, {1, 5, 5, 2, 1, 1})), 2, 2, {5, 5, 5, 10, 10, 10, 6, 6, 6, 11, 11, 11});
  expect_pixels(decode(png(1, 1, 16, 2, {0, 1, 99, 2, 99, 3, 99})), 1, 1, {1, 2, 3});
  expect_pixels(decode(png(2, 1, 1, 3, {0, 0x40}, {1, 2, 3, 4, 5, 6})), 1, 2, {1, 2, 3, 4, 5, 6});
  EXPECT_THROW(decode(png(2, 1, 1, 3, {0, 0x40}, {1, 2, 3})), DecodeError);  // beyond the palette
  EXPECT_THROW(decode(png(2, 2, 8, 0, {1, 5, 5})), DecodeError);             // rows are missing
  EXPECT_THROW(decode(png(1, 1, 8, 0, {9, 5})), DecodeError);                // unknown filter
}

TEST(ImageFiles, InflateReadsAllKindsOfBlocks) {
  // "aaaaaaaaaa" with the fixed code: a literal, a copy of nine from one byte before, the end.
  const File fixed = {0x78, 0x9C, 0x4B, 0x84, 0x03, 0x00, 0x14, 0xE1, 0x03, 0xCB};
  EXPECT_EQ(inflate(fixed, 100), File(10, 'a'));
  EXPECT_THROW(inflate(fixed, 9), DecodeError);
  EXPECT_EQ(inflate(stored({1, 2, 3}), 3), (File{1, 2, 3}));
}

TEST(ImageFiles, JpegsAndTiffs) {
  expect_pixels(decode(jpeg()), 8, 8, File(192, 138));  // 128 + 80 / 8
  expect_pixels(decode(tiff()), 1, 2, {7, 7, 7, 9, 9, 9});
}

TEST(ImageFiles, ChromaIsInterpolated) {
  const Plane plane{1, 3, {0, 100, 200}};
  EXPECT_EQ(upsampled(plane, 1, 2, 1, 6).samples, (File{0, 25, 75, 125, 175, 200}));
  EXPECT_EQ(upsampled(plane, 1, 2, 1, 5).samples, (File{0, 25, 75, 125, 175}));
  EXPECT_EQ(upsampled({1, 2, {0, 100}}, 2, 2, 2, 4).samples, (File{0, 0, 100, 100, 0, 0, 100, 100}));
}

// Files with bytes changed or cut off are refused or give some image; nothing is read or written outside.
TEST(ImageFiles, SurviveDamage) {
  std::mt19937 random(7);
  const File files[] = {text("P3 1 2 255 1 2 3 4 5 6 "), bmp(2, -1, 4, {1, 2, 3, 0, 4, 5, 6, 0}, {0x10, 0, 0, 0}),
                        png(2, 2, 8, 0, {1, 5, 5, 2, 1, 1}), jpeg(), tiff()};
  for (const File& file : files)
    for (int round = 0; round < 3000; ++round) {
      File damaged = file;
      for (uint32_t i = random() % 4; i > 0; --i) damaged[random() % damaged.size()] = uint8_t(random());
      if (random() % 4 == 0) damaged.resize(random() % damaged.size());
      try {
        const Image image = decode(damaged);
        EXPECT_EQ(image.rgb.size(), size_t(image.height * image.width * 3));
      } catch (const DecodeError&) {
      }
    }
}

TEST(ImageDecoder, GivesPixelsOrNone) {
  const auto decoded = [](const File& file, const char* format) {
    return run(OnnxCase{.op = "ImageDecoder",
                        .opset = 20,
                        .inputs = {Tensor::of<uint8_t>(DType::U8, {int64_t(file.size())}, std::span(file))},
                        .attributes = {{"pixel_format", std::string(format)}}})[0];
  };
  const File file = text("P3 1 1 255 100 50 200 ");
  expect_tensor(decoded(file, "RGB"), DType::U8, {1, 1, 3}, {100, 50, 200});
  expect_tensor(decoded(file, "BGR"), DType::U8, {1, 1, 3}, {200, 50, 100});
  expect_tensor(decoded(file, "Grayscale"), DType::U8, {1, 1, 1}, {82});
  expect_tensor(decoded(text("GIF89a"), "RGB"), DType::U8, {0, 0, 3}, {});
  expect_tensor(decoded({}, "Grayscale"), DType::U8, {0, 0, 1}, {});
  expect_error(Status::InvalidModel, {"CMYK"}, [&] { decoded(file, "CMYK"); });
}

}  // namespace
}  // namespace sardonyx::ops::image
