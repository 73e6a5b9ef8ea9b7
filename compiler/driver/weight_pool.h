// Large constants of all graphs of the process, in the forms in which kernels read them: graphs that need the same
// share one copy, which goes with the last of them.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "runtime/base/tensor.h"

namespace sardonyx::driver {

class WeightPool {
 public:
  // The one of the process, never destroyed.
  static WeightPool& instance();

  // What `make` gives for `source`; `form` says what that is: equal forms and equal sources have equal results. Made
  // when no tensor that came of an earlier call is left. Thread-safe; threads that ask for the same at the same time
  // may all make it, but get one. `source` has plain numbers.
  Tensor get(const std::string& form, const Tensor& source, const std::function<Tensor(const Tensor&)>& make);

  // Tensors that are in use.
  size_t size() const;

 private:
  // Of the form and the source. Keyed by a secret of the process: no model can be made to collide with another's
  // weights.
  using Digest = std::array<uint64_t, 2>;
  struct Entry {
    DType dtype;
    Dims dims;
    std::weak_ptr<uint8_t> storage;
  };

  WeightPool();
  Digest digest_of(const std::string& form, const Tensor& source) const;
  Tensor find(const Digest& digest) const;
  void forget(const Digest& digest);

  std::array<uint8_t, 192> secret_;
  mutable std::mutex mutex_;
  std::map<Digest, Entry> entries_;
};

}  // namespace sardonyx::driver
