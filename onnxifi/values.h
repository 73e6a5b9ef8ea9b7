// Value handles (extension onnxx_values): tensors, sequences, optionals and maps that the library holds.
//
// A handle stands for a value that is there, or for an output of a run that is not complete yet; such a one becomes its
// value when the run's event is signalled.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "onnx/onnxifi_x.h"
#include "onnxifi/objects.h"
#include "runtime/base/value.h"

namespace sardonyx::onnxifi {

class ValueObject {
 public:
  static constexpr Kind kind = Kind::Value;
  static constexpr Status invalid = Status::InvalidId;
  static constexpr const char* noun = "value";

  explicit ValueObject(ValuePtr value) : value_(std::move(value)) {}
  // Output number `output` of the run behind `event`.
  ValueObject(std::shared_ptr<EventObject> event, size_t output) : event_(std::move(event)), output_(output) {}

  // Throws Error: InvalidState while the run is not complete; the run's failure.
  ValuePtr get();
  // Dims and bytes of a tensor as hosts see them, valid as long as the object.
  struct View {
    std::vector<uint64_t> shape;
    std::vector<uint8_t> packed;  // of elements of less than a byte
    const uint8_t* data = nullptr;
  };
  const View& view(const Tensor& tensor);

 private:
  std::mutex mutex_;  // guards the members below
  ValuePtr value_;
  std::shared_ptr<EventObject> event_;
  size_t output_ = 0;
  std::unique_ptr<View> view_;
};

// The functions of the extension; see the public header.
onnxStatus ONNXIFI_ABI onnxxCreateTensor(onnxBackend backend, const onnxTensorDescriptorV1* copyOf, onnxxValue* value);
onnxStatus ONNXIFI_ABI onnxxCreateSequence(onnxBackend backend, onnxEnum elemType, uint64_t count,
                                           const onnxxValue* items, onnxxValue* value);
onnxStatus ONNXIFI_ABI onnxxCreateOptional(onnxBackend backend, onnxEnum elemType, onnxxValue item, onnxxValue* value);
onnxStatus ONNXIFI_ABI onnxxCreateMap(onnxBackend backend, onnxxValue keys, onnxxValue values, onnxxValue* value);
onnxStatus ONNXIFI_ABI onnxxGetKind(onnxxValue value, onnxxKind* kind, uint64_t* length);
onnxStatus ONNXIFI_ABI onnxxGetItem(onnxxValue value, uint64_t index, onnxxValue* item);
onnxStatus ONNXIFI_ABI onnxxGetTensor(onnxxValue value, onnxTensorDescriptorV1* view);
onnxStatus ONNXIFI_ABI onnxxReleaseValue(onnxxValue value);
onnxStatus ONNXIFI_ABI onnxxRunValues(onnxGraph graph, uint32_t inputsCount, const char* const* inputNames,
                                      const onnxxValue* inputs, uint32_t outputsCount, const char* const* outputNames,
                                      onnxxValue* outputs, onnxMemoryFenceV1* outputFence);

}  // namespace sardonyx::onnxifi
