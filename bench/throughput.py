#!/usr/bin/env python3
"""Runs per second of one graph, submitted from several threads.

    throughput.py --library build/onnxifi/libonnxifi.so MODEL... [--streams 2] [--rounds 5] [--seconds 1] [--json FILE]

MODEL is a folder with model.onnx and test_data_set_0. Four ways, each a process of its own, are asked for rounds in turn:
this library in its throughput mode with as many submitting threads as streams, each with its own buffers; with one, which
says what a stream alone gives; in its latency mode, one submitter and as many threads; and ONNX Runtime, one session with
one thread per run and as many threads that call it. The figure of a way is its best round. Results are compared with the
file's expected outputs after every round. Needs numpy and onnxruntime, for development only.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import numpy as np

from engines import ENGINES, load_case, memory

# Engine, threads of the engine, submitting threads (by the number of streams), variables.
WAYS = {
    "throughput": ("sardonyx", lambda n: n, lambda n: n, {"SARDONYX_OPTIMIZATION": "throughput"}),
    "one stream": ("sardonyx", lambda n: n, lambda n: 1, {"SARDONYX_OPTIMIZATION": "throughput"}),
    "latency": ("sardonyx", lambda n: n, lambda n: 1, {"SARDONYX_OPTIMIZATION": "latency"}),
    "onnxruntime": ("onnxruntime", lambda n: 1, lambda n: n, {}),
}
TOLERANCE = 1e-3


def work(run, expected, end, counts, failures):
    count, results = 0, []
    while time.perf_counter() < end:
        results = run()
        count += 1
    counts.append(count)
    for got, (name, want) in zip(results, expected):
        if not np.max(np.abs(got - want)) <= TOLERANCE * np.max(np.abs(want)):
            failures.append(name)


def worker(name, folder, library, threads, submitters):
    """Answers a line of JSON per line of input: runs per second."""
    model, inputs, expected = load_case(folder)
    engine = ENGINES[name](library, threads)
    engine.init(model)
    streams = [engine.stream(inputs, expected) for _ in range(submitters)]
    for run in streams:
        run()
    print(json.dumps({"resident": memory()}), flush=True)
    for line in sys.stdin:
        counts, failures, start = [], [], time.perf_counter()
        callers = [threading.Thread(target=work, args=(run, expected, start + float(line), counts, failures))
                   for run in streams]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        if failures:
            sys.exit(f"wrong results: {', '.join(failures)}")
        print(json.dumps({"rate": sum(counts) / (time.perf_counter() - start)}), flush=True)


class Way:
    def __init__(self, label, folder, arguments):
        engine, threads, submitters, variables = WAYS[label]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SARDONYX_", "OMP_", "ORT_"))}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", engine, "--library", arguments.library, "--threads",
             str(threads(arguments.streams)), "--submitters", str(submitters(arguments.streams)), folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment | {"SARDONYX_DEVICES": "cpu"} | variables)
        self.resident = self.read()["resident"]
        self.rates = []

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("a worker ended: see above")
        return json.loads(line)

    def round(self, seconds):
        print(seconds, file=self.process.stdin, flush=True)
        self.rates.append(self.read()["rate"])

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        return {"rate": max(self.rates), "rates": self.rates, "resident": self.resident}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--library", default="build/onnxifi/libonnxifi.so")
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1, help="of each round")
    parser.add_argument("--json", type=pathlib.Path, help="file for all figures")
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--submitters", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.models[0], arguments.library, arguments.threads, arguments.submitters)
        return
    print(f"runs per second, {arguments.streams} streams\n| model | " + " | ".join(WAYS) + " | to one stream "
          "| to ONNX Runtime |\n|" + "---|" * (len(WAYS) + 3))
    entries = []
    for folder in arguments.models:
        ways = {label: Way(label, folder, arguments) for label in WAYS}
        for _ in range(arguments.rounds):
            for way in ways.values():
                way.round(arguments.seconds)
        entry = {label: way.close() for label, way in ways.items()}
        rate = entry["throughput"]["rate"]
        print(f"| {pathlib.Path(folder).name} | " + " | ".join(f"{entry[label]['rate']:.1f}" for label in WAYS) +
              f" | {rate / entry['one stream']['rate']:.2f} | {rate / entry['onnxruntime']['rate']:.2f} |", flush=True)
        entries.append({"model": pathlib.Path(folder).name, **entry})
        if arguments.json:
            arguments.json.write_text(json.dumps(entries, indent=2) + "\n")


if __name__ == "__main__":
    main()
