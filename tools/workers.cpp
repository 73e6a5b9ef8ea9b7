#include "tools/workers.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <vector>

namespace sardonyx::tools {

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kept_error_bytes = 2000;

struct Worker {
  size_t index = 0;
  pid_t process = -1;
  int result_pipe = -1;
  int error_pipe = -1;
  Clock::time_point started;
  WorkerResult result;
};

void make_pipe(int ends[2]) {
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
}

[[noreturn]] void work(const std::function<std::string(size_t)>& task, size_t index, int results, int errors) {
  dup2(errors, STDERR_FILENO);
  const std::string text = task(index);
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t written = write(results, text.data() + sent, text.size() - sent);
    if (written <= 0) _exit(1);
    sent += size_t(written);
  }
  // No exit handlers: what the parent has registered is not for the child to run.
  _exit(0);
}

Worker start(const std::function<std::string(size_t)>& task, size_t index) {
  int results[2], errors[2];
  make_pipe(results);
  make_pipe(errors);
  std::fflush(nullptr);
  Worker worker;
  worker.index = index;
  worker.started = Clock::now();
  worker.process = fork();
  if (worker.process < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (worker.process == 0) work(task, index, results[1], errors[1]);
  close(results[1]);
  close(errors[1]);
  worker.result_pipe = results[0];
  worker.error_pipe = errors[0];
  return worker;
}

// Reads what is there; closes the pipe at its end.
void drain(int& pipe, std::string& text) {
  char buffer[65536];
  const ssize_t size = read(pipe, buffer, sizeof buffer);
  if (size > 0) {
    text.append(buffer, size_t(size));
  } else if (size == 0 || errno != EINTR) {
    close(pipe);
    pipe = -1;
  }
}

void finish(Worker& worker) {
  int status = 0;
  while (waitpid(worker.process, &status, 0) < 0 && errno == EINTR) {
  }
  WorkerResult& result = worker.result;
  result.seconds = std::chrono::duration<double>(Clock::now() - worker.started).count();
  if (result.end == WorkerResult::End::TimedOut) return;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  result.end = WorkerResult::End::Crashed;
  result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace

void run_in_workers(size_t count, size_t jobs, double timeout, const std::function<std::string(size_t)>& task,
                    const std::function<void(size_t, const WorkerResult&)>& done) {
  const auto limit = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout));
  std::vector<Worker> running;
  size_t next = 0;
  while (next < count || !running.empty()) {
    while (next < count && running.size() < std::max<size_t>(jobs, 1)) running.push_back(start(task, next++));
    std::vector<pollfd> polled;
    for (const Worker& worker : running) {
      polled.push_back({worker.result_pipe, POLLIN, 0});
      polled.push_back({worker.error_pipe, POLLIN, 0});
    }
    poll(polled.data(), polled.size(), 50);
    for (size_t i = 0; i < running.size(); ++i) {
      Worker& worker = running[i];
      if (polled[2 * i].revents != 0) drain(worker.result_pipe, worker.result.text);
      if (polled[2 * i + 1].revents != 0) drain(worker.error_pipe, worker.result.errors);
      if (worker.result.errors.size() > kept_error_bytes) {
        worker.result.errors.erase(0, worker.result.errors.size() - kept_error_bytes);
      }
      if (worker.result.end != WorkerResult::End::TimedOut && Clock::now() - worker.started > limit) {
        worker.result.end = WorkerResult::End::TimedOut;
        kill(worker.process, SIGKILL);
      }
    }
    for (size_t i = 0; i < running.size();) {
      Worker& worker = running[i];
      if (worker.result_pipe >= 0 || worker.error_pipe >= 0) {
        ++i;
        continue;
      }
      finish(worker);
      done(worker.index, worker.result);
      running.erase(running.begin() + ptrdiff_t(i));
    }
  }
}

size_t usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return size_t(std::max(1, CPU_COUNT(&set)));
}

}  // namespace sardonyx::tools
