#!/usr/bin/env python3
"""A decoder whose key and value tensors grow by one token per step, with one onnxSetGraphIO per step.

    decoder.py --library build/onnxifi/libonnxifi.so MODEL [--tokens 256] [--passes 3] [--json FILE]

MODEL is a model.onnx whose inputs are `input_ids` [batch, seq] and pairs past_N_key, past_N_value [batch, heads, past, size]
and whose outputs are `logits` and the pairs present_N_*. Each step binds one token and what the step before it gave. Prints
the steps' times (bind and run), the slowest against the median after the first three, and the growth of memory from the
first pass to the last. Fails when a step takes more than twice the median or the memory grows by more than 2 %.
"""
import argparse
import json
import pathlib
import statistics
import sys
import time

import numpy as np

from engines import Sardonyx, memory

WARM_STEPS = 3
MOST_TIMES_MEDIAN = 2.0
MOST_GROWTH = 0.02


def decode(engine, shape, vocabulary, tokens):
    """One pass over `tokens` steps: the seconds of each, and the last logits."""
    layers, batch, heads, size = shape
    names = [f"{i}_{kind}" for i in range(layers) for kind in ("key", "value")]
    past = [np.zeros((batch, heads, 1, size), np.float32) for _ in names]
    times = []
    for step in range(tokens):
        ids = np.full((batch, 1), (step * 7919) % vocabulary, np.int64)
        inputs = [("input_ids", ids)] + [(f"past_{name}", value) for name, value in zip(names, past)]
        outputs = [("logits", np.empty((batch, 1, vocabulary), np.float32))]
        outputs += [(f"present_{name}", np.empty((batch, heads, step + 2, size), np.float32)) for name in names]
        start = time.perf_counter()
        engine.bind(inputs, outputs)
        engine.run()
        times.append(time.perf_counter() - start)
        logits, *past = engine.outputs()
    return times, logits


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--library", default="build/onnxifi/libonnxifi.so")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path, help="file for all figures")
    arguments = parser.parse_args()
    for name, path in ("model", arguments.model), ("--library", pathlib.Path(arguments.library)):
        if not path.is_file():
            parser.error(f"argument {name}: {path} is {'a folder' if path.is_dir() else 'missing'}, expected a file")
    engine = Sardonyx(arguments.library, arguments.threads)
    engine.init(arguments.model)
    dims = {name: shape for name, shape in engine.io()}
    layers = sum(name.startswith("past_") for name in dims) // 2
    _, heads, _, size = dims["past_0_key"]
    vocabulary = dims["logits"][-1]
    results, first_logits = [], None
    for _ in range(arguments.passes):
        times, logits = decode(engine, (layers, 1, heads, size), vocabulary, arguments.tokens)
        if first_logits is not None and not np.array_equal(logits, first_logits):
            sys.exit("the passes disagree")
        first_logits = logits
        warm = times[WARM_STEPS:]
        results.append({"median": statistics.median(warm), "slowest": max(warm), "first": times[0], "times": times,
                        "resident": memory()})
        print(f"median {results[-1]['median'] * 1e3:.2f} ms, slowest {max(warm) * 1e3:.2f} ms "
              f"({max(warm) / results[-1]['median']:.2f} x, step {times.index(max(warm))}), first {times[0] * 1e3:.2f} ms, "
              f"resident {results[-1]['resident'] / 2**20:.0f} MiB", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results) + "\n")
    growth = results[-1]["resident"] / results[0]["resident"] - 1
    slow = [r["slowest"] / r["median"] for r in results if r["slowest"] > MOST_TIMES_MEDIAN * r["median"]]
    print(f"growth of memory {100 * growth:.2f} %, passes with a slow step: {len(slow)} of {len(results)}")
    return 1 if slow or growth > MOST_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
