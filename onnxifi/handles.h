// Handles: what the host holds instead of pointers.
//
// A handle is a number that names a slot of one process-wide table and the generation of that slot:
//
//   63..60  0b1010      makes the value a non-canonical address, so no pointer of the process equals a handle
//   59..57  kind        what the slot holds
//   56..33  slot
//   32..0   generation  grows with every use of the slot; a slot whose generations are used up is retired
//
// so a handle value never repeats and a look-up never dereferences it: NULL, released handles, handles of another kind
// and arbitrary numbers are all just "not live". Objects are shared: a look-up returns a reference, and whoever uses an
// object keeps it alive however many threads release its handle meanwhile.
//
//   onnxEvent handle = insert(std::make_shared<EventObject>());
//   std::shared_ptr<EventObject> event = lookup<EventObject>(handle);  // throws Error(InvalidEvent) when not live
#pragma once
#include <cstdint>
#include <memory>

#include "runtime/base/status.h"

namespace sardonyx::onnxifi {

enum class Kind : uint8_t { Id = 1, Backend = 2, Event = 3, Graph = 4, Value = 5 };

// Most objects that may be alive at once, all kinds together.
inline constexpr uint32_t max_handles = uint32_t(1) << 24;

struct HandleParts {
  Kind kind;
  uint32_t slot;
  uint64_t generation;
};
void* encode_handle(const HandleParts& parts);
// False when `handle` cannot be one.
bool decode_handle(const void* handle, HandleParts& parts);

// Stores an object. Throws Error(NoSystemResources) when the table is full, std::bad_alloc.
void* insert_handle(Kind kind, std::shared_ptr<void> object);
// Null unless live and of that kind.
std::shared_ptr<void> find_handle(Kind kind, const void* handle);
// Ends the life of the handle and returns the table's reference; null unless live and of that kind.
std::shared_ptr<void> take_handle(Kind kind, const void* handle);

// T names its kind: T::kind, T::invalid (the status of a failed look-up), T::noun (for the text).
template <class T>
void* insert(std::shared_ptr<T> object) {
  return insert_handle(T::kind, std::move(object));
}
template <class T>
std::shared_ptr<T> lookup(const void* handle) {
  auto object = find_handle(T::kind, handle);
  if (!object) fail(T::invalid, "not a live ", T::noun, " handle: ", handle);
  return std::static_pointer_cast<T>(std::move(object));
}
template <class T>
std::shared_ptr<T> take(const void* handle) {
  auto object = take_handle(T::kind, handle);
  if (!object) fail(T::invalid, "not a live ", T::noun, " handle: ", handle);
  return std::static_pointer_cast<T>(std::move(object));
}

}  // namespace sardonyx::onnxifi
