// Image files of every format to pixels, bombs, and what is left of files after damage.
#include "compiler/ops/image/image.h"

#include <random>
#include <thread>

#include "compiler/ops/image/library.h"
#include "tests/compiler/ops/image_files.h"
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops::image {
namespace {

void expect_pixels(const Image& image, int64_t height, int64_t width, const File& rgb) {
  EXPECT_EQ(image.height, height);
  EXPECT_EQ(image.width, width);
  EXPECT_EQ(image.rgb, rgb);
}

// Every file must be refused with a message that contains `text`.
void expect_refusal(const File& file, const std::string& text) {
  try {
    const Image image = decode(file);
    ADD_FAILURE() << "an image of " << image.height << " x " << image.width << " pixels instead of: " << text;
  } catch (const DecodeError& error) {
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
  }
}

File patched(File file, size_t at, const File& bytes) {
  std::copy(bytes.begin(), bytes.end(), file.begin() + std::ptrdiff_t(at));
  return file;
}

// Where `bytes` begin in the file.
size_t position(const File& file, const File& bytes) {
  return size_t(std::search(file.begin(), file.end(), bytes.begin(), bytes.end()) - file.begin());
}

const File six = {1, 2, 3, 40, 50, 60, 70, 80, 90, 101, 102, 103, 254, 255, 0, 7, 77, 177};  // 3 x 2 pixels

Jpeg2000 jpeg2000_of_six() {
  Jpeg2000 result{.width = 3, .height = 2, .components = std::vector<Jpeg2000::Component>(3)};
  for (size_t i = 0; i < six.size(); ++i) result.components[i % 3].samples.push_back(six[i]);
  return result;
}

// One file at least for every way through the decoders.
std::vector<File> all_kinds() {
  Jpeg2000 stream = jpeg2000_of_six(), chroma{2, 2, {}, OPJ_CLRSPC_SYCC};
  stream.format = OPJ_CODEC_J2K;
  chroma.components = {{{9, 8, 7, 6}}, {{100}, 8, 2}, {{200}, 8, 2}};
  File ramp(32 * 32 * 3);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = uint8_t(i * i / 7);
  return {
      text("P3 1 2 255 1 2 3 4 5 6 "),
      bmp(2, -1, 4, {1, 2, 3, 0, 4, 5, 6, 0}, {0x10, 0, 0, 0}),
      Png{2, 2, 8, 0, {1, 5, 5, 2, 1, 1}}.file(),
      Png{1, 1, 16, 6, {0, 1, 0, 2, 0, 3, 0, 4, 0}}.file(),
      Png{2, 1, 1, 3, {0, 0x40}, chunk("PLTE", {1, 2, 3, 4, 5, 6})}.file(),
      tiny_jpeg(),
      tiny_jpeg(true),
      jpeg(32, 32, ramp, TJPF_RGB, TJSAMP_420, TJFLAG_PROGRESSIVE),
      jpeg(16, 16, ramp, TJPF_CMYK, TJSAMP_444),
      Tiff{3, 2, 3, 8, PHOTOMETRIC_RGB, six}.file(),
      Tiff{32, 32, 3, 8, PHOTOMETRIC_RGB, ramp, COMPRESSION_LZW}.file(),
      Tiff{32, 32, 3, 8, PHOTOMETRIC_RGB, ramp, COMPRESSION_ADOBE_DEFLATE, ORIENTATION_LEFTBOT}.file(),
      Tiff{32, 32, 1, 1, PHOTOMETRIC_MINISWHITE, File(ramp.begin(), ramp.begin() + 128), COMPRESSION_CCITTFAX4}.file(),
      Tiff{16, 16, 3, 8, PHOTOMETRIC_RGB, File(ramp.begin(), ramp.begin() + 768), COMPRESSION_JPEG}.file(),
      webp(3, 2, six),
      webp(32, 32, ramp),
      webp(16, 16, ramp, true),
      jpeg2000_of_six().file(),
      stream.file(),
      chroma.file()};
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
  expect_refusal(bmp(2, -1, 4, {1, 2, 3, 0}, {0x10, 0, 0, 0}), "BMP: a colour beyond the palette");
}

TEST(ImageFiles, Pngs) {
  const File palette = chunk("PLTE", {1, 2, 3, 4, 5, 6});
  expect_pixels(decode(Png{2, 2, 8, 0, {1, 5, 5, 2, 1, 1}}.file()), 2, 2, {5, 5, 5, 10, 10, 10, 6, 6, 6, 11, 11, 11});
  expect_pixels(decode(Png{1, 1, 16, 2, {0, 1, 1, 2, 2, 254, 254}}.file()), 1, 1, {1, 2, 254});
  expect_pixels(decode(Png{2, 1, 2, 0, {0, 0x70}}.file()), 1, 2, {85, 85, 85, 255, 255, 255});
  expect_pixels(decode(Png{2, 1, 1, 3, {0, 0x40}, palette}.file()), 1, 2, {1, 2, 3, 4, 5, 6});
  expect_pixels(decode(Png{2, 1, 8, 0, {0, 7, 0, 9}, {}, 1}.file()), 1, 2, {7, 7, 7, 9, 9, 9});
  expect_pixels(decode(Png{2, 1, 1, 3, {0, 0x40}, chunk("PLTE", {1, 2, 3})}.file()), 1, 2, {1, 2, 3, 0, 0, 0});
  expect_refusal(Png{2, 2, 8, 0, {1, 5, 5}}.file(), "PNG: ");  // rows are missing
  expect_refusal(Png{1, 1, 8, 0, {9, 5}}.file(), "PNG: bad adaptive filter value");
  expect_refusal(Png{1, 1, 8, 2, {0, 1, 2, 3}, chunk("ABCD", {})}.file(), "PNG: ABCD: unhandled critical chunk");
  File checksum = Png{1, 1, 8, 0, {0, 5}}.file();
  checksum[checksum.size() - 13] ^= 1;
  expect_refusal(checksum, "PNG: IDAT: CRC error");
}

TEST(ImageFiles, PngColoursAreThoseStored) {
  File gamma;
  put_big(gamma, 100000);  // linear light
  const File transparent = chunk("tRNS", {0, 1, 0, 2, 0, 3});
  expect_pixels(decode(Png{1, 1, 8, 2, {0, 1, 2, 3}, chunk("gAMA", gamma)}.file()), 1, 1, {1, 2, 3});
  expect_pixels(decode(Png{1, 1, 8, 2, {0, 1, 2, 3}, transparent}.file()), 1, 1, {1, 2, 3});
  expect_pixels(decode(Png{1, 1, 8, 6, {0, 100, 2, 3, 0}}.file()), 1, 1, {100, 2, 3});
  expect_pixels(decode(Png{1, 1, 8, 4, {0, 100, 9}}.file()), 1, 1, {100, 100, 100});
  expect_pixels(decode(Png{1, 1, 16, 6, {0, 100, 100, 2, 2, 3, 3, 0, 0}}.file()), 1, 1, {100, 2, 3});
}

TEST(ImageFiles, Jpegs) {
  expect_pixels(decode(tiny_jpeg()), 8, 8, File(192, 138));           // 128 + 80 / 8
  expect_pixels(decode(tiny_jpeg(true)), 8, 24, File(3 * 192, 138));  // sampling factors that have no name
  const File grey(64, 77);
  expect_pixels(decode(jpeg(8, 8, grey, TJPF_GRAY, TJSAMP_GRAY)), 8, 8, File(192, 77));
  File colour, inks;
  for (int i = 0; i < 16 * 16; ++i) put(colour, {200, 100, 50}), put(inks, {255, 155, 55, 205});  // no ink is 255
  for (const int flags : {0, TJFLAG_PROGRESSIVE}) {
    const Image image = decode(jpeg(16, 16, colour, TJPF_RGB, TJSAMP_420, flags));
    for (size_t i = 0; i < colour.size(); ++i) ASSERT_NEAR(image.rgb[i], colour[i], 1);
  }
  const Image image = decode(jpeg(16, 16, inks, TJPF_CMYK, TJSAMP_444));
  EXPECT_NEAR(image.rgb[0], 205, 1);
  EXPECT_NEAR(image.rgb[1], 155 * 205 / 255, 1);
  EXPECT_NEAR(image.rgb[2], 55 * 205 / 255, 1);
  File ends_early = jpeg(16, 16, colour, TJPF_RGB, TJSAMP_444);
  ends_early.resize(ends_early.size() - 10);
  expect_refusal(ends_early, "JPEG: Premature end of JPEG file");
  File lossless = tiny_jpeg();
  lossless[position(lossless, {0xFF, 0xC0}) + 1] = 0xC3;
  expect_refusal(lossless, "JPEG: Unsupported JPEG process: SOF type 0xc3");
}

TEST(ImageFiles, ChromaIsInterpolated) {
  // Two chroma samples, 100 and 200, of four pixels: ONNX's text puts pixels at quarters between them.
  File chroma;
  for (int row = 0; row < 8; ++row)
    for (int i = 0; i < 16; ++i) i < 8 ? put(chroma, {128, 128, 228}) : put(chroma, {128, 128, 28});
  Image image = decode(jpeg(16, 8, chroma, TJPF_RGB, TJSAMP_422));
  const int left = image.pixel(0, 0)[2], right = image.pixel(0, 15)[2];
  ASSERT_GT(left, right + 100);
  EXPECT_NEAR(image.pixel(0, 7)[2], (3 * left + right) / 4, 8);
  EXPECT_NEAR(image.pixel(0, 8)[2], (left + 3 * right) / 4, 8);
}

TEST(ImageFiles, Tiffs) {
  for (const uint16_t compression :
       {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_PACKBITS})
    expect_pixels(decode(Tiff{3, 2, 3, 8, PHOTOMETRIC_RGB, six, compression}.file()), 2, 3, six);
  expect_pixels(decode(Tiff{2, 1, 1, 8, PHOTOMETRIC_MINISWHITE, {0, 254}}.file()), 1, 2, {255, 255, 255, 1, 1, 1});
  expect_pixels(decode(Tiff{3, 1, 1, 1, PHOTOMETRIC_MINISWHITE, {0x40}, COMPRESSION_CCITTFAX4}.file()), 1, 3,
                {255, 255, 255, 0, 0, 0, 255, 255, 255});
  expect_pixels(decode(Tiff{1, 1, 3, 16, PHOTOMETRIC_RGB, {1, 1, 2, 2, 250, 250}}.file()), 1, 1, {1, 2, 250});
  expect_pixels(decode(Tiff{1, 1, 4, 8, PHOTOMETRIC_SEPARATED, {0, 255, 100, 0}}.file()), 1, 1, {255, 0, 155});
  std::vector<uint16_t> palette(3 * 256);
  palette[5] = 0x0100, palette[256 + 5] = 0x0200, palette[512 + 5] = 0xFF00;
  Tiff indices{2, 1, 1, 8, PHOTOMETRIC_PALETTE, {5, 0}};
  indices.palette = palette;
  expect_pixels(decode(indices.file()), 1, 2, {1, 2, 255, 0, 0, 0});
  File square;
  for (int i = 0; i < 16 * 16; ++i) put(square, {i, 2, 3});
  Tiff tiles{16, 16, 3, 8, PHOTOMETRIC_RGB, square};
  tiles.tiled = true;
  expect_pixels(decode(tiles.file()), 16, 16, square);
}

TEST(ImageFiles, TiffColoursAreThoseStored) {
  for (const int kind : {EXTRASAMPLE_ASSOCALPHA, EXTRASAMPLE_UNASSALPHA, EXTRASAMPLE_UNSPECIFIED}) {
    Tiff file{1, 1, 4, 8, PHOTOMETRIC_RGB, {100, 50, 3, 10}};
    file.extra = kind;
    expect_pixels(decode(file.file()), 1, 1, {100, 50, 3});
    file.samples = 2, file.photometric = PHOTOMETRIC_MINISBLACK, file.pixels = {100, 10};
    expect_pixels(decode(file.file()), 1, 1, {100, 100, 100});
  }
}

TEST(ImageFiles, TiffsAreTurnedUpright) {
  // Of a row of three above another: where the stored pixels 0 to 5 end up.
  const std::vector<std::vector<int>> upright = {{0, 1, 2, 3, 4, 5}, {2, 1, 0, 5, 4, 3}, {5, 4, 3, 2, 1, 0},
                                                 {3, 4, 5, 0, 1, 2}, {0, 3, 1, 4, 2, 5}, {3, 0, 4, 1, 5, 2},
                                                 {5, 2, 4, 1, 3, 0}, {2, 5, 1, 4, 0, 3}};
  for (uint16_t orientation = 1; orientation <= 8; ++orientation) {
    SCOPED_TRACE(orientation);
    File expected;
    for (const int pixel : upright[orientation - 1u]) put(expected, {pixel, pixel, pixel});
    const Image image =
        decode(Tiff{3, 2, 1, 8, PHOTOMETRIC_MINISBLACK, {0, 1, 2, 3, 4, 5}, COMPRESSION_NONE, orientation}.file());
    orientation <= 4 ? expect_pixels(image, 2, 3, expected) : expect_pixels(image, 3, 2, expected);
  }
}

TEST(ImageFiles, Webps) {
  expect_pixels(decode(webp(3, 2, six)), 2, 3, six);
  expect_pixels(decode(webp(1, 1, {100, 2, 3, 9}, true)), 1, 1, {100, 2, 3});
  File ends_early = webp(3, 2, six);
  ends_early.resize(ends_early.size() - 4);
  expect_refusal(ends_early, "WebP: the file ends early");
  File animated = text("RIFF");
  put_little(animated, 22, 4);
  put(animated, text("WEBPVP8X"));
  put_little(animated, 10, 4), put_little(animated, 2, 4), put_little(animated, 0, 6);
  expect_refusal(animated, "WebP: ");
}

TEST(ImageFiles, Jpegs2000) {
  for (const auto format : {OPJ_CODEC_JP2, OPJ_CODEC_J2K}) {
    Jpeg2000 rgb = jpeg2000_of_six();
    rgb.format = format;
    expect_pixels(decode(rgb.file()), 2, 3, six);
  }
  const Jpeg2000 grey{2, 1, {{{0, 65535}, 16}, {{0, 0}, 8, 1, true}}, OPJ_CLRSPC_GRAY};
  expect_pixels(decode(grey.file()), 1, 2, {0, 0, 0, 255, 255, 255});
  const Jpeg2000 alpha{1, 1, {{{100}}, {{50}}, {{3}}, {{0}, 8, 1, true}}};
  expect_pixels(decode(alpha.file()), 1, 1, {100, 50, 3});
  const Jpeg2000 chroma{2, 2, {{{9, 80, 70, 60}}, {{128}, 8, 2}, {{228}, 8, 2}}, OPJ_CLRSPC_SYCC};
  expect_pixels(decode(chroma.file()), 2, 2, {149, 0, 9, 220, 9, 80, 210, 0, 70, 200, 0, 60});
}

// Headers that ask for more than the file can hold are refused before anything is made for them.
TEST(ImageFiles, BombsAreRefused) {
  const std::string size = "out of range";
  expect_refusal(text("P6 30000 30000 255\n"), "PNM: the size of 30000 x 30000 pixels is out of range");
  expect_refusal(bmp(60000, 60000, 1, {0, 0, 0, 0}, {}), size);
  expect_refusal(Png{50000, 50000, 1, 0, {0, 0}}.file(), size);
  const File picture = tiny_jpeg();
  expect_refusal(patched(picture, position(picture, {0xFF, 0xC0}) + 5, {0xFF, 0, 0xFF, 0}), size);
  Tiff tiff{3, 2, 3, 8, PHOTOMETRIC_RGB, six};
  const File strip = tiff.file();
  const size_t width = position(strip, {0, 1, 3, 0, 1, 0, 0, 0, 3, 0});
  ASSERT_LT(width, strip.size());
  expect_refusal(patched(patched(strip, width + 8, {255, 255}), width + 20, {255, 255}), size);
  tiff.tiled = true;
  tiff.pixels.resize(768);
  const File tile = tiff.file();
  const size_t tile_width = position(tile, {0x42, 1, 3, 0, 1, 0, 0, 0, 16, 0});
  ASSERT_LT(tile_width, tile.size());
  expect_refusal(patched(patched(tile, tile_width + 8, {0xF0, 255}), tile_width + 20, {0xF0, 255}), "TIFF: ");
  File lossless = webp(3, 2, six);
  expect_refusal(patched(lossless, position(lossless, {0x2F}) + 1, {255, 255, 255, 15}), size);
  expect_refusal(text("GIF89a"), "the format is unknown");
}

TEST(ImageFiles, Jpeg2000BombsAreRefused) {
  Jpeg2000 six_pixels = jpeg2000_of_six();
  six_pixels.format = OPJ_CODEC_J2K;
  six_pixels.precincts = 16;
  const File file = six_pixels.file();
  expect_pixels(decode(file), 2, 3, six);
  constexpr size_t siz = 2, width = siz + 6, tile_width = siz + 22, components = siz + 38;
  expect_refusal(patched(file, width, {0, 1, 0, 0, 0, 1, 0, 0}), "more tiles than the file can hold");
  expect_refusal(patched(file, tile_width, {0, 0, 0, 0}), "the size of tiles");
  expect_refusal(patched(file, components, {64, 0}), "the number of components");
  const size_t style = position(file, {0xFF, 0x52});
  ASSERT_EQ(file[style + 14], 0x44);
  expect_refusal(patched(file, style + 6, {255, 255}), "more packets than the file can hold");
  const File large = patched(patched(file, width, {0, 1, 0, 0, 0, 1, 0, 0}), tile_width, {0, 1, 0, 0, 0, 1, 0, 0});
  expect_refusal(large, "more packets than the file can hold");
  expect_refusal(patched(large, style + 14, {255}), "the size of 65536 x 65536 pixels is out of range");
  expect_refusal(patched(file, style + 10, {0, 0}), "code blocks of less than 256 samples");
  expect_refusal(patched(file, components + 3, {2}), "a first component of fewer samples than others");
  expect_refusal(patched(file, style, {0xFF, 0x75}), "a marker beyond part 1");
  const size_t part = position(file, {0xFF, 0x90});
  expect_refusal(patched(file, part + 6, {0, 0, 0, 12}), "the length of a tile");
  File styled = file;  // the tile has the main header's coding style again
  styled.insert(styled.begin() + std::ptrdiff_t(part + 12), file.begin() + std::ptrdiff_t(style),
                file.begin() + std::ptrdiff_t(style + 15));
  expect_refusal(styled, "a tile with a coding style of its own");
}

TEST(ImageFiles, UncommonCompressionsOfTiffAreRefused) {
  const File file = Tiff{3, 2, 3, 8, PHOTOMETRIC_RGB, six}.file();
  const size_t compression = position(file, {3, 1, 3, 0, 1, 0, 0, 0, 1, 0});
  ASSERT_LT(compression, file.size());
  const uint16_t jbig = COMPRESSION_JBIG;
  expect_refusal(patched(file, compression + 8, {uint8_t(jbig), uint8_t(jbig >> 8)}), "a compression that is not read");
}

// Files with bytes or bits changed, or cut off, are refused or give some image. Nothing is read or written outside, and
// nothing is printed.
void damage(const std::vector<File>& files, int rounds, uint32_t seed) {
  std::mt19937 random(seed);
  for (const File& file : files)
    for (int round = 0; round < rounds; ++round) {
      File damaged = file;
      for (uint32_t i = random() % 4; i > 0; --i) damaged[random() % damaged.size()] = uint8_t(random());
      for (uint32_t i = random() % 4; i > 0; --i) damaged[random() % damaged.size()] ^= uint8_t(1u << random() % 8);
      if (random() % 4 == 0) damaged.resize(random() % damaged.size());
      try {
        const Image image = decode(damaged);
        EXPECT_EQ(image.rgb.size(), size_t(image.height * image.width * 3));
      } catch (const DecodeError& error) {
        EXPECT_NE(error.what(), std::string());
      }
    }
}

TEST(ImageFiles, SurviveDamage) {
  const std::vector<File> files = all_kinds();
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  damage(files, 1000, 7);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(ImageFiles, AreDecodedOnManyThreads) {
  const std::vector<File> files = all_kinds();
  std::vector<Image> alone;
  for (const File& file : files) alone.push_back(decode(file));
  std::vector<std::thread> threads;
  for (uint32_t seed = 0; seed < 4; ++seed)
    threads.emplace_back([&, seed] {
      damage(files, 20, seed);
      for (size_t i = 0; i < files.size(); ++i) EXPECT_EQ(decode(files[i]).rgb, alone[i].rgb) << i;
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(ImageLibraries, NameWhatIsMissing) {
  expect_error(Status::NoSystemResources, {"WebP", "libwebp.so.999", "package libwebp999", "install"}, [] {
    Library({"WebP", "libwebp.so.999", "libwebp999"});
  });
  expect_error(Status::NoSystemResources, {"PNG", "png_none", "libpng16-16"},
               [] { static_cast<void>(Library(png_library)["png_none"]); });
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
