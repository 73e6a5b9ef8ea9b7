// Headers of JPEG 2000, read before a library sees them.
#pragma once
#include "compiler/ops/image/image.h"

namespace sardonyx::ops::image {

struct Jpeg2000Size {
  int64_t height = 0, width = 0;
};

// The size of the image in a JP2 file or a bare codestream. Throws DecodeError for headers that announce what the file
// cannot hold (tiles, layers) or what nobody writes (more than four components, precincts of a few pixels), since
// OpenJPEG would make room for it before it misses the data; and for markers beyond part 1 of the standard.
Jpeg2000Size check_jpeg2000(Bytes file);

}  // namespace sardonyx::ops::image
