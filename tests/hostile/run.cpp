#include "tests/hostile/run.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "compiler/driver/compile.h"

namespace sardonyx::hostile {

namespace {

// Bytes between two pages that nobody may touch, at the end of the mapped ones or at their start.
class Guarded {
 public:
  Guarded(std::span<const uint8_t> bytes, bool at_end) : page_(size_t(sysconf(_SC_PAGESIZE))) {
    const size_t mapped = std::max<size_t>((bytes.size() + page_ - 1) / page_, 1) * page_;
    total_ = mapped + 2 * page_;
    base_ = static_cast<uint8_t*>(mmap(nullptr, total_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    check(base_ != MAP_FAILED && mprotect(base_ + page_, mapped, PROT_READ | PROT_WRITE) == 0, "no memory to guard");
    data_ = base_ + page_ + (at_end ? mapped - bytes.size() : 0);
    std::copy(bytes.begin(), bytes.end(), data_);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, total_); }
  void* data() { return data_; }

 private:
  size_t page_, total_ = 0;
  uint8_t *base_ = nullptr, *data_ = nullptr;
};

// Devices are opened once.
std::shared_ptr<runtime::Context> context_of(std::span<const backends::DeviceInfo> places) {
  static auto& known = *new std::map<std::string, std::shared_ptr<runtime::Context>>;
  auto& context = known[places.back().backend];
  if (!context) {
    Settings settings;
    settings.num_threads = 2;
    std::vector<runtime::DevicePtr> devices(places.size());
    for (size_t i = 1; i < places.size(); ++i)
      devices[i] = backends::backend_of(places[i]).open(places[i], {.settings = settings});
    context = runtime::Context::create(settings, std::move(devices));
  }
  return context;
}

std::span<const uint8_t> bytes_of(const Tensor& tensor) { return {tensor.raw(), size_t(tensor.bytes())}; }

size_t position_of(const Row& row) { return size_t(row.argument < 0 ? row.control : row.argument); }

// Whether the compiler sees input `i` of the row as a constant.
bool is_constant(const Row& row, size_t i, Form form) {
  const auto& constants = row.test.constants;
  return std::find(constants.begin(), constants.end(), int(i)) != constants.end() ||
         (form == Form::Constant && i == position_of(row));
}

bool same_numbers(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims()) return false;
  if (!is_float(a.dtype())) return same_bits(a, b);
  double largest = 0;
  for (int64_t i = 0; i < a.count(); ++i)
    if (std::isfinite(a.as_double(i))) largest = std::max(largest, std::fabs(a.as_double(i)));
  for (int64_t i = 0; i < a.count(); ++i) {
    const double x = a.as_double(i), y = b.as_double(i);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    if (!(std::fabs(x - y) <= 1e-5 * largest)) return false;
  }
  return true;
}

}  // namespace

std::string to_string(const Result& result) {
  if (result.error) return str(status_name(result.error->status()), " (", result.error->text(), ")");
  std::string text;
  for (const Tensor& tensor : result.tensors) {
    text += str(text.empty() ? "" : "; ", dtype_name(tensor.dtype()), "[", join(tensor.dims(), ","), "]");
    if (tensor.dtype() == DType::String || tensor.dtype() == DType::Object) continue;
    for (int64_t i = 0; i < std::min<int64_t>(tensor.count(), 12); ++i)
      text += is_float(tensor.dtype()) ? str(" ", tensor.as_double(i)) : str(" ", tensor.as_int(i));
  }
  return text;
}

bool agree(const Result& a, const Result& b) {
  if (a.error || b.error) return a.error.has_value() == b.error.has_value();
  return a.tensors.size() == b.tensors.size() &&
         std::equal(a.tensors.begin(), a.tensors.end(), b.tensors.begin(), same_numbers);
}

const char* to_string(Form form) {
  static constexpr const char* names[] = {"static", "symbolic", "constant"};
  return names[int(form)];
}

std::string name_of(const testing::TestParamInfo<size_t>& info) {
  const Row& row = rows()[info.param];
  return str(row.test.op, "_", row.control, "_", info.param);
}

std::unique_ptr<graph::Graph> build(const Row& row, const Tensor& value, Form form) {
  const OnnxCase& test = row.test;
  const size_t control = position_of(row);
  auto graph = std::make_unique<graph::Graph>();
  Builder builder(*graph);
  Values arguments;
  for (size_t i = 0; i < std::max(test.inputs.size(), control + 1); ++i) {
    const Tensor tensor = i == control ? value : test.inputs[i];
    if (!tensor.defined()) {
      arguments.push_back(nullptr);
    } else if (is_constant(row, i, form)) {
      arguments.push_back(builder.constant(tensor));
    } else {
      graph::TensorType type{tensor.dtype(), {tensor.dims().begin(), tensor.dims().end()}, {}};
      for (size_t d = 0; form == Form::Symbolic && i == 0 && i != control && d < type.dims.size(); ++d)
        type.dims[d] = graph->symbol(str("d", d));
      arguments.push_back(graph->body().add_parameter(type, str("x", i)));
    }
  }
  Values results;
  if (row.build) {
    results = row.build(builder, arguments);
  } else {
    const ops::OnnxOpVersion version = ops::find_onnx_op(test.domain, test.op, test.opset);
    check(version.lower != nullptr, "operator ", test.op, " is unknown in opset ", test.opset);
    ops::Lowering lowering(builder, "node", test.op, version.since, arguments, test.attributes, test.outputs);
    results = version.lower(lowering);
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < results.size(); ++i) names.push_back(str("y", i));
  graph->set_outputs(results, names);
  graph::verify(*graph);
  return graph;
}

std::vector<Tensor> inputs_of(const Row& row, const Tensor& value, Form form) {
  std::vector<Tensor> given;
  const size_t control = position_of(row);
  for (size_t i = 0; i < std::max(row.test.inputs.size(), control + 1); ++i) {
    const Tensor& tensor = i == control ? value : row.test.inputs[i];
    if (tensor.defined() && !is_constant(row, i, form)) given.push_back(tensor);
  }
  return given;
}

Compiled::Compiled(const graph::Graph& graph, std::span<const backends::DeviceInfo> places) {
  driver::CompileOptions options;
  options.settings.verify = true;
  options.preferred = int(places.size()) - 1;
  session_ =
      std::make_shared<runtime::Session>(driver::compile(graph::clone(graph), places, options), context_of(places));
}

bool Compiled::uses_last_device() const {
  const runtime::Program& program = session_->program();
  return std::any_of(program.report.begin(), program.report.end(), [&](const runtime::GroupReport& group) {
    return group.primitives != "copy" && group.device == program.devices.back();
  });
}

Result Compiled::run(const std::vector<Tensor>& inputs) {
  Result result;
  try {
    result.tensors = results_of(inputs);
  } catch (const Error& error) {
    result.error = error;
  }
  at_end_ = !at_end_;
  return result;
}

std::vector<Tensor> Compiled::results_of(const std::vector<Tensor>& inputs) {
  const auto& outputs = session_->program().outputs;
  std::vector<std::unique_ptr<Guarded>> buffers;
  const auto guarded = [&](std::span<const uint8_t> bytes) {
    return buffers.emplace_back(std::make_unique<Guarded>(bytes, at_end_))->data();
  };
  std::vector<runtime::HostTensor> in, out(outputs.size());
  std::vector<Dims> shapes;
  for (const Tensor& tensor : inputs) {
    in.push_back({.data = guarded(bytes_of(tensor)), .dims = tensor.dims()});
    shapes.push_back(tensor.dims());
  }
  // Outputs whose shape follows from the inputs' are written in place; the run hands out the others.
  const std::vector<Dims> inferred = session_->infer(shapes);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].dims = inferred[i];
    out[i].collect = std::find(inferred[i].begin(), inferred[i].end(), -1) != inferred[i].end();
    if (!out[i].collect) out[i].data = guarded(bytes_of(Tensor(outputs[i].dtype, inferred[i])));
  }
  auto done = std::make_shared<runtime::Event>();
  session_->submit(session_->bind(in, out), nullptr, done);
  const Status status = done->wait();
  session_->wait_idle();
  require(status == Status::Success, status, done->text());
  std::vector<Tensor> results;
  for (size_t i = 0; i < out.size(); ++i) {
    Tensor& tensor = results.emplace_back(done->result(i));
    if (out[i].collect) continue;
    tensor = Tensor(outputs[i].dtype, inferred[i]);
    if (tensor.bytes() > 0) std::memcpy(tensor.raw(), out[i].data, size_t(tensor.bytes()));
  }
  return results;
}

}  // namespace sardonyx::hostile
