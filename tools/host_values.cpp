// Values to handles of the library, and back.
#include <cstring>

#include "runtime/base/status.h"
#include "tools/host.h"
#include "tools/usage_error.h"
#include "tools/value_file.h"

namespace sardonyx::tools {

namespace {

// The functions of onnxx_values. Handles that it makes are released with it.
class ValueHandles {
 public:
  ValueHandles(const Device& device, onnxBackend backend) : library_(device.library()), backend_(backend) {
    const auto find = [&](auto& function, const char* name) {
      function = library_.extension<std::remove_reference_t<decltype(function)>>(device.id(), name);
      if (function == nullptr) throw UsageError(str(device.title(), " has no extension onnxx_values"));
    };
    find(create_tensor_, "onnxxCreateTensor");
    find(create_sequence_, "onnxxCreateSequence");
    find(create_optional_, "onnxxCreateOptional");
    find(create_map_, "onnxxCreateMap");
    find(get_kind_, "onnxxGetKind");
    find(get_item_, "onnxxGetItem");
    find(get_tensor_, "onnxxGetTensor");
    find(release_, "onnxxReleaseValue");
  }
  ~ValueHandles() {
    for (onnxxValue handle : made_) release_(handle);
  }
  ValueHandles(const ValueHandles&) = delete;
  ValueHandles& operator=(const ValueHandles&) = delete;

  onnxxValue keep(onnxxValue handle) {
    made_.push_back(handle);
    return handle;
  }

  onnxxValue handle_of(const Value& value) {
    onnxxValue result = nullptr;
    if (value.kind == ValueKind::Tensor) {
      const HostTensor tensor = host_tensor(value.tensor, "");
      const std::vector<uint64_t> shape(value.tensor.dims().begin(), value.tensor.dims().end());
      onnxTensorDescriptorV1 descriptor = {};
      descriptor.tag = ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1;
      descriptor.dataType = onnxEnum(value.dtype);
      descriptor.memoryType = ONNXIFI_MEMORY_TYPE_CPU;
      descriptor.dimensions = uint32_t(shape.size());
      descriptor.shape = shape.data();
      const bool text = value.dtype == DType::String;  // whose elements are as the ABI has them
      descriptor.buffer = onnxPointer(reinterpret_cast<uintptr_t>(text ? value.tensor.raw() : tensor.bytes.data()));
      library_.check(create_tensor_(backend_, &descriptor, &result), "onnxxCreateTensor");
      return keep(result);
    }
    std::vector<onnxxValue> items;
    for (const ValuePtr& item : value.items) items.push_back(handle_of(*item));
    if (value.kind == ValueKind::Sequence)
      library_.check(create_sequence_(backend_, onnxEnum(value.dtype), items.size(), items.data(), &result),
                     "onnxxCreateSequence");
    if (value.kind == ValueKind::Optional)
      library_.check(create_optional_(backend_, onnxEnum(value.dtype), items.empty() ? nullptr : items[0], &result),
                     "onnxxCreateOptional");
    if (value.kind == ValueKind::Map)
      library_.check(create_map_(backend_, items[0], items[1], &result), "onnxxCreateMap");
    return keep(result);
  }

  ValuePtr value_of(onnxxValue handle) {
    onnxxKind kind = 0;
    uint64_t length = 0;
    library_.check(get_kind_(handle, &kind, &length), "onnxxGetKind");
    if (ValueKind(kind) == ValueKind::Tensor) return tensor_of(handle);
    std::vector<ValuePtr> items;
    const uint64_t count = ValueKind(kind) == ValueKind::Map ? 2 : length;
    for (uint64_t i = 0; i < count; ++i) {
      onnxxValue item = nullptr;
      library_.check(get_item_(handle, i, &item), "onnxxGetItem");
      items.push_back(value_of(keep(item)));
    }
    // What an empty one may hold does not show.
    const DType dtype = items.empty() ? DType::None : items[0]->dtype;
    if (ValueKind(kind) == ValueKind::Map) return make_map(items[0], items[1]);
    if (ValueKind(kind) == ValueKind::Optional) return make_optional(dtype, items.empty() ? nullptr : items[0]);
    return make_sequence(dtype, std::move(items));
  }

 private:
  ValuePtr tensor_of(onnxxValue handle) {
    onnxTensorDescriptorV1 view = {};
    library_.check(get_tensor_(handle, &view), "onnxxGetTensor");
    Dims dims(view.shape, view.shape + view.dimensions);
    auto* bytes = reinterpret_cast<uint8_t*>(view.buffer);
    if (DType(view.dataType) == DType::String)  // nothing is written through this view
      return make_tensor(Tensor(DType::String, dims, std::shared_ptr<uint8_t>(std::shared_ptr<void>(), bytes)).clone());
    HostTensor tensor{"", DType(view.dataType), dims, {}};
    tensor.bytes.assign(bytes, bytes + tensor.byte_size());
    return make_tensor(tools::tensor_of(tensor));
  }

  const Library& library_;
  onnxBackend backend_;
  std::vector<onnxxValue> made_;
  onnxxCreateTensorFunction create_tensor_ = nullptr;
  onnxxCreateSequenceFunction create_sequence_ = nullptr;
  onnxxCreateOptionalFunction create_optional_ = nullptr;
  onnxxCreateMapFunction create_map_ = nullptr;
  onnxxGetKindFunction get_kind_ = nullptr;
  onnxxGetItemFunction get_item_ = nullptr;
  onnxxGetTensorFunction get_tensor_ = nullptr;
  onnxxReleaseValueFunction release_ = nullptr;
};

std::vector<const char*> names_of(const std::vector<Binding>& bindings) {
  std::vector<const char*> names;
  for (const Binding& binding : bindings) names.push_back(binding.name.c_str());
  return names;
}

}  // namespace

std::vector<ValuePtr> Graph::run_values(const std::vector<ValuePtr>& inputs) {
  const Library& library = device_.library();
  const auto run = library.extension<onnxxRunValuesFunction>(device_.id(), "onnxxRunValues");
  ValueHandles handles(device_, backend_);
  release_output_event();
  std::vector<onnxxValue> in, out(signature_.outputs.size());
  for (const ValuePtr& input : inputs) in.push_back(handles.handle_of(*input));
  onnxMemoryFenceV1 fence = {};
  fence.tag = ONNXIFI_TAG_MEMORY_FENCE_V1;
  fence.type = ONNXIFI_SYNCHRONIZATION_EVENT;
  library.check(run(handle_, uint32_t(in.size()), names_of(signature_.inputs).data(), in.data(), uint32_t(out.size()),
                    names_of(signature_.outputs).data(), out.data(), &fence),
                "onnxxRunValues");
  done_ = fence.event;
  for (onnxxValue output : out) handles.keep(output);
  require_success(library.fn().onnxWaitEvent(done_));
  std::vector<ValuePtr> outputs;
  for (onnxxValue output : out) outputs.push_back(handles.value_of(output));
  return outputs;
}

}  // namespace sardonyx::tools
