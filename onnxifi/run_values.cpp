// onnxxRunValues: names and values against what the graph declares, then the run.
#include <algorithm>

#include "onnxifi/graph.h"
#include "onnxifi/guard.h"
#include "onnxifi/values.h"

namespace sardonyx::onnxifi {

namespace {

// For every declaration the position of its name among those given.
std::vector<size_t> positions(const IoTable& table, std::span<const char* const> names) {
  constexpr size_t none = SIZE_MAX;
  std::vector<size_t> result(table.size(), none);
  for (size_t i = 0; i < names.size(); ++i) {
    require(names[i] != nullptr, Status::InvalidName, table.noun(), " ", i, ": the name is NULL");
    const int index = table.find(names[i], i);
    require(index >= 0, Status::InvalidName, "the graph has no ", table.noun(), " '", names[i], "'");
    require(result[size_t(index)] == none, Status::InvalidName, table.noun(), " '", names[i], "' is named twice");
    result[size_t(index)] = i;
  }
  return result;
}

void require_complete(const IoTable& table, const std::vector<size_t>& positions) {
  for (size_t i = 0; i < positions.size(); ++i)
    require(positions[i] != SIZE_MAX, Status::UnidentifiedName, "no value for graph ", table.noun(), " '",
            table[i].name, "'");
}

// Kind and element type; the shapes of tensors are the plan's business.
void check_value(const Value& value, const runtime::IoInfo& declared) {
  if (declared.container) {
    const std::string text = misfit(value, *declared.container);
    require(text.empty(), Status::MismatchingDatatype, "input '", declared.name, "' is ", text);
    return;
  }
  require(value.kind == ValueKind::Tensor && value.dtype == declared.dtype, Status::MismatchingDatatype, "input '",
          declared.name, "' is a tensor of ", dtype_name(declared.dtype), ", but the value is ",
          value.kind == ValueKind::Tensor ? str("one of ", dtype_name(value.dtype)) : std::string("a container"));
}

// The values of the program's inputs, by input.
std::vector<ValuePtr> input_values(const Graph& graph, std::span<const char* const> names, const onnxxValue* handles,
                                   const std::vector<size_t>& at) {
  std::vector<ValuePtr> given, values;
  for (size_t i = 0; i < names.size(); ++i) given.push_back(lookup<ValueObject>(handles[i])->get());
  require_complete(graph.inputs(), at);
  for (size_t position : at) values.push_back(given[position]);
  return values;
}

// Handles of a run's outputs and event. They are released again unless the run was started.
class RunHandles {
 public:
  RunHandles() = default;
  // `outputs`: where in the host's array each goes.
  void make(const std::vector<size_t>& outputs) {
    values_.resize(outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) values_[outputs[i]] = insert(std::make_shared<ValueObject>(object_, i));
    event_ = insert(object_);
  }
  ~RunHandles() {
    for (onnxxValue handle : values_) take_handle(ValueObject::kind, handle);
    take_handle(EventObject::kind, event_);
  }
  RunHandles(const RunHandles&) = delete;
  RunHandles& operator=(const RunHandles&) = delete;

  const std::shared_ptr<EventObject>& event() const { return object_; }
  void hand_out(onnxxValue* outputs, onnxMemoryFenceV1& fence) {
    std::copy(values_.begin(), values_.end(), outputs);
    fence.event = event_;
    values_.clear();
    event_ = nullptr;
  }

 private:
  std::shared_ptr<EventObject> object_ = std::make_shared<EventObject>(true);
  std::vector<onnxxValue> values_;
  onnxEvent event_ = nullptr;
};

}  // namespace

onnxStatus ONNXIFI_ABI onnxxRunValues(onnxGraph graph, uint32_t inputsCount, const char* const* inputNames,
                                      const onnxxValue* inputs, uint32_t outputsCount, const char* const* outputNames,
                                      onnxxValue* outputs, onnxMemoryFenceV1* outputFence) {
  return guarded([&] {
    require_pointer(outputs, "outputs");
    std::fill_n(outputs, outputsCount, nullptr);
    const auto started = lookup<Graph>(graph);
    if (inputsCount > 0) {
      require_pointer(inputNames, "inputNames");
      require_pointer(inputs, "inputs");
    }
    if (outputsCount > 0) require_pointer(outputNames, "outputNames");
    require_pointer(outputFence, "outputFence");
    check_output_fence(*outputFence);
    const auto in = positions(started->inputs(), {inputNames, inputsCount});
    const auto out = positions(started->outputs(), {outputNames, outputsCount});
    const std::vector<ValuePtr> values = input_values(*started, {inputNames, inputsCount}, inputs, in);
    require_complete(started->outputs(), out);
    for (size_t i = 0; i < values.size(); ++i) check_value(*values[i], started->program().inputs[i]);
    RunHandles handles;
    handles.make(out);
    started->run_values(values, handles.event());
    handles.hand_out(outputs, *outputFence);
  });
}

}  // namespace sardonyx::onnxifi
