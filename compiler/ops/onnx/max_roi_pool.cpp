// MaxRoiPool: the largest element of every bin of a region of interest, on the host (bins depend on the regions).
#include <algorithm>
#include <cmath>
#include <sstream>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/spatial.h"
#include "compiler/ops/onnx/versions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

struct Range {
  int64_t begin, end;
};

// Bin `index` of `bins` of a region [first, first + extent), cut to the image.
Range bin_of(double first, double extent, int64_t index, int64_t bins, int64_t length) {
  const double size = extent / double(bins);
  const auto cut = [&](double at) { return int64_t(std::clamp(at, 0.0, double(length))); };
  return {cut(std::floor(double(index) * size) + first), cut(std::ceil(double(index + 1) * size) + first)};
}

// Parameters: "height width scale". A region is [batch index, x1, y1, x2, y2]; bins without pixels are 0.
std::vector<Tensor> run(const std::string& parameters, std::span<const Tensor> operands) {
  int64_t height = 1, width = 1;
  double scale = 1;
  std::istringstream(parameters) >> height >> width >> scale;
  const Tensor &x = operands[0], &regions = operands[1];
  const Dims& dims = x.dims();
  require(regions.dims()[1] == 5, Status::MismatchingShape, "MaxRoiPool of regions [", join(regions.dims(), ","), "]");
  Tensor result(x.dtype(), {regions.dims()[0], dims[1], height, width});
  for (int64_t r = 0; r < regions.dims()[0]; ++r) {
    const double image = regions.as_double(r * 5);
    require(image >= 0 && image < double(dims[0]), Status::InternalError, "MaxRoiPool: batch index ", image, " of ",
            dims[0], " images");
    double corner[4];
    for (int i = 0; i < 4; ++i) {
      corner[i] = std::round(regions.as_double(r * 5 + 1 + i) * scale);
      require(std::fabs(corner[i]) <= double(largest_spatial), Status::InternalError, "MaxRoiPool: region ", r,
              " has a corner at ", corner[i]);
    }
    const double extent_x = std::max(corner[2] - corner[0] + 1, 1.0),
                 extent_y = std::max(corner[3] - corner[1] + 1, 1.0);
    for (int64_t c = 0; c < dims[1]; ++c)
      for (int64_t oy = 0; oy < height; ++oy)
        for (int64_t ox = 0; ox < width; ++ox) {
          const Range rows = bin_of(corner[1], extent_y, oy, height, dims[2]);
          const Range columns = bin_of(corner[0], extent_x, ox, width, dims[3]);
          double largest = 0;
          bool any = false;
          for (int64_t y = rows.begin; y < rows.end; ++y)
            for (int64_t z = columns.begin; z < columns.end; ++z) {
              const double value = x.as_double(((int64_t(image) * dims[1] + c) * dims[2] + y) * dims[3] + z);
              largest = any ? std::max(largest, value) : value;
              any = true;
            }
          result.set_double(((r * dims[1] + c) * height + oy) * width + ox, largest);
        }
  }
  return {result};
}

std::vector<Value*> lower(Lowering& in) {
  Value *x = in[0], *regions = in[1];
  in.require(
      x->type.rank() == 4 && is_float(x->type.dtype) && regions->type.rank() == 2 && is_float(regions->type.dtype),
      Status::InvalidModel, "expected [N,C,H,W] and [regions,5], got ", graph::to_string(x->type), " and ",
      graph::to_string(regions->type));
  const auto shape = spatial_ints(in, "pooled_shape", 2, 1);
  in.require(in.has("pooled_shape"), Status::InvalidModel, "pooled_shape is required");
  std::ostringstream parameters;
  parameters.precision(17);
  parameters << shape[0] << ' ' << shape[1] << ' ' << in.attr_float("spatial_scale", 1);
  return in.builder().host_call("max_roi_pool", parameters.str(), {x, regions},
                                {{x->type.dtype, {regions->type.dims[0], x->type.dims[1], shape[0], shape[1]}, {}}});
}

const HostFunctionEntry entry{{.name = "max_roi_pool", .run = run}};
const OnnxOp op{operator_row("MaxRoiPool", {1, 22}, lower, {2, 2}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
