#!/usr/bin/env python3
"""Random ONNX models with the answers of ONNX Runtime, in ONNX's own test layout, for `sardonyx test`.

    random_models.py OUT [--count 500] [--seed 0]
    sardonyx test OUT --strict --allow-empty --atol 1e-6 --atol-relative 1e-5

Model N depends on seed and N alone. Every node is evaluated by ONNX Runtime (graph optimizations off) as it is added, so
shapes are known and values stay tame: a node whose results are not finite or above 1e4 is dropped. Operators that jump
(rounding, comparisons, positions) only get exact operands, so that a difference beyond rounding is a bug and not bad luck.
Some dims of inputs are symbols, some are 0 or 1. Needs onnx, onnxruntime and numpy; a tool of development only.
"""
import argparse
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from random_nodes import NODES

OPSET, IR_VERSION = 20, 9
LARGEST = 1e4
STEPS = (3, 12)


class Value:
    """A tensor at hand: its name, what it holds in this run, whether two correct evaluations agree bit by bit, and
    whether its dims may be symbols."""

    def __init__(self, name, data, exact, open_dims=True):
        self.name, self.data, self.exact, self.open_dims = name, data, exact, open_dims


class Model:
    def __init__(self, seed):
        self.random = np.random.Generator(np.random.PCG64(seed))
        self.values, self.inputs, self.nodes, self.initializers = [], [], [], []

    # ---- randomness ----
    def below(self, n):
        return int(self.random.integers(n))

    def one_in(self, n):
        return self.below(n) == 0

    def pick(self, choices):
        return choices[self.below(len(choices))]

    def shape(self, rank=None, most=600):
        rank = self.below(5) if rank is None else rank
        dims = [self.pick((1, 2, 3, 4, 5, 7, 8, 16, 17)) for _ in range(rank)]
        while np.prod(dims, dtype=np.int64) > most:
            dims[int(np.argmax(dims))] = 2
        if dims and self.one_in(25):
            dims[self.below(rank)] = 0
        return dims

    def array(self, dtype, shape):
        dtype = np.dtype(dtype)
        if dtype == np.bool_:
            return self.random.integers(0, 2, shape).astype(dtype)
        if dtype.kind == "f":
            return self.random.uniform(-2, 2, shape).astype(dtype)
        return self.random.integers(0 if dtype.kind == "u" else -9, 10, shape).astype(dtype)

    # ---- values ----
    def fresh(self):
        return f"v{len(self.values) + len(self.initializers)}_{len(self.nodes)}"

    def constant(self, data):
        value = Value(f"c{len(self.initializers)}", np.asarray(data), True)
        self.initializers.append(numpy_helper.from_array(value.data, value.name))
        return value

    def input(self, dtype, shape=None):
        shape = self.shape() if shape is None else shape
        value = Value(f"x{len(self.inputs)}", self.array(dtype, shape), True)
        self.inputs.append(value)
        self.values.append(value)
        return value

    def any(self, dtypes=("f4",), rank=None, exact=False, least_rank=0):
        """A value at hand that fits, or a new input."""
        def fits(v):
            return (any(v.data.dtype == np.dtype(d) for d in dtypes) and (rank is None or v.data.ndim == rank)
                    and v.data.ndim >= least_rank and (v.exact or not exact))

        fitting = [v for v in self.values if fits(v)]
        if fitting and not self.one_in(5):
            return fitting[-1] if self.one_in(2) else self.pick(fitting)
        if rank is None:
            rank = least_rank + self.below(max(1, 5 - least_rank))
        return self.input(self.pick(dtypes), self.shape(rank))

    def weight(self, dtype, shape):
        """Mostly constant, as in models."""
        if not self.one_in(4):
            return self.constant(self.array(dtype, shape))
        value = self.input(dtype, shape)
        value.open_dims = False  # convolutions want to know their weights' dims
        return value

    # ---- nodes ----
    def add(self, op, operands, outputs=1, jumps=False, **attributes):
        """Appends a node; nothing happens when its results are not tame. Operands may be None where optional."""
        names = [self.fresh() + f"_{i}" for i in range(outputs)]
        node = helper.make_node(op, [v.name if v else "" for v in operands], names, name=f"node{len(self.nodes)}",
                                **attributes)
        present = {v.name: v for v in operands if v}
        try:
            results = evaluate([node], [], list(present.values()), names)
        except (onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented,
                onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph,
                onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument,
                onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException,
                onnxruntime.capi.onnxruntime_pybind11_state.Fail):
            return  # what the peer refuses says nothing about us
        for data in results:
            if data.dtype.kind == "f" and not (np.all(np.isfinite(data)) and np.all(np.abs(data) < LARGEST)):
                return
            if data.size > 20000:
                return
        exact = all(v.exact for v in present.values())
        if jumps and not exact:
            return
        self.nodes.append(node)
        for name, data in zip(names, results):
            self.values.append(Value(name, data, data.dtype.kind != "f" and exact or moves(op) and exact))

    def grow(self):
        self.input("f4")
        for _ in range(STEPS[0] + self.below(STEPS[1] - STEPS[0])):
            self.pick(NODES)(self)
        return bool(self.nodes)

    def outputs(self):
        used = {name for node in self.nodes for name in node.input}
        made = [v for v in self.values if v not in self.inputs]
        return [v for v in made if v.name not in used] or made[-1:]

    def proto(self):
        """The model with some dims as symbols. Equal symbols have equal sizes; none is 1, since a symbol never broadcasts."""
        def dims(v):
            return [f"n{d}" if v.open_dims and d != 1 and self.one_in(6) else d for d in v.data.shape]

        inputs = [helper.make_tensor_value_info(v.name, helper.np_dtype_to_tensor_dtype(v.data.dtype), dims(v))
                  for v in self.inputs]
        outputs = [helper.make_tensor_value_info(v.name, helper.np_dtype_to_tensor_dtype(v.data.dtype), [None] * v.data.ndim)
                   for v in self.outputs()]
        return make_model(self.nodes, self.initializers, inputs, outputs)


# Operators that only move elements keep exact floats exact.
MOVES = {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Concat", "Slice", "Gather", "GatherElements",
         "GatherND", "Pad", "Expand", "Tile", "Identity", "Split", "Where", "Max", "Min", "Relu", "Abs", "Neg",
         "DepthToSpace", "SpaceToDepth", "MaxPool", "ReduceMax", "ReduceMin", "Trilu", "Compress"}


def moves(op):
    return op in MOVES


def make_model(nodes, initializers, inputs, outputs):
    graph = helper.make_graph(nodes, "random", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def evaluate(nodes, initializers, operands, names):
    inputs = [helper.make_tensor_value_info(v.name, helper.np_dtype_to_tensor_dtype(v.data.dtype), v.data.shape)
              for v in operands]
    outputs = [helper.make_value_info(name, onnx.TypeProto()) for name in names]
    return run(make_model(nodes, initializers, inputs, outputs), operands, names)


def run(model, operands, names):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(names, {v.name: v.data for v in operands})


def write(folder, model, inputs, outputs):
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for kind, tensors in (("input", inputs), ("output", outputs)):
        for i, (name, array) in enumerate(tensors):
            (data / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    counts = {}
    for number in range(arguments.count):
        model = Model([arguments.seed, number])
        if not model.grow():
            continue
        proto = model.proto()
        names = [o.name for o in proto.graph.output]
        expected = run(proto, model.inputs, names)
        write(arguments.out / f"random_{arguments.seed}_{number}", proto, [(v.name, v.data) for v in model.inputs],
              list(zip(names, expected)))
        for node in model.nodes:
            counts[node.op_type] = counts.get(node.op_type, 0) + 1
    print(f"{arguments.count} models, {sum(counts.values())} nodes of {len(counts)} operators: "
          + ", ".join(f"{op} {n}" for op, n in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
