// Small image files for tests: BMP, PNG and odd ones written byte by byte, the others by the formats' own libraries.
#pragma once
#include <openjpeg.h>
#include <tiffio.h>
#include <turbojpeg.h>
#include <webp/encode.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace sardonyx::ops::image {

using File = std::vector<uint8_t>;

inline File text(const std::string& s) { return {s.begin(), s.end()}; }
inline void put(File& file, std::initializer_list<int> bytes) {
  for (int byte : bytes) file.push_back(uint8_t(byte));
}
inline void put(File& file, const File& bytes) { file.insert(file.end(), bytes.begin(), bytes.end()); }
inline void put_big(File& file, uint32_t value) {
  put(file, {int(value >> 24), int(value >> 16 & 255), int(value >> 8 & 255), int(value & 255)});
}
inline void put_little(File& file, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) file.push_back(i < 4 ? uint8_t(value >> (8 * i)) : 0);
}

inline File bmp(int width, int height, int bits, const File& palette, const File& rows) {
  File file = text("BM");
  put_little(file, 0, 8), put_little(file, uint32_t(54 + palette.size()), 4), put_little(file, 40, 4);
  put_little(file, uint32_t(width), 4), put_little(file, uint32_t(height), 4), put_little(file, 1, 2);
  put_little(file, uint32_t(bits), 2), put_little(file, 0, 12);
  put_little(file, 0, 4), put_little(file, uint32_t(palette.size() / 4), 4), put_little(file, 0, 4);
  put(file, palette);
  put(file, rows);
  return file;
}

// A chunk of a PNG with its checksum.
inline File chunk(const std::string& name, const File& data) {
  File file, checked = text(name);
  put(checked, data);
  uint32_t checksum = ~0u;
  for (uint8_t byte : checked) {
    checksum ^= byte;
    for (int bit = 0; bit < 8; ++bit) checksum = checksum >> 1 ^ (checksum & 1 ? 0xEDB88320u : 0u);
  }
  put_big(file, uint32_t(data.size()));
  put(file, checked);
  put_big(file, ~checksum);
  return file;
}

// A zlib stream of one stored block.
inline File stored(const File& data) {
  File stream;
  put(stream, {0x78, 0x01, 1});
  put_little(stream, uint32_t(data.size()), 2);
  put_little(stream, ~uint32_t(data.size()) & 0xFFFF, 2);
  put(stream, data);
  uint32_t low = 1, high = 0;
  for (uint8_t byte : data) low = (low + byte) % 65521, high = (high + low) % 65521;
  put_big(stream, high << 16 | low);
  return stream;
}

struct Png {
  int width, height, depth, colour;
  File rows;        // each after the number of its filter
  File extra = {};  // chunks before the pixels, a palette among them
  int interlaced = 0;

  File file() const {
    File header, file = text("\x89PNG\r\n\x1a\n");
    put_big(header, uint32_t(width)), put_big(header, uint32_t(height));
    put(header, {depth, colour, 0, 0, interlaced});
    for (const File& part : {chunk("IHDR", header), extra, chunk("IDAT", stored(rows)), chunk("IEND", {})})
      put(file, part);
    return file;
  }
};

// 8 x 8 grey pixels of a JPEG: one block whose only coefficient is 8 * 10. With chroma, 24 x 8 pixels that are three
// such blocks side by side, and one block of zeros for each chroma, of a third of their width.
inline File tiny_jpeg(bool chroma = false) {
  File file;
  put(file, {0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0});
  file.insert(file.end(), 64, 8);
  put(file, {0xFF, 0xC0, 0, chroma ? 17 : 11, 8, 0, 8, 0, chroma ? 24 : 8});
  chroma ? put(file, {3, 1, 0x31, 0, 2, 0x11, 0, 3, 0x11, 0}) : put(file, {1, 1, 0x11, 0});
  // Codes of differences: 0 for one of four bits, 10 for none. Codes of coefficients: 0 for the end of a block.
  put(file, {0xFF, 0xC4, 0, 21, 0, 1, 1});
  file.insert(file.end(), 14, 0);
  put(file, {4, 0, 0xFF, 0xC4, 0, 20, 0x10, 1});
  file.insert(file.end(), 15, 0);
  put(file, {0, 0xFF, 0xDA, 0, chroma ? 12 : 8});
  chroma ? put(file, {3, 1, 0, 2, 0, 3, 0, 0, 63, 0, 0b01010010, 0b01001001, 0b00111111})
         : put(file, {1, 1, 0, 0, 63, 0, 0b01010011});
  put(file, {0xFF, 0xD9});
  return file;
}

// `format` and `subsampling` as TurboJPEG names them.
inline File jpeg(int width, int height, const File& pixels, int format, int subsampling, int flags = 0) {
  const tjhandle encoder = tjInitCompress();
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  check(tjCompress2(encoder, pixels.data(), width, 0, height, format, &bytes, &size, subsampling, 100, flags) == 0,
        tjGetErrorStr2(encoder));
  const File file(bytes, bytes + size);
  tjFree(bytes);
  tjDestroy(encoder);
  return file;
}

inline File webp(int width, int height, const File& pixels, bool alpha = false) {
  uint8_t* bytes = nullptr;
  const size_t size = alpha ? WebPEncodeLosslessRGBA(pixels.data(), width, height, width * 4, &bytes)
                            : WebPEncodeLosslessRGB(pixels.data(), width, height, width * 3, &bytes);
  const File file(bytes, bytes + size);
  WebPFree(bytes);
  return file;
}

// A file in memory that a library writes.
struct Written {
  File file;
  size_t at = 0;

  size_t write(const void* from, size_t size) {
    file.resize(std::max(file.size(), at + size));
    std::memcpy(file.data() + at, from, size);
    at += size;
    return size;
  }
  size_t read(void* to, size_t size) {
    size = std::min(size, file.size() - std::min(at, file.size()));
    std::memcpy(to, file.data() + at, size);
    at += size;
    return size;
  }
};

struct Tiff {
  uint32_t width, height;
  uint16_t samples, bits, photometric;
  File pixels;
  uint16_t compression = COMPRESSION_NONE, orientation = ORIENTATION_TOPLEFT;
  int extra = -1;                      // what the last sample is
  std::vector<uint16_t> palette = {};  // reds, greens and blues
  bool tiled = false;                  // in one tile of 16 x 16, filled from the pixels

  File file() const {
    Written out;
    TIFF* tiff = TIFFClientOpen(
        "test", "w", &out, [](thandle_t to, void* data, tmsize_t n) { return tmsize_t(of(to).read(data, size_t(n))); },
        [](thandle_t to, void* data, tmsize_t n) { return tmsize_t(of(to).write(data, size_t(n))); },
        [](thandle_t to, toff_t offset, int whence) {
          return toff_t(of(to).at = offset + (whence == SEEK_CUR   ? of(to).at
                                              : whence == SEEK_END ? of(to).file.size()
                                                                   : 0));
        },
        [](thandle_t) { return 0; }, [](thandle_t to) { return toff_t(of(to).file.size()); }, nullptr, nullptr);
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, width);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, height);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, samples);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, photometric);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, compression);
    TIFFSetField(tiff, TIFFTAG_ORIENTATION, orientation);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    if (const auto kind = uint16_t(extra); extra >= 0) TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &kind);
    if (const size_t third = palette.size() / 3; third > 0)
      TIFFSetField(tiff, TIFFTAG_COLORMAP, palette.data(), palette.data() + third, palette.data() + 2 * third);
    File data = pixels;
    if (tiled) {
      TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 16), TIFFSetField(tiff, TIFFTAG_TILELENGTH, 16);
      data.resize(size_t(TIFFTileSize(tiff)));
      check(TIFFWriteEncodedTile(tiff, 0, data.data(), tmsize_t(data.size())) >= 0, "a tile");
    } else {
      TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, height);
      check(TIFFWriteEncodedStrip(tiff, 0, data.data(), tmsize_t(data.size())) >= 0, "a strip");
    }
    TIFFClose(tiff);
    return out.file;
  }

 private:
  static Written& of(thandle_t handle) { return *static_cast<Written*>(handle); }
};

struct Jpeg2000 {
  uint32_t width, height;
  struct Component {
    std::vector<int32_t> samples;
    uint32_t bits = 8, step = 1;  // `step` pixels per sample in both directions
    bool alpha = false;
  };
  std::vector<Component> components;
  COLOR_SPACE colours = OPJ_CLRSPC_SRGB;
  OPJ_CODEC_FORMAT format = OPJ_CODEC_JP2;
  int precincts = 0;  // their size

  File file() const {
    std::vector<opj_image_cmptparm_t> sizes(components.size());
    for (size_t i = 0; i < sizes.size(); ++i) {
      const Component& component = components[i];
      sizes[i].dx = sizes[i].dy = component.step;
      sizes[i].w = (width + component.step - 1) / component.step,
      sizes[i].h = (height + component.step - 1) / component.step;
      sizes[i].prec = component.bits;
    }
    opj_image_t* image = opj_image_create(uint32_t(sizes.size()), sizes.data(), colours);
    image->x1 = width, image->y1 = height;
    for (size_t i = 0; i < sizes.size(); ++i) {
      std::copy(components[i].samples.begin(), components[i].samples.end(), image->comps[i].data);
      image->comps[i].alpha = components[i].alpha ? 1 : 0;
    }
    opj_cparameters_t parameters;
    opj_set_default_encoder_parameters(&parameters);
    parameters.tcp_numlayers = 1, parameters.cp_disto_alloc = 1;
    parameters.numresolution = 1;
    if (precincts > 0) {
      parameters.csty |= 1, parameters.res_spec = 1;
      parameters.prcw_init[0] = parameters.prch_init[0] = precincts;
    }
    opj_codec_t* codec = opj_create_compress(format);
    opj_stream_t* stream = opj_stream_default_create(OPJ_FALSE);
    Written out;
    opj_stream_set_user_data(stream, &out, nullptr);
    opj_stream_set_write_function(
        stream, [](void* data, OPJ_SIZE_T n, void* to) { return static_cast<Written*>(to)->write(data, n); });
    opj_stream_set_seek_function(stream, [](OPJ_OFF_T at, void* to) {
      static_cast<Written*>(to)->at = size_t(at);
      return OPJ_TRUE;
    });
    opj_stream_set_skip_function(stream, [](OPJ_OFF_T n, void* to) {
      static_cast<Written*>(to)->at += size_t(n);
      return n;
    });
    check(opj_setup_encoder(codec, &parameters, image) && opj_start_compress(codec, image, stream) &&
              opj_encode(codec, stream) && opj_end_compress(codec, stream),
          "JPEG 2000");
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    opj_image_destroy(image);
    return out.file;
  }
};

}  // namespace sardonyx::ops::image
