#include "tests/accuracy/compare.h"

#include <cmath>

#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::accuracy {

namespace {

// The CPU's backend, with the candidates of one family only wherever that fits.
class ForcedBackend : public backends::Backend {
 public:
  explicit ForcedBackend(const Forced& forced) : forced_(forced), cpu_(*backends::registry().front()) {}
  std::string_view name() const override { return cpu_.name(); }
  std::vector<backends::DeviceInfo> discover() const override { return cpu_.discover(); }
  runtime::DevicePtr open(const backends::DeviceInfo& device, const backends::OpenOptions& options) const override {
    return cpu_.open(device, options);
  }
  backends::Candidates candidates(const graph::Node& group, const backends::Target& target) const override {
    backends::Candidates all = cpu_.candidates(group, target);
    backends::Candidates wanted;
    for (backends::Candidate& candidate : all.list) {
      if (candidate.family != forced_.family) continue;
      for (const auto& [knob, value] : forced_.point) candidate.point[knob] = value;
      wanted.list.push_back(candidate);
    }
    return forced_.family.empty() || wanted.list.empty() ? all : wanted;
  }
  std::vector<backends::CompiledGroup> compile(std::span<const backends::Chosen> batch, const backends::Target& target,
                                               const Settings& settings) const override {
    return cpu_.compile(batch, target, settings);
  }

 private:
  const Forced& forced_;
  const backends::Backend& cpu_;
};

Tensor run(std::unique_ptr<graph::Graph> graph, const std::vector<Tensor>& inputs, const Dims& dims,
           const Forced& forced) {
  const ForcedBackend backend(forced);
  const driver::Place place{&backend, &driver::host().front()};
  driver::CompileOptions options;
  options.settings.fast_math = forced.fast_math;
  const auto program = driver::compile(std::move(graph), std::span(&place, 1), options);
  bool used = forced.family.empty();
  for (const auto& group : program->report) used |= group.candidate.rfind(forced.family, 0) == 0;
  require(used, Status::InternalError, "no group of this row runs as ", forced.family);
  return driver::run_program(program, inputs, {dims})[0];
}

}  // namespace

Value* Maker::parameter(Tensor value) {
  const graph::TensorType type{value.dtype(), {value.dims().begin(), value.dims().end()}, {}};
  inputs.push_back(std::move(value));
  return b.graph().body().add_parameter(type, str("x", inputs.size()));
}

Value* Maker::input(const Dims& dims, double deviation) {
  Tensor value(dtype_, dims);
  std::normal_distribution<double> normal(0, deviation);
  for (int64_t i = 0; i < value.count(); ++i) value.set_double(i, float(normal(random_)));
  return parameter(std::move(value));
}

Value* Maker::constant(const Dims& dims, double deviation) {
  Tensor value(dtype_, dims);
  std::normal_distribution<double> normal(0, deviation);
  for (int64_t i = 0; i < value.count(); ++i) value.set_double(i, float(normal(random_)));
  return b.constant(std::move(value));
}

Value* Maker::between(const Dims& dims, double low, double high) {
  Tensor value(dtype_, dims);
  std::uniform_real_distribution<double> uniform(low, high);
  for (int64_t i = 0; i < value.count(); ++i) value.set_double(i, float(uniform(random_)));
  return parameter(std::move(value));
}

namespace {
Tensor random_codes(DType dtype, const Dims& dims, std::mt19937& random) {
  Tensor value(dtype, dims);
  const int64_t low = dtype == DType::I8 ? -128 : 0;
  for (int64_t i = 0; i < value.count(); ++i) value.set_int(i, low + int64_t(random() % 256));
  return value;
}
}  // namespace

Value* Maker::codes(DType dtype, const Dims& dims) { return parameter(random_codes(dtype, dims, random_)); }
Value* Maker::constant_codes(DType dtype, const Dims& dims) { return b.constant(random_codes(dtype, dims, random_)); }

double ulps(double got, long double want) {
  const float nearest = std::fabs(float(want));
  const long double step = (long double)std::nextafter(nearest, INFINITY) - nearest;
  return double(std::fabs((long double)got - want) / step);
}

double distance(const Tensor& got, const Tensor& want, Measure measure) {
  double worst = 0, largest = 0, squares = 0, squared_errors = 0;
  int64_t differing = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    const double w = want.as_double(i), error = std::fabs(got.as_double(i) - w);
    require(std::isfinite(error), Status::InternalError, "element ", i, " is ", got.as_double(i), ", expected ", w);
    worst = std::max(worst, measure == Measure::Ulp ? ulps(got.as_double(i), w) : error);
    largest = std::max(largest, std::fabs(w));
    squares += w * w, squared_errors += error * error;
    differing += error != 0;
  }
  switch (measure) {
    case Measure::Ulp:
    case Measure::Absolute:
      return worst;
    case Measure::Largest:
      return worst / largest;
    case Measure::Rms:
      return std::sqrt(squared_errors / squares);
    case Measure::Codes:
      return 1e6 * double(differing) / double(want.count());
  }
  return INFINITY;
}

double error_of(const Build& build, const Build& exact, Measure measure, const Forced& forced) {
  graph::Graph reference;
  Maker wide(reference, DType::F64);
  reference.set_outputs({exact(wide)}, {"y"});
  const Tensor want = graph::interpret(reference, wide.inputs)[0];
  auto graph = std::make_unique<graph::Graph>();
  Maker narrow(*graph, DType::F32);
  graph->set_outputs({build(narrow)}, {"y"});
  return distance(run(std::move(graph), narrow.inputs, want.dims(), forced), want, measure);
}

double error_of(const Build& build, Measure measure, const Forced& forced) {
  return error_of(build, build, measure, forced);
}

double function_error(const Function& function, long double (*exact)(long double), double low, double high,
                      Measure measure) {
  constexpr int64_t count = 200'003;
  auto graph = std::make_unique<graph::Graph>();
  Tensor x(DType::F32, {count});
  for (int64_t i = 0; i < count; ++i) x.set_double(i, low + (high - low) * double(i) / double(count - 1));
  Builder b(*graph);
  graph->set_outputs({function(b, graph->body().add_parameter({DType::F32, {count}, {}}, "x"))}, {"y"});
  const Tensor y = run(std::move(graph), {x}, {count}, {});
  double worst = 0;
  for (int64_t i = 0; i < count; ++i) {
    const long double want = exact(x.as_double(i));
    const double error =
        measure == Measure::Ulp ? ulps(y.as_double(i), want) : double(std::fabs(y.as_double(i) - want));
    require(error <= worst || std::isfinite(error), Status::InternalError, "the function of ", x.as_double(i), " is ",
            y.as_double(i));
    worst = std::max(worst, error);
  }
  return worst;
}

}  // namespace sardonyx::accuracy
