#include "onnxifi/values.h"

#include <cstring>

#include "onnxifi/descriptors.h"
#include "onnxifi/guard.h"
#include "runtime/base/packing.h"

namespace sardonyx::onnxifi {

namespace {

// More items than any host means, whatever it passes.
constexpr uint64_t most_items = uint64_t{1} << 32;

DType known_datatype(onnxEnum code) {
  require(code <= 0xFF && is_known(DType(code)), Status::InvalidDatatype, "unknown data type ", code);
  return DType(code);
}

ValuePtr value_behind(onnxxValue handle) { return lookup<ValueObject>(handle)->get(); }

onnxxValue handle_of(ValuePtr value) { return insert(std::make_shared<ValueObject>(std::move(value))); }

// Everything of a descriptor but its name, which values have none of.
Tensor tensor_of(const onnxTensorDescriptorV1& descriptor) {
  require(descriptor.tag == ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1, Status::UnsupportedTag, "descriptor: unknown tag ",
          descriptor.tag);
  const DType dtype = known_datatype(descriptor.dataType);
  if (descriptor.memoryType != ONNXIFI_MEMORY_TYPE_CPU) {
    const bool known = descriptor.memoryType <= 8 && (descriptor.memoryType & (descriptor.memoryType - 1)) == 0;
    fail(known ? Status::UnsupportedMemoryType : Status::InvalidMemoryType, "memory type ", descriptor.memoryType,
         ": values are made from the CPU's memory");
  }
  require(descriptor.dimensions == 0 || descriptor.shape != nullptr, Status::InvalidShape, descriptor.dimensions,
          " dimensions, but the shape is NULL");
  Dims dims;
  copy_dims(descriptor, dims);
  const int64_t bytes = byte_size(dtype, dims);
  require(bytes == 0 || descriptor.buffer != 0, Status::InvalidMemoryLocation, "the buffer is NULL");
  return copy_of(descriptor, dtype, std::move(dims));
}

}  // namespace

ValuePtr ValueObject::get() {
  std::lock_guard lock(mutex_);
  if (value_ != nullptr) return value_;
  require(event_->signalled(), Status::InvalidState, "the run that makes the value is not complete");
  if (event_->status() != Status::Success) fail(event_->status(), event_->text());
  const Tensor result = event_->result(output_);
  require(result.defined(), Status::InvalidState, "the run that makes the value is not complete");
  value_ = result.dtype() == DType::Object ? unboxed(result) : make_tensor(result);
  event_ = nullptr;
  return value_;
}

const ValueObject::View& ValueObject::view(const Tensor& tensor) {
  std::lock_guard lock(mutex_);
  if (view_ != nullptr) return *view_;
  auto view = std::make_unique<View>();
  view->shape.assign(tensor.dims().begin(), tensor.dims().end());
  view->data = tensor.raw();
  if (is_packed(tensor.dtype())) {
    view->packed.resize(size_t(host_bytes(tensor.dtype(), tensor.count())));
    pack(tensor.dtype(), tensor.raw(), tensor.count(), view->packed.data());
    view->data = view->packed.data();
  }
  view_ = std::move(view);
  return *view_;
}

onnxStatus ONNXIFI_ABI onnxxCreateTensor(onnxBackend backend, const onnxTensorDescriptorV1* copyOf, onnxxValue* value) {
  return guarded([&] {
    require_pointer(value, "value");
    *value = nullptr;
    lookup<BackendObject>(backend);
    require_pointer(copyOf, "copyOf");
    *value = handle_of(make_tensor(tensor_of(*copyOf)));
  });
}

onnxStatus ONNXIFI_ABI onnxxCreateSequence(onnxBackend backend, onnxEnum elemType, uint64_t count,
                                           const onnxxValue* items, onnxxValue* value) {
  return guarded([&] {
    require_pointer(value, "value");
    *value = nullptr;
    lookup<BackendObject>(backend);
    if (count > 0) require_pointer(items, "items");
    require(count < most_items, Status::InvalidSize, count, " items");
    const DType dtype = known_datatype(elemType);
    std::vector<ValuePtr> values;
    for (uint64_t i = 0; i < count; ++i) values.push_back(value_behind(items[i]));
    *value = handle_of(make_sequence(dtype, std::move(values)));
  });
}

onnxStatus ONNXIFI_ABI onnxxCreateOptional(onnxBackend backend, onnxEnum elemType, onnxxValue item, onnxxValue* value) {
  return guarded([&] {
    require_pointer(value, "value");
    *value = nullptr;
    lookup<BackendObject>(backend);
    const DType dtype = known_datatype(elemType);
    *value = handle_of(make_optional(dtype, item == nullptr ? nullptr : value_behind(item)));
  });
}

onnxStatus ONNXIFI_ABI onnxxCreateMap(onnxBackend backend, onnxxValue keys, onnxxValue values, onnxxValue* value) {
  return guarded([&] {
    require_pointer(value, "value");
    *value = nullptr;
    lookup<BackendObject>(backend);
    ValuePtr made_keys = value_behind(keys);
    *value = handle_of(make_map(std::move(made_keys), value_behind(values)));
  });
}

onnxStatus ONNXIFI_ABI onnxxGetKind(onnxxValue value, onnxxKind* kind, uint64_t* length) {
  return guarded([&] {
    require_pointer(kind, "kind");
    require_pointer(length, "length");
    const ValuePtr found = value_behind(value);
    *kind = onnxxKind(found->kind);
    *length = uint64_t(found->length());
  });
}

onnxStatus ONNXIFI_ABI onnxxGetItem(onnxxValue value, uint64_t index, onnxxValue* item) {
  return guarded([&] {
    require_pointer(item, "item");
    *item = nullptr;
    const ValuePtr found = value_behind(value);
    require(found->kind != ValueKind::Tensor, Status::InvalidDatatype, "a tensor has no items: use onnxxGetTensor");
    require(index < found->items.size(), Status::InvalidSize, "item ", index, " of ", found->items.size());
    *item = handle_of(found->items[size_t(index)]);
  });
}

onnxStatus ONNXIFI_ABI onnxxGetTensor(onnxxValue value, onnxTensorDescriptorV1* view) {
  return guarded([&] {
    require_pointer(view, "view");
    const auto object = lookup<ValueObject>(value);
    const ValuePtr found = object->get();
    require(found->kind == ValueKind::Tensor, Status::InvalidDatatype, "the value is no tensor: use onnxxGetItem");
    const Tensor& tensor = found->tensor;
    const ValueObject::View& stored = object->view(tensor);
    *view = {};
    view->tag = ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1;
    view->dataType = onnxEnum(tensor.dtype());
    view->memoryType = ONNXIFI_MEMORY_TYPE_CPU;
    view->dimensions = uint32_t(stored.shape.size());
    view->shape = stored.shape.empty() ? nullptr : stored.shape.data();
    view->buffer = onnxPointer(reinterpret_cast<uintptr_t>(stored.data));
  });
}

onnxStatus ONNXIFI_ABI onnxxReleaseValue(onnxxValue value) {
  return guarded([&] { take<ValueObject>(value); });
}

}  // namespace sardonyx::onnxifi
