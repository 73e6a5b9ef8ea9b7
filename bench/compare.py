#!/usr/bin/env python3
"""Side by side with ONNX Runtime, in one run.

    compare.py --library build/onnxifi/libonnxifi.so MODEL... [--threads 1,2] [--rounds 5] [--seconds 2] [--json FILE]

MODEL is a folder with model.onnx and test_data_set_0. For every model and number of threads each engine gets a process
of its own; the two are asked for rounds alternately, and the other one is idle meanwhile. A round's figure is the median
of its runs; an engine's is that of its best round. Both start from bound buffers: a run is onnxRunGraph to the signalled
event here, run_with_iobinding there. Needs numpy and onnxruntime (any virtual environment), for development only.
"""
import argparse
import ctypes
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

# ONNX's element types as numpy knows them.
DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
          10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64}
IDLE_SECONDS = 0.2  # before a round, until the other engine's threads sleep


def read_tensor(path):
    """(name, array) of a TensorProto file with raw or float/int64 data."""
    data, at = path.read_bytes(), 0
    dims, dtype, name, raw, floats, longs = [], 0, "", None, b"", []

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def varints(end):
        result = []
        while at < end:
            result.append(varint())
        return result

    while at < len(data):
        key = varint()
        field, wire = key >> 3, key & 7
        if wire == 0:
            value = varint()
            if field == 1:
                dims.append(value)
            elif field == 2:
                dtype = value
            elif field == 7:
                longs.append(value)
        elif wire == 5:
            floats += data[at:at + 4]
            at += 4
        elif wire == 2:
            size = varint()
            if field in (1, 7):
                (dims if field == 1 else longs).extend(varints(at + size))
                continue
            part = data[at:at + size]
            at += size
            if field == 8:
                name = part.decode()
            elif field == 9:
                raw = part
            elif field == 4:
                floats += part
        else:
            raise ValueError(f"{path}: wire type {wire}")
    if raw is None:
        raw = floats or np.array(longs, np.uint64).astype(np.int64).tobytes()
    return name, np.frombuffer(raw, DTYPES[dtype]).reshape(dims).copy()


def load_case(folder):
    data = pathlib.Path(folder) / "test_data_set_0"

    def tensors(kind):
        count = len(list(data.glob(kind + "_*.pb")))
        return [read_tensor(data / f"{kind}_{i}.pb") for i in range(count)]

    return pathlib.Path(folder) / "model.onnx", tensors("input"), tensors("output")


def memory():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


class Descriptor(ctypes.Structure):
    _fields_ = [("tag", ctypes.c_int32), ("name", ctypes.c_char_p), ("dtype", ctypes.c_uint64),
                ("memory", ctypes.c_uint64), ("rank", ctypes.c_uint32), ("shape", ctypes.POINTER(ctypes.c_uint64)),
                ("buffer", ctypes.c_uint64)]


class Fence(ctypes.Structure):
    _fields_ = [("tag", ctypes.c_int32), ("type", ctypes.c_uint64), ("event", ctypes.c_void_p)]


class Sardonyx:
    DESCRIPTOR_TAG, FENCE_TAG, NUM_THREADS = 0x43DFBF69, 0x23E08AAB, 1 << 34

    def __init__(self, library, threads):
        self.fn = ctypes.CDLL(library)
        self.backend, self.graph, self.ready = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        ids, count = (ctypes.c_void_p * 16)(), ctypes.c_size_t(16)
        self.call("onnxGetBackendIDs", ids, ctypes.byref(count))
        properties = (ctypes.c_uint64 * 3)(self.NUM_THREADS, threads, 0)
        self.call("onnxInitBackend", ctypes.c_void_p(ids[0]), properties, ctypes.byref(self.backend))
        self.call("onnxInitEvent", self.backend, ctypes.byref(self.ready))
        self.call("onnxSignalEvent", self.ready)

    def call(self, name, *arguments):
        status = getattr(self.fn, name)(*arguments)
        if status:
            raise RuntimeError(f"{name}: status 0x{status & 0xFFFFFFFF:04x}")

    def init(self, model):
        data = model.read_bytes()
        start = time.perf_counter()
        self.call("onnxInitGraph", self.backend, None, ctypes.c_size_t(len(data)), data, 0, None,
                  ctypes.byref(self.graph))
        return time.perf_counter() - start

    def bind(self, inputs, outputs):
        self.results = [(name, np.empty_like(value)) for name, value in outputs]

        def describe(tensors):
            descriptors = (Descriptor * len(tensors))()
            for descriptor, (name, value) in zip(descriptors, tensors):
                shape = (ctypes.c_uint64 * value.ndim)(*value.shape)
                code = next(code for code, dtype in DTYPES.items() if value.dtype == dtype)
                descriptor.tag, descriptor.name, descriptor.dtype = self.DESCRIPTOR_TAG, name.encode(), code
                descriptor.rank, descriptor.shape, descriptor.buffer = value.ndim, shape, value.ctypes.data
            return descriptors

        self.inputs = inputs  # the buffers stay in use
        self.call("onnxSetGraphIO", self.graph, len(inputs), describe(inputs), len(outputs), describe(self.results))
        self.input_fence = Fence(self.FENCE_TAG, 0, self.ready)
        self.output_fence = Fence(self.FENCE_TAG, 0, None)
        self.by_reference = ctypes.byref(self.input_fence), ctypes.byref(self.output_fence)

    def run(self):
        event = self.output_fence
        if self.fn.onnxRunGraph(self.graph, *self.by_reference):
            raise RuntimeError("onnxRunGraph failed")
        done = ctypes.c_void_p(event.event)
        if self.fn.onnxWaitEvent(done):
            raise RuntimeError("the run failed")
        self.fn.onnxReleaseEvent(done)

    def outputs(self):
        return [value for _, value in self.results]


class OnnxRuntime:
    def __init__(self, _library, threads):
        import onnxruntime
        self.ort = onnxruntime
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = threads
        self.options.inter_op_num_threads = 1
        self.options.log_severity_level = 3

    def init(self, model):
        start = time.perf_counter()
        self.session = self.ort.InferenceSession(str(model), self.options, providers=["CPUExecutionProvider"])
        return time.perf_counter() - start

    def bind(self, inputs, outputs):
        self.binding = self.session.io_binding()
        self.inputs = [value for _, value in inputs]
        self.results = [np.empty_like(value) for _, value in outputs]
        for name, value in inputs:
            self.binding.bind_input(name, "cpu", 0, value.dtype, value.shape, value.ctypes.data)
        for (name, _), value in zip(outputs, self.results):
            self.binding.bind_output(name, "cpu", 0, value.dtype, value.shape, value.ctypes.data)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        return self.results


ENGINES = {"sardonyx": Sardonyx, "onnxruntime": OnnxRuntime}


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
        print(json.dumps({"median": statistics.median(times), "runs": len(times), "busy": busy}), flush=True)


class Peer:
    def __init__(self, name, folder, arguments, threads):
        # Everything but the threads asked for is left to the engine: no variable of the shell may shape the result.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SARDONYX_", "OMP_", "ORT_"))}
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
        self.result["rounds"].append(self.read()["median"])

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
            f"| {pair('error', 1, 7)} |")


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
          "| relative error |\n|---|---|---|---|---|---|---|---|")
    entries = []
    for folder in arguments.models:
        for threads in map(int, arguments.threads.split(",")):
            entries.append(compare(folder, threads, arguments))
            print(row(entries[-1]), flush=True)
            if arguments.json:
                pathlib.Path(arguments.json).write_text(json.dumps(entries, indent=2) + "\n")


if __name__ == "__main__":
    main()
