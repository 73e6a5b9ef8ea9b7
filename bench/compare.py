#!/usr/bin/env python3
"""Side by side with ONNX Runtime, or our own policies with each other, in one run.

    compare.py --library build/onnxifi/libonnxifi.so MODEL... [--threads 1,2] [--rounds 5] [--seconds 2] [--json FILE]
               [--inits 3] [--cache FOLDER]
    compare.py MODEL... --busy 1      # with a process that keeps core 1 busy
    compare.py MODEL... --policies    # this library under auto, codegen and library

MODEL is a folder with model.onnx and test_data_set_0. For every model and number of threads each engine gets a process
of its own; they are asked for rounds alternately, and the others are idle meanwhile. A round's figure is the median of
its runs; an engine's is that of its best round, with a busy core the median of its rounds. All start from bound buffers:
a run is onnxRunGraph to the signalled event here, run_with_iobinding there. How long a cache line takes from one core to
the other and back, and what the cores read from memory, is measured before every model where bench_machine is built:
virtual cores move. Both are given the path of the model, whose file has been read before. Initialisation takes what it
takes in the best of --inits processes of each engine, alternately, and does not find code of earlier processes unless
--cache says where: then the first ones put it there. Memory is that of the whole process, Python and the model's
inputs included: resident after the first run, and the most until the end. Needs numpy and onnxruntime (any virtual
environment), for development only.

The busy process is a plain loop. Under a real-time class (chrt -f), where equals do not preempt each other, it takes a
priority above the engines' and works every other slice of 3 ms, which is what an ordinary scheduler makes of two.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

from engines import ENGINES, load_case, memory

IDLE_SECONDS = 0.2    # before a round, until the other engine's threads sleep
ASLEEP_SECONDS = 1.0  # over which an idle process's use of the processor is taken
BUSY_SLICE = 0.003
POLICIES = ("auto", "codegen", "library")


def worker(name, folder, library, threads):
    """Answers a line of JSON per request: first the set-up, then a round per line of input."""
    model, inputs, expected = load_case(folder)
    engine = ENGINES[name](library, threads)
    before = memory()
    init = engine.init(model)
    engine.bind(inputs, expected)
    start = time.perf_counter()
    engine.run()
    first = time.perf_counter() - start
    # Against the file's expected outputs, relative to the largest magnitude of each.
    error = max(float(np.max(np.abs(got.astype(np.float64) - want)) / max(1e-30, float(np.max(np.abs(want)))))
                for got, (_, want) in zip(engine.outputs(), expected))
    print(json.dumps({"init": init, "first": first, "resident": memory(), "grown": memory() - before, "error": error}),
          flush=True)
    for line in sys.stdin:
        if line == "idle\n":
            time.sleep(IDLE_SECONDS)
            cpu = time.process_time()
            time.sleep(ASLEEP_SECONDS)
            print(json.dumps({"idle": (time.process_time() - cpu) / ASLEEP_SECONDS}), flush=True)
            continue
        seconds, times, start = float(line), [], time.perf_counter()
        cpu = time.process_time()
        while time.perf_counter() - start < seconds or len(times) < 5:
            begin = time.perf_counter()
            engine.run()
            times.append(time.perf_counter() - begin)
        busy = (time.process_time() - cpu) / (time.perf_counter() - start)
        print(json.dumps({"median": statistics.median(times), "runs": len(times), "busy": busy,
                          "peak": memory(peak=True)}), flush=True)


class Peer:
    """A process with one engine. `variables` are those of its environment that the library reads."""

    def __init__(self, label, engine, folder, arguments, threads, **variables):
        # Everything but the threads asked for is left to the engine: no variable of the shell may shape the result.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SARDONYX_", "OMP_", "ORT_"))}
        environment["SARDONYX_DEVICES"] = "cpu"  # as the peer: drivers of other devices take memory
        environment["SARDONYX_CACHE_DIR"] = arguments.cache
        self.label = label
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", engine, "--library", arguments.library, "--threads", str(threads),
             folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment | variables)
        self.result = {"rounds": [], **self.read()}

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.label} ended: see above")
        return json.loads(line)

    def ask(self, request):
        print(request, file=self.process.stdin, flush=True)
        return self.read()

    def round(self, seconds):
        time.sleep(IDLE_SECONDS)
        answer = self.ask(seconds)
        self.result["rounds"].append(answer["median"])
        self.result["peak"] = answer["peak"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()

    def close(self, of_rounds):
        self.result.update(self.ask("idle"))
        self.end()
        self.result["median"] = of_rounds(self.result["rounds"])
        return self.result


def peers_of(folder, threads, arguments):
    if arguments.policies:
        return [Peer(policy, "sardonyx", folder, arguments, threads, SARDONYX_POLICY=policy) for policy in POLICIES]
    return [Peer(name, name, folder, arguments, threads) for name in ENGINES]


def keep_busy(core):
    """What the busy process does, to the end of its life."""
    os.sched_setaffinity(0, [core])
    policy = os.sched_getscheduler(0)
    real_time = policy in (os.SCHED_FIFO, os.SCHED_RR)
    if real_time:
        os.sched_setscheduler(0, policy, os.sched_param(os.sched_getparam(0).sched_priority + 1))
    while True:
        start = time.perf_counter()
        while time.perf_counter() - start < BUSY_SLICE:
            pass
        if real_time:
            time.sleep(BUSY_SLICE)


def machine(arguments):
    """What the cores give at this moment; nothing without bench_machine."""
    program = pathlib.Path(arguments.library).resolve().parent.parent / "bench" / "bench_machine"
    return json.loads(subprocess.check_output([program])) if program.exists() else {}


def read_once(file):
    with open(file, "rb") as model:
        while model.read(1 << 24):
            pass


def best_inits(folder, threads, arguments):
    """The shortest of all but one initialisation by each engine; nothing when there is but one."""
    best = {}
    for _ in range(arguments.inits - 1):
        for peer in peers_of(folder, threads, arguments):
            best[peer.label] = min(peer.result["init"], best.get(peer.label, math.inf))
            peer.end()
    return best


def compare(folder, threads, arguments):
    found = machine(arguments)
    read_once(pathlib.Path(folder) / "model.onnx")
    inits = best_inits(folder, threads, arguments)
    peers = peers_of(folder, threads, arguments)
    busy = None
    if arguments.busy is not None:
        busy = subprocess.Popen([sys.executable, __file__, "--keep-busy", str(arguments.busy), folder])
    try:
        for number in range(arguments.rounds):
            for peer in peers if number % 2 == 0 else reversed(peers):
                peer.round(arguments.seconds)
    finally:
        if busy is not None:
            busy.kill()
            busy.wait()
    results = {peer.label: peer.close(min if busy is None else statistics.median) for peer in peers}
    for label, result in results.items():
        result["init"] = min(result["init"], inits.get(label, math.inf))
    return {"model": pathlib.Path(folder).name, "threads": threads, "machine": found, **results}


# The table of a run against ONNX Runtime, and that of the policies. Ratios are to the second column's engine.
ENGINE_TITLES = ("model", "threads", "median ms, ours / ONNX Runtime", "ratio", "init ms", "first run ms", "resident MiB",
                 "peak MiB", "relative error", "idle %", "cores ns, GB/s")
POLICY_TITLES = ("model", "threads", "auto ms", "codegen / auto", "library / auto")


def cores(found):
    if not found:
        return ""
    return f"{found['round_trip_ns']:.0f}, {' / '.join(f'{rate:.0f}' for rate in found['read_gb_per_s'])}"


def engine_row(entry):
    ours, theirs = entry["sardonyx"], entry["onnxruntime"]

    def pair(key, scale, digits):
        return f"{ours[key] * scale:.{digits}f} / {theirs[key] * scale:.{digits}f}"

    return (entry["model"], entry["threads"], pair("median", 1e3, 3), f"{ours['median'] / theirs['median']:.2f}",
            pair("init", 1e3, 0), pair("first", 1e3, 2), pair("resident", 2**-20, 0), pair("peak", 2**-20, 0),
            pair("error", 1, 7),
            pair("idle", 100, 2), cores(entry["machine"]))


def policy_row(entry):
    auto = entry["auto"]["median"]
    return (entry["model"], entry["threads"], f"{auto * 1e3:.3f}", f"{entry['codegen']['median'] / auto:.3f}",
            f"{entry['library']['median'] / auto:.3f}")


def print_row(cells):
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def print_means(entries, above, below):
    """Geometric means of the ratios, by number of threads."""
    for threads in sorted({entry["threads"] for entry in entries}):
        ratios = [math.log(e[above]["median"] / e[below]["median"]) for e in entries if e["threads"] == threads]
        print(f"{threads} threads, {above} / {below}: geometric mean {math.exp(statistics.mean(ratios)):.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--library", default="build/onnxifi/libonnxifi.so")
    parser.add_argument("--threads", default="1,2", help="numbers, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each round")
    parser.add_argument("--inits", type=int, default=3, help="processes of which the best initialisation counts")
    parser.add_argument("--cache", default="off", help="folder for compiled code")
    parser.add_argument("--json", help="file for all figures")
    parser.add_argument("--busy", type=int, metavar="CORE", help="a core to keep busy meanwhile")
    parser.add_argument("--policies", action="store_true", help="compare the policies, not engines")
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--keep-busy", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.models[0], arguments.library, int(arguments.threads))
        return
    if arguments.keep_busy is not None:
        keep_busy(arguments.keep_busy)
    titles, row = (POLICY_TITLES, policy_row) if arguments.policies else (ENGINE_TITLES, engine_row)
    print_row(titles)
    print_row(["---"] * len(titles))
    entries = []
    for folder in arguments.models:
        for threads in map(int, arguments.threads.split(",")):
            entries.append(compare(folder, threads, arguments))
            print_row(row(entries[-1]))
            if arguments.json:
                pathlib.Path(arguments.json).write_text(json.dumps(entries, indent=2) + "\n")
    for above in ("codegen", "library") if arguments.policies else ("sardonyx",):
        print_means(entries, above, "auto" if arguments.policies else "onnxruntime")


if __name__ == "__main__":
    main()
