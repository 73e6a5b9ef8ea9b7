// Headers of JPEG 2000, read before a library sees them.
#pragma once
#include "compiler/ops/image/image.h"

namespace sardonyx::ops::image {

struct Jpeg2000Size {
  int64_t height = 0, width = 0;
};

// The size of the image in a JP2 file or a bare codestream. Throws DecodeError for headers that announce tiles or
// packets which the file cannot hold, since OpenJPEG would make room for them before it misses the data, and for what
// makes such counting hard and nobody writes: more than four components, tiny code blocks, coding styles of single
// tiles, markers beyond part 1 of the standard.
Jpeg2000Size check_jpeg2000(Bytes file);

}  // namespace sardonyx::ops::image
