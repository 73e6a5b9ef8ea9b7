// What the library costs around the arithmetic: a run, a wake-up by another thread's event, an idle process, and memory
// over many graphs. The floors of docs/performance.md are checked by reading these.
#include <benchmark/benchmark.h>

#include <chrono>
#include <thread>

#include "host.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct SignalledEvent {
  explicit SignalledEvent(onnxBackend backend) {
    check(onnxInitEvent(backend, &event), "onnxInitEvent");
    check(onnxSignalEvent(event), "onnxSignalEvent");
  }
  ~SignalledEvent() { check(onnxReleaseEvent(event), "onnxReleaseEvent"); }
  onnxEvent event = nullptr;
};

// From onnxSetIOAndRunGraph to the signalled output event. The argument is the number of threads.
void BindAndRun(benchmark::State& state) {
  onnxBackend backend = make_backend(uint64_t(state.range(0)));
  {
    Mlp mlp(backend);
    for (auto _ : state) {
      const onnxEvent done = mlp.submit_bound();
      check(onnxWaitEvent(done), "onnxWaitEvent");
      check(onnxReleaseEvent(done), "onnxReleaseEvent");
    }
  }
  check(onnxReleaseBackend(backend), "onnxReleaseBackend");
}
BENCHMARK(BindAndRun)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMicrosecond);

// From onnxRunGraph on what is bound already.
void Run(benchmark::State& state) {
  onnxBackend backend = make_backend(uint64_t(state.range(0)));
  {
    Mlp mlp(backend);
    const SignalledEvent ready(backend);
    for (auto _ : state) {
      const onnxEvent done = mlp.submit(ready.event);
      check(onnxWaitEvent(done), "onnxWaitEvent");
      check(onnxReleaseEvent(done), "onnxReleaseEvent");
    }
  }
  check(onnxReleaseBackend(backend), "onnxReleaseBackend");
}
BENCHMARK(Run)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMicrosecond);

void Bind(benchmark::State& state) {
  onnxBackend backend = make_backend();
  {
    Mlp mlp(backend);
    for (auto _ : state) check(onnxSetGraphIO(mlp.graph(), 1, mlp.input(), 1, mlp.output()), "onnxSetGraphIO");
  }
  check(onnxReleaseBackend(backend), "onnxReleaseBackend");
}
BENCHMARK(Bind)->Unit(benchmark::kMicrosecond);

// A submitted graph waits for an event that another thread signals after a pause (the argument, in microseconds), when
// every worker sleeps. The time goes from the signal to the output event, the run (see above) included. The thread that
// signals polls, so its own wake-up is no part of it.
void StartAfterSignal(benchmark::State& state) {
  onnxBackend backend = make_backend();
  {
    Mlp mlp(backend);
    for (auto _ : state) {
      onnxEvent ready = nullptr;
      check(onnxInitEvent(backend, &ready), "onnxInitEvent");
      const onnxEvent done = mlp.submit(ready);
      double seconds = 0;
      std::thread signaller([&] {
        std::this_thread::sleep_for(std::chrono::microseconds(state.range(0)));
        const auto start = Clock::now();
        check(onnxSignalEvent(ready), "onnxSignalEvent");
        Mlp::poll(done);
        seconds = since(start);
      });
      signaller.join();
      state.SetIterationTime(seconds);
      check(onnxReleaseEvent(done), "onnxReleaseEvent");
      check(onnxReleaseEvent(ready), "onnxReleaseEvent");
    }
  }
  check(onnxReleaseBackend(backend), "onnxReleaseBackend");
}
BENCHMARK(StartAfterSignal)->Arg(2000)->Iterations(500)->UseManualTime()->Unit(benchmark::kMicrosecond);

// Everything made, run once and released. The counter is the growth of resident memory from the first tenth to the end.
void InitRunRelease(benchmark::State& state) {
  double settled = 0;
  int64_t cycle = 0;
  const int64_t warm_up = state.max_iterations / 10;
  for (auto _ : state) {
    onnxBackend backend = make_backend();
    {
      Mlp mlp(backend);
      const onnxEvent done = mlp.submit_bound();
      check(onnxWaitEvent(done), "onnxWaitEvent");
      check(onnxReleaseEvent(done), "onnxReleaseEvent");
    }
    check(onnxReleaseBackend(backend), "onnxReleaseBackend");
    if (cycle++ == warm_up) settled = resident_bytes();
  }
  state.counters["grown_bytes"] = resident_bytes() - settled;
}
BENCHMARK(InitRunRelease)->Iterations(1000)->UseRealTime()->Unit(benchmark::kMillisecond);

// Processor time of the process from 10 ms after a burst of runs on, as a share of one core; nothing should burn.
void IdleAfterRuns(benchmark::State& state) {
  onnxBackend backend = make_backend();
  {
    Mlp mlp(backend);
    double share = 0;
    for (auto _ : state) {
      for (int i = 0; i < 1000; ++i) {
        const onnxEvent done = mlp.submit_bound();
        check(onnxWaitEvent(done), "onnxWaitEvent");
        check(onnxReleaseEvent(done), "onnxReleaseEvent");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const double busy = processor_seconds();
      const auto start = Clock::now();
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      share = (processor_seconds() - busy) / since(start);
    }
    state.counters["core_percent"] = 100 * share;
  }
  check(onnxReleaseBackend(backend), "onnxReleaseBackend");
}
BENCHMARK(IdleAfterRuns)->Iterations(1)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace bench

BENCHMARK_MAIN();
