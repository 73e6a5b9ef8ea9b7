// What the oneDNN kernels share: the engine, single-threading, chunked invocations.
#pragma once
#include <dnnl.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/cpu/onednn/epilogue.h"
#include "runtime/kernel.h"

namespace sardonyx::cpu::onednn {

const dnnl::engine& engine();

// While one exists, oneDNN uses one OpenMP thread on this thread; the previous setting comes back at the end.
class SingleThread {
 public:
  SingleThread();
  ~SingleThread();
  SingleThread(const SingleThread&) = delete;
  SingleThread& operator=(const SingleThread&) = delete;

 private:
  int previous_;
};

// Calls f under SingleThread; oneDNN's exceptions become Error(UnsupportedShape) with its message.
template <class F>
auto guarded(const char* what, F&& f) {
  SingleThread single;
  try {
    return f();
  } catch (const dnnl::error& error) {
    fail(error.status == dnnl_out_of_memory ? Status::NoSystemMemory : Status::UnsupportedShape, "onednn ", what, ": ",
         error.what());
  }
}

// One argument of a chunk: buffer number of the launch and byte offset into it.
struct Argument {
  int id = 0;  // DNNL_ARG_...
  dnnl::memory::desc desc;
  int buffer = 0;
  int64_t offset = 0;
};

// One primitive over one part of the work; its scratchpad lies at the start of the worker's scratch.
struct Chunk {
  dnnl::primitive primitive;
  std::vector<Argument> arguments;
  dnnl::memory::desc scratchpad;
};

// Runs chunk i as grid index i.
class ChunkInvocation : public runtime::HostInvocation {
 public:
  ChunkInvocation(std::vector<Chunk> chunks, double cost);
  int32_t run(void* const* buffers, const int64_t* dims, void* scratch, int64_t begin,
              int64_t end) const noexcept override;

 private:
  std::vector<Chunk> chunks_;
};

// Post-ops of an epilogue for a result slice of `channels` channels. `binary` gives the descriptor of each binary
// operand. Scratchpad mode is always user.
dnnl::primitive_attr attributes_of(const Epilogue& epilogue,
                                   const std::function<dnnl::memory::desc(const PostOp&)>& binary);

// Appends the arguments of the binary post-ops: buffer numbers count up from `next`, `offset` gives the byte offset of
// each.
void append_binaries(Chunk& chunk, const dnnl::primitive_attr& attributes, const Epilogue& epilogue, int& next,
                     const std::function<int64_t(const PostOp&)>& offset);

// Splits `count` blocks into at most `parts` nearly equal ranges [begin, end).
std::vector<std::pair<int64_t, int64_t>> split_evenly(int64_t count, int64_t parts);

// Rounds up to 64.
inline int64_t align64(int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace sardonyx::cpu::onednn
