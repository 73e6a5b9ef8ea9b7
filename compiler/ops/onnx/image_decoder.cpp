// ImageDecoder, on the host: what cannot be decoded gives an image without pixels, as ONNX says.
#include "compiler/ops/host_functions.h"
#include "compiler/ops/image/image.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"
#include "runtime/base/log.h"

namespace sardonyx::ops {
namespace {

// Parameters: the pixel format.
std::vector<Tensor> run(const std::string& parameters, std::span<const Tensor> operands) {
  const int64_t channels = parameters == "Grayscale" ? 1 : 3;
  try {
    const auto image = image::decode({operands[0].raw(), size_t(operands[0].count())});
    Tensor result(DType::U8, {image.height, image.width, channels});
    uint8_t* out = result.raw();
    for (size_t i = 0; i < image.rgb.size(); i += 3) {
      const uint8_t *rgb = image.rgb.data() + i, r = rgb[0], g = rgb[1], b = rgb[2];
      if (channels == 1)  // luma of ITU-R 601, in units of 2^-16
        *out++ = uint8_t((19595u * r + 38470u * g + 7471u * b + 32768u) >> 16);
      else if (parameters == "BGR")
        *out++ = b, *out++ = g, *out++ = r;
      else
        *out++ = r, *out++ = g, *out++ = b;
    }
    return {result};
  } catch (const image::DecodeError& error) {
    log(LogLevel::Warning, "ImageDecoder: ", error.what());
    return {Tensor(DType::U8, {0, 0, channels})};
  }
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  in.require(in[0]->type.rank() == 1 && in[0]->type.dtype == DType::U8, Status::InvalidModel,
             "expected a vector of bytes, got ", graph::to_string(in[0]->type));
  const std::string format = in.attr_string("pixel_format", "RGB");
  in.require(format == "RGB" || format == "BGR" || format == "Grayscale", Status::InvalidModel, "pixel_format '",
             format, "' is unknown");
  const Expr height = b.graph().fresh_symbol("height"), width = b.graph().fresh_symbol("width");
  return b.host_call("image_decoder", format, {in[0]},
                     {{DType::U8, {height, width, format == "Grayscale" ? 1 : 3}, {}}});
}

const HostFunctionEntry entry{{.name = "image_decoder", .run = run}};
const OnnxOp op{operator_row("ImageDecoder", {20}, lower, {1, 1}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
