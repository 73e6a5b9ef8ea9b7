#include "onnxifi/handles.h"

#include <array>
#include <atomic>
#include <mutex>
#include <vector>

namespace sardonyx::onnxifi {

namespace {

constexpr uint64_t tag_bits = uint64_t(0xA) << 60;
constexpr int kind_shift = 57;
constexpr int slot_shift = 33;
constexpr uint64_t slot_mask = max_handles - 1;
constexpr uint64_t generation_mask = (uint64_t(1) << slot_shift) - 1;

// One cache line. `object` is set exactly while `handle` is live; the generation of a dead slot stays in `handle`.
struct Slot {
  std::mutex mutex;
  uint64_t handle = 0;
  std::shared_ptr<void> object;
};

// Slots live in chunks that never move or go away, so a look-up needs no lock but the one of its slot. The table itself
// is trivially destructible: it stays usable for threads that are still running while the process exits.
constexpr uint32_t chunk_slots = 1024;

struct Table {
  std::array<std::atomic<Slot*>, max_handles / chunk_slots> chunks;
  std::mutex mutex;  // guards the members below
  uint32_t used = 0;
  std::vector<uint32_t>* free = nullptr;  // its capacity covers every slot, so giving one back cannot fail
};
constinit Table table;

Slot* slot_of(uint32_t index) {
  Slot* chunk = table.chunks[index / chunk_slots].load(std::memory_order_acquire);
  return chunk == nullptr ? nullptr : chunk + index % chunk_slots;
}

uint32_t claim_slot() {
  std::lock_guard lock(table.mutex);
  if (table.free == nullptr) table.free = new std::vector<uint32_t>;
  if (!table.free->empty()) {
    const uint32_t index = table.free->back();
    table.free->pop_back();
    return index;
  }
  require(table.used < max_handles, Status::NoSystemResources, "all ", max_handles, " handles are in use");
  if (table.used % chunk_slots == 0) {
    if (table.free->capacity() < table.used + chunk_slots) table.free->reserve(2 * (table.used + chunk_slots));
    table.chunks[table.used / chunk_slots].store(new Slot[chunk_slots], std::memory_order_release);
  }
  return table.used++;
}

}  // namespace

void* encode_handle(const HandleParts& parts) {
  return reinterpret_cast<void*>(tag_bits | uint64_t(parts.kind) << kind_shift | uint64_t(parts.slot) << slot_shift |
                                 parts.generation);
}

bool decode_handle(const void* handle, HandleParts& parts) {
  const auto bits = reinterpret_cast<uint64_t>(handle);
  parts.kind = Kind(bits >> kind_shift & 7);
  parts.slot = uint32_t(bits >> slot_shift & slot_mask);
  parts.generation = bits & generation_mask;
  return bits >> 60 == tag_bits >> 60 && parts.generation != 0;
}

void* insert_handle(Kind kind, std::shared_ptr<void> object) {
  const uint32_t index = claim_slot();
  Slot& slot = *slot_of(index);
  std::lock_guard lock(slot.mutex);
  const uint64_t generation = (slot.handle & generation_mask) + 1;
  void* handle = encode_handle({kind, index, generation});
  slot.handle = reinterpret_cast<uint64_t>(handle);
  slot.object = std::move(object);
  return handle;
}

std::shared_ptr<void> find_handle(Kind kind, const void* handle) {
  HandleParts parts;
  if (!decode_handle(handle, parts) || parts.kind != kind) return nullptr;
  Slot* slot = slot_of(parts.slot);
  if (slot == nullptr) return nullptr;
  std::lock_guard lock(slot->mutex);
  return slot->handle == reinterpret_cast<uint64_t>(handle) ? slot->object : nullptr;
}

std::shared_ptr<void> take_handle(Kind kind, const void* handle) {
  HandleParts parts;
  if (!decode_handle(handle, parts) || parts.kind != kind) return nullptr;
  Slot* slot = slot_of(parts.slot);
  if (slot == nullptr) return nullptr;
  std::shared_ptr<void> object;
  {
    std::lock_guard lock(slot->mutex);
    if (slot->handle != reinterpret_cast<uint64_t>(handle)) return nullptr;
    object = std::move(slot->object);
    slot->object = nullptr;
  }
  if (object != nullptr && parts.generation < generation_mask) {
    std::lock_guard lock(table.mutex);
    table.free->push_back(parts.slot);
  }
  return object;
}

}  // namespace sardonyx::onnxifi
