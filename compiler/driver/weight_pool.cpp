#include "compiler/driver/weight_pool.h"

#include <vector>

#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/base/compile_thread.h"
#include "runtime/base/status.h"

namespace sardonyx::driver {

WeightPool& WeightPool::instance() {
  static WeightPool& pool = *new WeightPool();
  return pool;
}

WeightPool::WeightPool() {
  require(getrandom(secret_.data(), secret_.size(), 0) == ssize_t(secret_.size()), Status::NoSystemResources,
          "the system has no random bytes");
}

// Over the digests of chunks, which several threads make.
WeightPool::Digest WeightPool::digest_of(const std::string& form, const Tensor& source) const {
  constexpr int64_t chunk = int64_t{1} << 20;
  const auto hash = [&](const void* data, size_t size) {
    const XXH128_hash_t value = XXH3_128bits_withSecret(data, size, secret_.data(), secret_.size());
    return Digest{value.low64, value.high64};
  };
  const std::string text = str(form, "\n", dtype_name(source.dtype()), "[", join(source.dims(), ","), "]");
  const int64_t bytes = source.bytes();
  std::vector<Digest> digests(size_t((bytes + chunk - 1) / chunk) + 1);
  parallel_ranges(bytes, chunk, bytes, [&](int64_t begin, int64_t end) {
    digests[size_t(begin / chunk)] = hash(source.unaligned() + begin, size_t(end - begin));
  });
  digests.back() = hash(text.data(), text.size());
  return hash(digests.data(), digests.size() * sizeof(Digest));
}

Tensor WeightPool::find(const Digest& digest) const {
  const auto entry = entries_.find(digest);
  if (entry == entries_.end()) return {};
  auto storage = entry->second.storage.lock();
  return storage ? Tensor(entry->second.dtype, entry->second.dims, std::move(storage)) : Tensor();
}

Tensor WeightPool::get(const std::string& form, const Tensor& source,
                       const std::function<Tensor(const Tensor&)>& make) {
  const Digest digest = digest_of(form, source);
  {
    std::lock_guard lock(mutex_);
    if (Tensor known = find(digest); known.defined()) return known;
  }
  const Tensor made = make(source);
  // Its memory is given back before another thread can take its place.
  std::shared_ptr<uint8_t> storage(made.storage().get(), [this, digest, memory = made.storage()](uint8_t*) mutable {
    memory.reset();
    forget(digest);
  });
  std::lock_guard lock(mutex_);
  if (Tensor known = find(digest); known.defined()) return known;
  entries_[digest] = {made.dtype(), made.dims(), storage};
  return Tensor(made.dtype(), made.dims(), std::move(storage));
}

void WeightPool::forget(const Digest& digest) {
  std::lock_guard lock(mutex_);
  const auto entry = entries_.find(digest);
  if (entry != entries_.end() && entry->second.storage.expired()) entries_.erase(entry);
}

size_t WeightPool::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace sardonyx::driver
