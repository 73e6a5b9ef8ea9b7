#include "onnxifi/graph.h"

#include <algorithm>
#include <utility>

#include "onnxifi/guard.h"
#include "onnxifi/info.h"
#include "runtime/base/packing.h"
#include "runtime/binding.h"

namespace sardonyx::onnxifi {

namespace {

IoTable table_of(const std::vector<runtime::IoInfo>& infos, const runtime::Program& program, const char* noun,
                 const BackendObject& backend, const GraphOptions& options) {
  std::vector<Declaration> declarations;
  for (const auto& info : infos) declarations.push_back(declaration_of(info, program));
  return IoTable(std::move(declarations), noun, options.allow_empty, memory_types(backend.choice->info));
}

// Working memory of a bind, kept per thread so that binding again allocates nothing.
struct Scratch {
  Matched inputs, outputs;
  std::vector<runtime::HostTensor> input_tensors, output_tensors;

  // The binding holds the buffers of devices from here on, or nobody does.
  void let_go() {
    for (auto* tensors : {&input_tensors, &output_tensors})
      for (runtime::HostTensor& tensor : *tensors) tensor.memory = nullptr;
  }
};
thread_local Scratch scratch;

void check_fence_type(const onnxMemoryFenceV1& fence, const char* noun) {
  require(fence.type == ONNXIFI_SYNCHRONIZATION_EVENT || fence.type == ONNXIFI_SYNCHRONIZATION_IMPLICIT,
          Status::InvalidFenceType, noun, " fence: unknown type ", fence.type);
  require(fence.type == ONNXIFI_SYNCHRONIZATION_EVENT, Status::UnsupportedFenceType, noun,
          " fence: implicit synchronization is not supported");
}

void check_fence_tag(const onnxMemoryFenceV1& fence, const char* noun) {
  require(fence.tag == ONNXIFI_TAG_MEMORY_FENCE_V1, Status::UnsupportedTag, noun, " fence: unknown tag ", fence.tag);
}

// The input event of runs whose inputs are ready.
const runtime::EventPtr& signalled_event() {
  static const runtime::EventPtr& event = *[] {
    auto* made = new runtime::EventPtr(std::make_shared<runtime::Event>());
    (*made)->signal();
    return made;
  }();
  return event;
}

}  // namespace

// Counts its owner among the threads that are about to submit, so that close() can wait for them.
class Graph::Submission {
 public:
  // Takes the current bindings.
  explicit Submission(Graph& graph) : Submission(graph, nullptr) {}
  enum class Use { Current, Private };
  // Takes `binding`, and makes it current first, in the same step, unless it is private to the run.
  Submission(Graph& graph, BindingPtr given, Use use = Use::Current) : binding(std::move(given)), graph_(graph) {
    std::lock_guard lock(graph.mutex_);
    require(!graph.closed_, Status::InvalidGraph, "the graph is being released");
    if (binding != nullptr && use == Use::Current) graph.binding_ = binding;
    if (binding == nullptr) binding = graph.binding_;
    require(binding != nullptr, Status::UnidentifiedName, "the graph's inputs and outputs are not bound");
    ++graph.submitting_;
  }
  ~Submission() {
    std::lock_guard lock(graph_.mutex_);
    if (--graph_.submitting_ == 0 && graph_.closed_) graph_.idle_.notify_all();
  }
  Submission(const Submission&) = delete;
  Submission& operator=(const Submission&) = delete;

  BindingPtr binding;

 private:
  Graph& graph_;
};

Graph::Graph(std::shared_ptr<const runtime::Program> program, const BackendObject& backend, const GraphOptions& options)
    : context_(backend.context),
      shared_device_(backend.choice->preferred),
      session_(std::make_shared<runtime::Session>(program, backend.context)),
      memory_bytes_(backend.choice->info.memory_bytes),
      inputs_(table_of(program->inputs, *program, "input", backend, options)),
      outputs_(table_of(program->outputs, *program, "output", backend, options)) {}

std::span<const runtime::HostTensor> Graph::host_tensors(const Matched& matched,
                                                         std::vector<runtime::HostTensor>& tensors) {
  // Entries beyond the size keep their dims' memory for the next, larger graph.
  if (tensors.size() < matched.size()) tensors.resize(matched.size());
  for (size_t i = 0; i < matched.size(); ++i) {
    runtime::HostTensor& tensor = tensors[i];
    void* const buffer = reinterpret_cast<void*>(matched[i]->buffer);
    copy_dims(*matched[i], tensor.dims);
    tensor.data = buffer;
    if (matched[i]->memoryType == ONNXIFI_MEMORY_TYPE_CPU || buffer == nullptr) continue;
    require(!is_packed(DType(matched[i]->dataType)), Status::UnsupportedMemoryType, "'", matched[i]->name,
            "': elements of ", dtype_name(DType(matched[i]->dataType)), " are read and written in host memory only");
    const int64_t bytes = byte_size(DType(matched[i]->dataType), tensor.dims);
    tensor.memory = context_->devices()[size_t(shared_device_)]->allocate(bytes, {buffer});
    tensor.device = shared_device_;
    tensor.data = nullptr;
  }
  return {tensors.data(), matched.size()};
}

void Graph::require_tensors() const {
  for (const auto* infos : {&program().inputs, &program().outputs})
    for (const runtime::IoInfo& info : *infos)
      require(!info.container, Status::InvalidDatatype, "'", info.name, "' is ",
              info.container ? to_string(*info.container) : "", ": run the graph with onnxxRunValues");
}

Graph::BindingPtr Graph::plan(Descriptors inputs, Descriptors outputs) {
  require_tensors();
  const FloatEnvironment float_environment;
  Matched& in = scratch.inputs;
  Matched& out = scratch.outputs;
  match(inputs_, inputs, Buffers::Required, in);
  match(outputs_, outputs, Buffers::Required, out);
  require_complete(inputs_, in);
  require_complete(outputs_, out);
  check_datatypes(inputs_, in);
  check_datatypes(outputs_, out);
  check_shapes(inputs_, in);
  check_shapes(outputs_, out);
  try {
    check_sizes(inputs_, in, memory_bytes_);
  } catch (const Error&) {
    check_symbols(inputs_, in);  // a symbol with two values takes precedence over a size
    throw;
  }
  struct LetGo {
    ~LetGo() { scratch.let_go(); }
  } let_go;
  auto binding = session_->bind(host_tensors(in, scratch.input_tensors), host_tensors(out, scratch.output_tensors));
  check_sizes(outputs_, out, memory_bytes_);  // upper limits of data-dependent outputs, which the plan does not judge
  return binding;
}

void Graph::set_io(Descriptors inputs, Descriptors outputs) {
  auto binding = plan(inputs, outputs);
  std::lock_guard lock(mutex_);
  require(!closed_, Status::InvalidGraph, "the graph is being released");
  binding_.swap(binding);
}

std::vector<runtime::GroupReport> Graph::report() {
  BindingPtr binding;
  {
    std::lock_guard lock(mutex_);
    binding = binding_;
  }
  return binding == nullptr ? program().report : runtime::report_under(program(), binding->plan->dims);
}

void Graph::unbind() {
  BindingPtr dropped;
  std::lock_guard lock(mutex_);
  dropped.swap(binding_);
}

void Graph::start(Submission& submission, runtime::EventPtr input, onnxMemoryFenceV1& output) {
  auto event = std::make_shared<EventObject>(true);
  onnxEvent handle = insert(event);
  try {
    session_->submit(std::move(submission.binding), std::move(input), std::move(event));
  } catch (...) {
    take<EventObject>(handle);
    throw;
  }
  output.event = handle;
}

void Graph::run(const onnxMemoryFenceV1& input, onnxMemoryFenceV1& output) {
  check_fence_tag(input, "input");
  check_fence_tag(output, "output");
  check_fence_type(input, "input");
  check_fence_type(output, "output");
  auto event = lookup<EventObject>(input.event);
  Submission submission(*this);
  start(submission, std::move(event), output);
}

void check_output_fence(const onnxMemoryFenceV1& fence) {
  check_fence_tag(fence, "output");
  check_fence_type(fence, "output");
}

void Graph::set_io_and_run(Descriptors inputs, Descriptors outputs, onnxMemoryFenceV1& output) {
  check_output_fence(output);
  Submission submission(*this, plan(inputs, outputs));
  start(submission, signalled_event(), output);
}

void Graph::run_values(std::span<const ValuePtr> inputs, const std::shared_ptr<EventObject>& event) {
  const FloatEnvironment float_environment;
  std::vector<runtime::HostTensor> in, out;
  std::vector<Dims> shapes;
  for (const ValuePtr& value : inputs) {
    const bool tensor = program().inputs[in.size()].dtype != DType::Object;
    runtime::HostTensor& host = in.emplace_back();
    host.owner = tensor ? value->tensor : boxed(value);
    host.data = host.owner.raw();
    host.dims = host.owner.dims();
    shapes.push_back(host.dims);
  }
  // Outputs whose shape follows from the inputs' are written in place; the run hands out the others.
  for (const Dims& dims : session_->infer(shapes)) {
    const DType dtype = program().outputs[out.size()].dtype;
    runtime::HostTensor& host = out.emplace_back();
    host.collect = is_held(dtype) || std::find(dims.begin(), dims.end(), -1) != dims.end();
    if (host.collect) continue;
    host.owner = Tensor(dtype, dims);
    host.data = host.owner.raw();
    host.dims = dims;
  }
  Submission submission(*this, session_->bind(in, out), Submission::Use::Private);
  session_->submit(std::move(submission.binding), signalled_event(), event);
}

void Graph::close() {
  {
    std::unique_lock lock(mutex_);
    closed_ = true;
    idle_.wait(lock, [this] { return submitting_ == 0; });
  }
  session_->wait_idle();
  unbind();
}

std::vector<Dims> Graph::infer(Descriptors inputs) {
  require_tensors();
  Matched matched;
  match(inputs_, inputs, Buffers::Ignored, matched);
  require_complete(inputs_, matched);
  check_datatypes(inputs_, matched);
  check_shapes(inputs_, matched);
  check_symbols(inputs_, matched);
  check_sizes(inputs_, matched, memory_bytes_);
  std::vector<Dims> dims(matched.size());
  for (size_t i = 0; i < matched.size(); ++i) copy_dims(*matched[i], dims[i]);
  return session_->infer(dims);
}

}  // namespace sardonyx::onnxifi
