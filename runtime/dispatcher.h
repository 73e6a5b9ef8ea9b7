// The queue of ready runs and the threads that serve it.
//
// One dispatcher thread leads the whole team (low latency), or one thread per core works alone (high throughput): then
// as many runs, of one or several sessions, execute at the same time, each on its core.
// Threads start with the first task. A task blocks on nothing but its own computation, which includes devices inside If
// and Loop: what waits for an event or otherwise for a device is not here yet (see session.cpp).
#pragma once
#include <cstdint>
#include <memory>

#include "runtime/base/settings.h"
#include "runtime/team.h"

namespace sardonyx::runtime {

// Something to run on a dispatcher thread; owned by the queue until it runs, then by itself.
class Task {
 public:
  virtual ~Task() = default;
  // Runs and disposes of the task. `team` belongs to the calling thread for the duration; null: run alone.
  virtual void execute(Team* team) noexcept = 0;
  // Next in the queue; the queue's own.
  Task* next = nullptr;
};

class Dispatcher {
 public:
  explicit Dispatcher(const Settings& settings);
  // Joins the threads; safe on one of them (that one finishes by itself). The queue is empty by then: every task
  // holds the Context.
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Never blocks. Tasks start in order of arrival. When no thread can be had (none can be created, or this is a forked
  // child, where they do not exist) the task runs here and now.
  void enqueue(Task* task);

  // Threads that serve the queue, and members of each one's team.
  int lanes() const;
  int team_size() const;

 private:
  struct Core;
  static void* thread_entry(void* argument);
  std::shared_ptr<Core> core_;
};

}  // namespace sardonyx::runtime
