// Single-shot events: the run-time half of onnxEvent.
//
// An event goes from non-signalled to signalled once, carrying a status and a text. Waiting blocks on a condition
// variable (never spins); callbacks make runs continuations, so no thread is parked for a pending run.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/base/tensor.h"

namespace sardonyx::runtime {

class Event {
 public:
  // Signals with the outcome of a run; false (and no effect) when already signalled. Callbacks run on this thread,
  // after the state is visible, outside the lock. Release/acquire: what happened before is visible to waiters.
  bool signal(Status status = Status::Success, std::string text = {});
  bool signalled() const;
  // Blocks until signalled, then returns the status every time.
  Status wait();
  // False on time-out.
  bool wait_for(std::chrono::nanoseconds timeout);
  // Status and text once signalled; Success and "" before.
  Status status() const;
  std::string text() const;
  // Runs `callback` once signalled; immediately on this thread when it already is.
  void on_signal(std::function<void(const Event&)> callback);

  // Shapes of a run's outputs by name, stored by the executor before it signals (extension onnxx_output_shapes).
  void set_output_shapes(std::map<std::string, Dims> shapes);
  // The same without a copy: runs of one plan share one map.
  void set_output_shapes(std::shared_ptr<const std::map<std::string, Dims>> shapes);
  // What a run hands out, by output, stored before its signal and kept as long as the event.
  void set_results(std::vector<Tensor> results);
  // Undefined where there is none (yet: a host may signal the output event of a run by hand).
  Tensor result(size_t output) const;
  // Null when the run had none of that name.
  const Dims* output_shape(const std::string& name) const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable condition_;
  bool signalled_ = false;
  Status status_ = Status::Success;
  std::string text_;
  std::vector<std::function<void(const Event&)>> callbacks_;
  std::shared_ptr<const std::map<std::string, Dims>> output_shapes_;
  std::vector<Tensor> results_;
};

using EventPtr = std::shared_ptr<Event>;

}  // namespace sardonyx::runtime
