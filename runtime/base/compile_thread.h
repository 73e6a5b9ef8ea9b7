// Threads for compiling: hosts call us on threads of unknown stack size, and compilers recurse.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

namespace sardonyx {

// Runs `work` on a fresh thread with a 64 MiB stack and all signals blocked; waits for it and rethrows what it throws.
// Runs inline when the calling thread already is such a thread. Throws Error(NoSystemResources) when none can start.
void on_compile_thread(const std::function<void()>& work);

// Calls work(0) ... work(count - 1) on compile threads, at most one per core and `most_threads`, in any order. The
// first exception is rethrown after all have stopped.
void parallel_compile(size_t count, const std::function<void(size_t)>& work, size_t most_threads = 4);

// Calls work(0) ... work(count - 1), parts of making `bytes` of data: in order on the calling thread when that is
// little, else on compile threads.
void parallel_parts(int64_t count, int64_t bytes, const std::function<void(int64_t)>& work);
// The same with work(begin, end) for [0, count) in ranges of `range`, the last of which may be shorter.
void parallel_ranges(int64_t count, int64_t range, int64_t bytes, const std::function<void(int64_t, int64_t)>& work);

}  // namespace sardonyx
