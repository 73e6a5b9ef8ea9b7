// RoiAlign: pools regions of interest of a feature map with bilinear samples, on the host (the number of samples may
// depend on the size of each region).
#include <algorithm>
#include <cmath>
#include <sstream>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

struct Settings {
  int64_t height = 1, width = 1, sampling_ratio = 0;
  double scale = 1;
  bool maximum = false, half_pixel = false;

  std::string text() const {
    return str(height, ' ', width, ' ', sampling_ratio, ' ', int(maximum), ' ', int(half_pixel), ' ',
               decimal(scale, 17));
  }
  static Settings parse(const std::string& text) {
    Settings s;
    std::istringstream in(text);
    std::string scale;
    in >> s.height >> s.width >> s.sampling_ratio >> s.maximum >> s.half_pixel >> scale;
    s.scale = to_double(scale);
    return s;
  }
};

// Where a sample lies between pixels along one axis; nowhere when it is more than one pixel outside.
struct Tap {
  int64_t low = 0, high = 0;
  double fraction = 0;
  bool inside = false;
};
Tap tap_at(double position, int64_t length) {
  if (!(position >= -1 && position <= double(length)) || length == 0) return {};
  position = std::max(position, 0.0);
  Tap tap{int64_t(position), 0, 0, true};
  if (tap.low >= length - 1) return {length - 1, length - 1, 0, true};
  tap.high = tap.low + 1;
  tap.fraction = position - double(tap.low);
  return tap;
}

// Samples of one output element along one axis, those inside the image: so large a region takes no longer than the
// image.
std::vector<Tap> taps(double start, double bin, int64_t index, int64_t samples, int64_t length) {
  std::vector<Tap> result;
  for (int64_t i = 0; i < samples; ++i) {
    const Tap tap = tap_at(start + double(index) * bin + (double(i) + 0.5) * bin / double(samples), length);
    if (tap.inside) result.push_back(tap);
  }
  return result;
}

// Combines the `samples` of one element, of which those outside are 0; `pixel(row, column)` reads a channel.
template <class Pixel>
double pooled(const std::vector<Tap>& rows, const std::vector<Tap>& columns, int64_t samples, bool maximum,
              Pixel&& pixel) {
  double sum = 0, largest = 0;
  bool any = int64_t(rows.size() * columns.size()) < samples;
  for (const Tap& r : rows)
    for (const Tap& c : columns) {
      const double parts[] = {(1 - r.fraction) * (1 - c.fraction) * pixel(r.low, c.low),
                              (1 - r.fraction) * c.fraction * pixel(r.low, c.high),
                              r.fraction * (1 - c.fraction) * pixel(r.high, c.low),
                              r.fraction * c.fraction * pixel(r.high, c.high)};
      sum += parts[0] + parts[1] + parts[2] + parts[3];
      const double here = *std::max_element(parts, parts + 4);  // the maximum is over weighted corners
      largest = any ? std::max(largest, here) : here;
      any = true;
    }
  return maximum ? largest : sum / double(std::max<int64_t>(1, samples));
}

std::vector<Tensor> run(const std::string& parameters, std::span<const Tensor> operands) {
  const Settings s = Settings::parse(parameters);
  const Tensor &x = operands[0], &regions = operands[1], &batch = operands[2];
  const int64_t images = x.dims()[0], channels = x.dims()[1], height = x.dims()[2], width = x.dims()[3];
  require(regions.dims()[1] == 4 && batch.dims()[0] == regions.dims()[0], Status::MismatchingShape,
          "RoiAlign of regions [", join(regions.dims(), ","), "] and ", batch.dims()[0], " batch indices");
  Tensor result(x.dtype(), {regions.dims()[0], channels, s.height, s.width});
  constexpr int64_t most_samples = 4096;  // per axis and element: regions are data
  for (int64_t r = 0; r < regions.dims()[0]; ++r) {
    const int64_t image = batch.as_int(r);
    require(image >= 0 && image < images, Status::InternalError, "RoiAlign: batch index ", image, " of ", images,
            " images");
    const double offset = s.half_pixel ? 0.5 : 0;
    double corner[4];
    for (int i = 0; i < 4; ++i) corner[i] = regions.as_double(r * 4 + i) * s.scale - offset;
    double extent_x = corner[2] - corner[0], extent_y = corner[3] - corner[1];
    if (!s.half_pixel) extent_x = std::max(extent_x, 1.0), extent_y = std::max(extent_y, 1.0);
    const double bin_x = extent_x / double(s.width), bin_y = extent_y / double(s.height);
    auto samples = [&](double bin) {
      if (s.sampling_ratio > 0) return s.sampling_ratio;
      return std::isfinite(bin) ? int64_t(std::clamp<double>(std::ceil(bin), 0, most_samples)) : int64_t{0};
    };
    for (int64_t oy = 0; oy < s.height; ++oy)
      for (int64_t ox = 0; ox < s.width; ++ox) {
        auto rows = taps(corner[1], bin_y, oy, samples(bin_y), height);
        auto columns = taps(corner[0], bin_x, ox, samples(bin_x), width);
        for (int64_t c = 0; c < channels; ++c) {
          auto pixel = [&](int64_t row, int64_t column) {
            return x.as_double(((image * channels + c) * height + row) * width + column);
          };
          result.set_double(((r * channels + c) * s.height + oy) * s.width + ox,
                            pooled(rows, columns, samples(bin_y) * samples(bin_x), s.maximum, pixel));
        }
      }
  }
  return {result};
}

std::vector<Value*> lower(Lowering& in) {
  Value *x = in[0], *regions = in[1], *batch = in[2];
  in.require(x->type.rank() == 4 && is_float(x->type.dtype) && regions->type.rank() == 2 && batch->type.rank() == 1,
             Status::InvalidModel, "expected [N,C,H,W], [regions,4] and [regions], got ", graph::to_string(x->type),
             ", ", graph::to_string(regions->type), " and ", graph::to_string(batch->type));
  Settings s;
  s.height = in.attr_int("output_height", 1);
  s.width = in.attr_int("output_width", 1);
  s.sampling_ratio = in.attr_int("sampling_ratio", 0);
  s.scale = in.attr_float("spatial_scale", 1);
  in.require(s.height > 0 && s.width > 0 && s.sampling_ratio >= 0 && s.sampling_ratio <= 4096, Status::InvalidModel,
             "output ", s.height, " x ", s.width, " with sampling_ratio ", s.sampling_ratio);
  const std::string mode = in.attr_string("mode", "avg");
  in.require(mode == "avg" || mode == "max", Status::InvalidModel, "mode '", mode, "' is unknown");
  s.maximum = mode == "max";
  const std::string coordinates =
      in.version() < 16 ? "output_half_pixel" : in.attr_string("coordinate_transformation_mode", "half_pixel");
  in.require(coordinates == "half_pixel" || coordinates == "output_half_pixel", Status::InvalidModel,
             "coordinate_transformation_mode '", coordinates, "' is unknown");
  s.half_pixel = coordinates == "half_pixel";
  return in.builder().host_call("roi_align", s.text(), {x, regions, batch},
                                {{x->type.dtype, {regions->type.dims[0], x->type.dims[1], s.height, s.width}, {}}});
}

const HostFunctionEntry entry{{.name = "roi_align", .run = run}};
const OnnxOp op{operator_row("RoiAlign", {10, 16, 22}, lower, {3, 3}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
