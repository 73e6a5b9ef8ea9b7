// Tasks in processes of their own, so that a crash or a hang of one is that task's result and nothing more.
#pragma once
#include <cstddef>
#include <functional>
#include <string>

namespace sardonyx::tools {

struct WorkerResult {
  enum class End { Finished, Crashed, TimedOut };
  End end = End::Finished;
  std::string text;    // what the task returned
  std::string errors;  // the last lines it wrote to stderr
  int signal = 0;      // that killed it when it crashed; 0: it exited
  double seconds = 0;
};

// Calls task(i) for every i below `count`, each in a forked process, at most `jobs` at a time; done(i, result) is
// called here as they end. A task still running after `timeout` seconds is killed. The caller must be single-threaded,
// and the library under test may be opened but not called before: a forked child has only the thread that forked.
void run_in_workers(size_t count, size_t jobs, double timeout, const std::function<std::string(size_t)>& task,
                    const std::function<void(size_t, const WorkerResult&)>& done);

// Processors this process may run on.
size_t usable_processors();

}  // namespace sardonyx::tools
