// The worker team: the threads that share the grid of one launch.
//
// The leader (the dispatcher thread) is a member: it publishes a job, works on it, and waits only for workers that
// joined. Indices are claimed in chunks; every worker begins in its own part of the grid and then helps in others', so
// neighbouring launches touch the same data on the same core and a descheduled worker delays one chunk. Idle workers
// spin for a bounded time and then sleep. They keep off the core that the leader is on.
//
//   Team team(4, 20'000);
//   int32_t code = team.run(invocation, buffers, dims, my_scratch);
#pragma once
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/kernel.h"

namespace sardonyx::runtime {

class Team {
 public:
  // `size` members including the leader. No thread starts yet.
  Team(int size, int64_t spin_nanoseconds);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }

  // Runs the whole grid, split over the team when that pays. One leader at a time. `scratch` serves the leader; workers
  // have their own. Returns the first error code of any chunk; after an error no further chunks start.
  int32_t run(const HostInvocation& invocation, void* const* buffers, const int64_t* dims, void* scratch);

  // Starts the threads if need be and wakes those asleep, so that they are there when the first launch comes.
  void wake();

  // Threads that exist now, the leader not counted.
  int started() const { return int(threads_.size()); }

 private:
  struct alignas(64) Lane {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  struct Job {
    const HostInvocation* invocation = nullptr;
    void* const* buffers = nullptr;
    const int64_t* dims = nullptr;
    int64_t grid = 0, chunk = 1;
    int lanes = 1;
  };
  struct Worker;

  void start();
  void keep_apart();
  bool worthwhile(const HostInvocation& invocation);
  void split(const HostInvocation& invocation, void* const* buffers, const int64_t* dims, void* scratch);
  void work(int member, void* scratch);
  bool claim(int lane, int64_t& begin, int64_t& end);
  void worker_loop(int member);
  void wake_sleepers();
  void leave();
  static void* thread_entry(void* worker);

  const int size_;
  const int64_t spin_nanoseconds_;
  std::vector<pthread_t> threads_;
  bool start_failed_ = false;
  cpu_set_t allowed_{};   // where the threads may run at all, as far as was known when they started
  int leader_cpu_ = -1;   // that the workers keep off
  double missed_ns_ = 0;  // work of launches that were too small to wake the team for

  Job job_;
  std::unique_ptr<Lane[]> lanes_;
  std::atomic<int32_t> error_{0};
  // Low word: number of workers inside the job, and flags; high word: number of the job.
  alignas(64) std::atomic<uint64_t> gate_{0};
  alignas(64) std::atomic<uint32_t> bell_{0};
  std::atomic<int32_t> sleepers_{0};
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<uint32_t> finished_{0};  // rung by the last worker to leave when the leader sleeps
};

// Blocks every signal on the calling thread while alive, so that threads made meanwhile never run host handlers.
class SignalBlock {
 public:
  SignalBlock();
  ~SignalBlock();

 private:
  sigset_t saved_;
};

}  // namespace sardonyx::runtime
