#!/usr/bin/env python3
"""Makes models whose weights have few bits, the activations staying float32.

    weight_models.py OUTPUT_FOLDER MODEL... [--kinds int4,int8,bf16,f16] [--block N]

MODEL is a folder with model.onnx and test_data_set_0. Every matrix that a MatMul or Gemm multiplies by becomes

    int4  blocks of --block rows of its reduction axis, symmetric, DequantizeLinear (opset 21)
    int8  one scale per column, symmetric, DequantizeLinear
    bf16, f16  a narrow constant behind Cast

and OUTPUT_FOLDER/NAME_KIND has the layout of the original: the same inputs, and expected outputs of ONNX Runtime on a
float32 model that holds the rounded weights, which every engine must reproduce. Needs numpy, onnx, ml_dtypes and
onnxruntime, for development only.
"""
import argparse
import pathlib
import tempfile

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engines import load_case, save_case

OPSET = 21
# Tied to a product's weights or not, smaller matrices are not worth their scales.
LEAST_ELEMENTS = 1 << 14


def packed(codes):
    """Raw data of INT4: two to a byte, the first one low."""
    flat = codes.astype(np.int8).ravel()
    flat = np.append(flat, np.zeros(flat.size % 2, np.int8)).astype(np.uint8) & 15
    return (flat[0::2] | flat[1::2] << 4).tobytes()


def quantize(weight, limit, block):
    """Codes, scales and what they stand for, of a matrix whose reduction axis is the first."""
    depth, columns = weight.shape
    blocks = -(-depth // block)
    padded = np.zeros((blocks * block, columns), np.float32)
    padded[:depth] = weight
    padded = padded.reshape(blocks, block, columns)
    scales = (np.abs(padded).max(axis=1) / limit).astype(np.float32)
    scales[scales == 0] = 1
    codes = np.clip(np.rint(padded / scales[:, None]), -limit, limit).astype(np.int8)
    values = (codes.astype(np.float32) * scales[:, None]).reshape(blocks * block, columns)[:depth]
    return codes.reshape(blocks * block, columns)[:depth], scales, values


def narrow(name, weight, kind, block, transposed):
    """(initializers, nodes, values): what stands for the initializer `name`."""
    if kind in ("bf16", "f16"):
        numbers = weight.astype(ml_dtypes.bfloat16 if kind == "bf16" else np.float16)
        dtype = TensorProto.BFLOAT16 if kind == "bf16" else TensorProto.FLOAT16
        tensor = helper.make_tensor(name + "_narrow", dtype, weight.shape, numbers.tobytes(), raw=True)
        return [tensor], [helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT)], \
            numbers.astype(np.float32)
    matrix = weight.T if transposed else weight
    limit, size = (7, block) if kind == "int4" else (127, matrix.shape[0])
    codes, scales, values = quantize(matrix, limit, size)
    if transposed:
        codes, scales, values = codes.T, scales.T, values.T
    dtype, data = (TensorProto.INT4, packed(codes)) if kind == "int4" else (TensorProto.INT8, codes.tobytes())
    tensors = [helper.make_tensor(name + "_codes", dtype, weight.shape, data, raw=True)]
    if kind == "int4":
        attributes = {"axis": 1 if transposed else 0, "block_size": size}
    else:
        attributes, scales = {"axis": 0 if transposed else 1}, scales.ravel()
    tensors.append(numpy_helper.from_array(np.ascontiguousarray(scales), name + "_scales"))
    node = helper.make_node("DequantizeLinear", [t.name for t in tensors], [name], **attributes)
    return tensors, [node], np.ascontiguousarray(values)


def weights_of(graph):
    """Initializers that products multiply by, and whether those transpose them."""
    result = {}
    for node in graph.node:
        if node.op_type in ("MatMul", "Gemm"):
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            result[node.input[1]] = transposed
    return result


def convert(source, target, kind, block):
    path, inputs, expected = load_case(source)
    model = onnx.version_converter.convert_version(onnx.load(path), OPSET)
    graph, wanted = model.graph, weights_of(model.graph)
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    for i in reversed(range(len(graph.initializer))):
        tensor = graph.initializer[i]
        if tensor.name not in wanted or len(tensor.dims) != 2 or np.prod(tensor.dims) < LEAST_ELEMENTS:
            continue
        transposed = wanted[tensor.name]
        tensors, nodes, values = narrow(tensor.name, numpy_helper.to_array(tensor), kind, block, transposed)
        rounded.graph.initializer[i].CopyFrom(numpy_helper.from_array(values, tensor.name))
        del graph.initializer[i]
        graph.initializer.extend(tensors)
        for node in reversed(nodes):
            graph.node.insert(0, node)
    (target / "test_data_set_0").mkdir(parents=True, exist_ok=True)
    onnx.save(model, target / "model.onnx")
    with tempfile.TemporaryDirectory() as scratch:
        reference = pathlib.Path(scratch) / "rounded.onnx"
        onnx.save(rounded, reference)
        save_case(source, target, reference, inputs, expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--kinds", default="int4,int8,bf16,f16")
    parser.add_argument("--block", type=int, default=32)
    arguments = parser.parse_args()
    for folder in arguments.models:
        for kind in arguments.kinds.split(","):
            convert(folder, arguments.output / f"{folder.name}_{kind}", kind, arguments.block)


if __name__ == "__main__":
    main()
