#!/usr/bin/env python3
"""Side by side with ONNX Runtime, in one run.

    compare.py --library build/onnxifi/libonnxifi.so MODEL... [--threads 1,2] [--rounds 5] [--seconds 2] [--json FILE]

MODEL is a folder with model.onnx and test_data_set_0. For every model and number of threads each engine gets a process
of its own; the two are asked for rounds alternately, and the other one is idle meanwhile. A round's figure is the median
of its runs; an engine's is that of its best round. Both start from bound buffers: a run is onnxRunGraph to the signalled
event here, run_with_iobinding there. Both are given the path of the model. Memory is that of the whole process, Python
and the model's inputs included: resident after the first run, and the most until the end. Needs numpy and onnxruntime (any
virtual environment), for development only.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

from engines import ENGINES, load_case, memory

IDLE_SECONDS = 0.2  # before a round, until the other engine's threads sleep


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
    def __init__(self, name, folder, arguments, threads):
        # Everything but the threads asked for is left to the engine: no variable of the shell may shape the result.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SARDONYX_", "OMP_", "ORT_"))}
        environment["SARDONYX_DEVICES"] = "cpu"  # as the peer: drivers of other devices take memory
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", name, "--library", arguments.library, "--threads", str(threads), folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.result = {"rounds": [], **self.read()}

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended: see above")
        return json.loads(line)

    def round(self, seconds):
        time.sleep(IDLE_SECONDS)
        print(seconds, file=self.process.stdin, flush=True)
        answer = self.read()
        self.result["rounds"].append(answer["median"])
        self.result["peak"] = answer["peak"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.result["median"] = min(self.result["rounds"])
        return self.result


def compare(folder, threads, arguments):
    peers = [Peer(name, folder, arguments, threads) for name in ENGINES]
    for number in range(arguments.rounds):
        for peer in peers if number % 2 == 0 else reversed(peers):
            peer.round(arguments.seconds)
    results = {peer.name: peer.close() for peer in peers}
    results["ratio"] = results["sardonyx"]["median"] / results["onnxruntime"]["median"]
    return {"model": pathlib.Path(folder).name, "threads": threads, **results}


def row(entry):
    ours, theirs = entry["sardonyx"], entry["onnxruntime"]

    def pair(key, scale, digits):
        return f"{ours[key] * scale:.{digits}f} / {theirs[key] * scale:.{digits}f}"

    return (f"| {entry['model']} | {entry['threads']} | {pair('median', 1e3, 3)} | {entry['ratio']:.2f} "
            f"| {pair('init', 1e3, 0)} | {pair('first', 1e3, 2)} | {pair('resident', 2**-20, 0)} "
            f"| {pair('peak', 2**-20, 0)} | {pair('error', 1, 7)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--library", default="build/onnxifi/libonnxifi.so")
    parser.add_argument("--threads", default="1,2", help="numbers, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each round")
    parser.add_argument("--json", help="file for all figures")
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.models[0], arguments.library, int(arguments.threads))
        return
    print("| model | threads | median ms, ours / ONNX Runtime | ratio | init ms | first run ms | resident MiB "
          "| peak MiB | relative error |\n|---|---|---|---|---|---|---|---|---|")
    entries = []
    for folder in arguments.models:
        for threads in map(int, arguments.threads.split(",")):
            entries.append(compare(folder, threads, arguments))
            print(row(entries[-1]), flush=True)
            if arguments.json:
                pathlib.Path(arguments.json).write_text(json.dumps(entries, indent=2) + "\n")


if __name__ == "__main__":
    main()
