"""The engines that benchmarks compare, behind one interface: init(model file), bind(inputs, outputs), run(), outputs().

Inputs and outputs are lists of (name, array); the arrays of bind stay in use until the next one. Also ONNX's test layout
and what a process uses of memory. Needs numpy; ONNX Runtime only where it is used.
"""
import ctypes
import pathlib
import shutil
import time

import numpy as np

# ONNX's element types as numpy knows them.
DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
          10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64}


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


def save_case(source, target, reference, inputs, expected):
    """The test data of the folder `target`: the inputs of `source`, and what ONNX Runtime computes from them with the model
    file `reference` for the outputs that are `expected`. Needs onnx as well."""
    import onnx
    import onnxruntime
    data = pathlib.Path(target) / "test_data_set_0"
    for file in (pathlib.Path(source) / "test_data_set_0").glob("input_*.pb"):
        shutil.copy(file, data)
    session = onnxruntime.InferenceSession(reference, providers=["CPUExecutionProvider"])
    names = [name for name, _ in expected]
    for i, (name, value) in enumerate(zip(names, session.run(names, dict(inputs)))):
        onnx.save_tensor(onnx.numpy_helper.from_array(value, name), data / f"output_{i}.pb")


def memory(peak=False):
    """Bytes that this process has in memory, or had at most."""
    key = "VmHWM:" if peak else "VmRSS:"
    for line in open("/proc/self/status"):
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    return 0


class Descriptor(ctypes.Structure):
    _fields_ = [("tag", ctypes.c_int32), ("name", ctypes.c_char_p), ("dtype", ctypes.c_uint64),
                ("memory", ctypes.c_uint64), ("rank", ctypes.c_uint32), ("shape", ctypes.POINTER(ctypes.c_uint64)),
                ("buffer", ctypes.c_uint64)]


class Fence(ctypes.Structure):
    _fields_ = [("tag", ctypes.c_int32), ("type", ctypes.c_uint64), ("event", ctypes.c_void_p)]


class Sardonyx:
    DESCRIPTOR_TAG, FENCE_TAG, NUM_THREADS, ALLOW_EMPTY = 0x43DFBF69, 0x23E08AAB, 1 << 34, 1 << 32

    def __init__(self, library, threads):
        self.fn = ctypes.CDLL(library)
        self.backend, self.graph, self.ready = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        ids, count = (ctypes.c_void_p * 16)(), ctypes.c_size_t(16)
        self.call("onnxGetBackendIDs", ids, ctypes.byref(count))
        self.id = ctypes.c_void_p(ids[0])
        properties = (ctypes.c_uint64 * 3)(self.NUM_THREADS, threads, 0)
        self.call("onnxInitBackend", self.id, properties, ctypes.byref(self.backend))
        self.call("onnxInitEvent", self.backend, ctypes.byref(self.ready))
        self.call("onnxSignalEvent", self.ready)

    def call(self, name, *arguments):
        status = getattr(self.fn, name)(*arguments)
        if status:
            raise RuntimeError(f"{name}: status 0x{status & 0xFFFFFFFF:04x}")

    def extension(self, name, *argument_types):
        address = ctypes.c_void_p()
        self.call("onnxGetExtensionFunctionAddress", self.id, name, ctypes.byref(address))
        return ctypes.CFUNCTYPE(ctypes.c_int32, *argument_types)(address.value)

    def init(self, model):
        init = self.extension(b"onnxxInitGraphFromFile", ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64),
                              ctypes.c_char_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))
        properties = (ctypes.c_uint64 * 3)(self.ALLOW_EMPTY, 1, 0)
        start = time.perf_counter()
        status = init(self.backend, properties, str(model).encode(), 0, None, ctypes.byref(self.graph))
        if status:
            raise RuntimeError(f"onnxxInitGraphFromFile: status 0x{status & 0xFFFFFFFF:04x}")
        return time.perf_counter() - start

    def io(self):
        """(name, dims) of all inputs, then of all outputs; open dims are -1."""
        info = self.extension(b"onnxxGetGraphIOInfo", ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32,
                              ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_uint64),
                              ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_uint32))
        found = []
        for is_output in (0, 1):
            for index in range(1 << 16):
                name, dtype, dims = ctypes.c_char_p(), ctypes.c_uint64(), (ctypes.c_int64 * 64)()
                rank = ctypes.c_uint32(64)
                if info(self.graph, is_output, index, ctypes.byref(name), ctypes.byref(dtype), dims, ctypes.byref(rank)):
                    break
                found.append((name.value.decode(), list(dims[:rank.value])))
        return found

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
        self.descriptors = len(inputs), describe(inputs), len(outputs), describe(self.results)
        self.call("onnxSetGraphIO", self.graph, *self.descriptors)
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

    def stream(self, inputs, outputs):
        """A function that runs the graph on buffers of its own, from any thread."""
        own = Sardonyx.__new__(Sardonyx)
        own.fn, own.graph, own.ready = self.fn, self.graph, self.ready
        own.bind([(name, value.copy()) for name, value in inputs], outputs)
        fence = Fence(self.FENCE_TAG, 0, None)

        def run():
            own.call("onnxSetIOAndRunGraph", own.graph, *own.descriptors, ctypes.byref(fence))
            done = ctypes.c_void_p(fence.event)
            own.call("onnxWaitEvent", done)
            own.call("onnxReleaseEvent", done)
            return own.outputs()

        return run

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

    def stream(self, inputs, outputs):
        """A function that runs the session on buffers of its own, from any thread."""
        own = OnnxRuntime.__new__(OnnxRuntime)
        own.session = self.session
        own.bind([(name, value.copy()) for name, value in inputs], outputs)

        def run():
            own.run()
            return own.outputs()

        return run

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        return self.results


ENGINES = {"sardonyx": Sardonyx, "onnxruntime": OnnxRuntime}
