// MelWeightMatrix: triangular filters, evenly spaced on the mel scale, over the bins of a spectrum; on the host.
#include <algorithm>
#include <cmath>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

// A bound that keeps sizes from data within memory.
constexpr int64_t largest_size = 1 << 24;

double mel_of(double hertz) { return 2595 * std::log10(1 + hertz / 700); }
double hertz_of(double mel) { return 700 * (std::pow(10, mel / 2595) - 1); }

// Operands: number of filters, length of the transform, sample rate (I64), lower and upper edge in hertz (F64).
std::vector<Tensor> run(const std::string&, std::span<const Tensor> operands) {
  const int64_t filters = operands[0].as_int(0), length = operands[1].as_int(0), rate = operands[2].as_int(0);
  const double low = mel_of(operands[3].as_double(0)), high = mel_of(operands[4].as_double(0));
  require(0 <= filters && filters <= largest_size && 0 <= length && length <= largest_size && rate > 0,
          Status::MismatchingShape, "mel weights of ", filters, " filters over a transform of ", length, " at ", rate,
          " Hz");
  const int64_t bins = length / 2 + 1;
  require(filters <= largest_size / bins, Status::UnsupportedShape, "mel weights of ", filters, " times ", bins);
  require(std::isfinite(low) && std::isfinite(high), Status::MismatchingShape, "the edges are no frequencies");
  const double step = (high - low) / double(filters + 2);
  const auto edge = [&](int64_t i) {
    const double bin = std::floor(double(length + 1) * hertz_of(double(i) * step + low) / double(rate));
    return int64_t(std::clamp(bin, 0.0, double(bins)));
  };
  Tensor result(DType::F32, {bins, filters});
  std::fill_n(result.data<float>(), result.count(), 0.0f);
  for (int64_t f = 0; f < filters; ++f) {
    const int64_t begin = edge(f), middle = edge(f + 1), end = edge(f + 2);
    const auto set = [&](int64_t bin, double weight) {
      if (bin < bins) result.data<float>()[bin * filters + f] = float(weight);
    };
    for (int64_t bin = begin; bin < middle; ++bin) set(bin, double(bin - begin) / double(middle - begin));
    set(middle, 1);
    for (int64_t bin = middle; bin < end; ++bin) set(bin, double(end - bin) / double(end - middle));
  }
  return {result};
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  const auto dtype = DType(in.attr_int("output_datatype", int64_t(DType::F32)));
  in.require(is_float(dtype) || is_integer(dtype), Status::InvalidModel, "output_datatype ", int(dtype),
             " is not numeric");
  std::vector<Value*> operands;
  for (int i = 0; i < 5; ++i) operands.push_back(b.cast(b.reshape(in[i], {}), i < 3 ? DType::I64 : DType::F64));
  const Expr bins = b.graph().fresh_symbol("bins"), filters = b.graph().fresh_symbol("filters");
  return {b.cast(b.host_call("mel_weight_matrix", "", operands, {{DType::F32, {bins, filters}, {}}})[0], dtype)};
}

const HostFunctionEntry entry{{.name = "mel_weight_matrix", .run = run}};
const OnnxOp op{operator_row("MelWeightMatrix", {17}, lower, {5, 5})};

}  // namespace
}  // namespace sardonyx::ops
