// Debian's image libraries. Nothing links to them: a library is opened when the first image of its format is decoded,
// and stays open for the life of the process. Their headers give the types of functions when the library is built.
#pragma once

namespace sardonyx::ops::image {

struct LibraryName {
  const char *format, *file, *package;
};
inline constexpr LibraryName jpeg_library{"JPEG", "libturbojpeg.so.0", "libturbojpeg0"},
    jpeg2000_library{"JPEG 2000", "libopenjp2.so.7", "libopenjp2-7"},
    png_library{"PNG", "libpng16.so.16", "libpng16-16"}, tiff_library{"TIFF", "libtiff.so.6", "libtiff6"},
    webp_library{"WebP", "libwebp.so.7", "libwebp7"};

// The address of a function; becomes a pointer to a function of any type.
struct Symbol {
  void* address;

  template <class F>
  operator F*() const {
    return reinterpret_cast<F*>(address);
  }
};

// An open library. The decoders keep one each, with the functions that they call, in a static that C++ initialises for
// the first caller; later ones try again when that fails.
class Library {
 public:
  // Throws Error(NoSystemResources), which names the format, the file and the package to install.
  explicit Library(const LibraryName& name);
  // Throws the same where the library, too old perhaps, lacks the function.
  Symbol operator[](const char* function) const;

 private:
  [[noreturn]] void refuse() const;

  LibraryName name_;
  void* handle_;
};

}  // namespace sardonyx::ops::image
