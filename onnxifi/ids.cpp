#include "onnxifi/ids.h"

#include <atomic>

#include "onnxifi/handles.h"

namespace sardonyx::onnxifi {

namespace {

struct Ids {
  const std::vector<backends::BackendChoice>& list;
  std::unique_ptr<std::atomic<uint64_t>[]> references;
};

// Never destroyed: calls may still come in while the process exits.
Ids& ids() {
  static Ids& instance = *[] {
    environment();
    const auto& list = backends::choices();
    return new Ids{list, std::make_unique<std::atomic<uint64_t>[]>(list.size())};
  }();
  return instance;
}

onnxBackendID id_of(size_t index) { return encode_handle({Kind::Id, uint32_t(index), 1}); }

// The index of a value that is an ID, whether live or not.
size_t index_of(onnxBackendID id) {
  HandleParts parts;
  if (!decode_handle(id, parts) || parts.slot >= ids().list.size() || id != id_of(parts.slot)) {
    fail(Status::InvalidId, "not a backend ID: ", id);
  }
  return parts.slot;
}

}  // namespace

const Settings& environment() {
  static const Settings& settings = *[] {
    auto* read = new Settings(settings_from_environment());
    set_log_level(read->log_level);
    return read;
  }();
  return settings;
}

Status list_ids(onnxBackendID* list, size_t* count) {
  Ids& all = ids();
  const size_t size = all.list.size();
  const bool fits = list != nullptr && *count >= size;
  *count = size;
  if (!fits) return Status::Fallback;
  for (size_t i = 0; i < size; ++i) {
    all.references[i].fetch_add(1, std::memory_order_relaxed);
    list[i] = id_of(i);
  }
  return Status::Success;
}

void release_id(onnxBackendID id) {
  auto& references = ids().references[index_of(id)];
  uint64_t seen = references.load(std::memory_order_relaxed);
  do {
    require(seen > 0, Status::InvalidId, "backend ID without references: ", id);
  } while (!references.compare_exchange_weak(seen, seen - 1, std::memory_order_relaxed));
}

const backends::BackendChoice& choice_of(onnxBackendID id) {
  const size_t index = index_of(id);
  require(ids().references[index].load(std::memory_order_relaxed) > 0, Status::InvalidId,
          "backend ID without references: ", id);
  return ids().list[index];
}

}  // namespace sardonyx::onnxifi
