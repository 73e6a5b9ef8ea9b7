#!/usr/bin/env python3
"""Quantizes models with ONNX Runtime's own tool.

    quantized_models.py [--operands] OUTPUT_FOLDER MODEL...

MODEL is a folder with model.onnx and test_data_set_0. The result, OUTPUT_FOLDER/NAME_qdq, has the same layout: a QDQ model
with U8 activations and I8 weights per channel, calibrated on random data of a fixed seed, the inputs of the original, and
what ONNX Runtime computes from them as expected outputs. With --operands, NAME_qdq_operands: only what products and
convolutions read is quantized, no result. Needs numpy, onnx and onnxruntime, for development only.
"""
import argparse
import pathlib
import tempfile

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from engines import load_case, save_case

SAMPLES = 8
PRODUCTS = ["Conv", "Gemm", "MatMul"]


class RandomData(CalibrationDataReader):
    """The test inputs, and variations: floats drawn with their mean and deviation, integers shuffled."""

    def __init__(self, inputs):
        random = np.random.default_rng(1)

        def vary(array):
            if array.dtype.kind == "f":
                return random.normal(array.mean(), array.std(), array.shape).astype(array.dtype)
            return random.permutation(array.ravel()).reshape(array.shape)

        self.samples = iter([dict(inputs)] + [{name: vary(array) for name, array in inputs} for _ in range(SAMPLES - 1)])

    def get_next(self):
        return next(self.samples, None)


def quantize(source, target, operands_only):
    model, inputs, expected = load_case(source)
    (target / "test_data_set_0").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        prepared = pathlib.Path(scratch) / "prepared.onnx"
        quant_pre_process(model, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, target / "model.onnx", RandomData(inputs), quant_format=QuantFormat.QDQ,
                        per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        op_types_to_quantize=PRODUCTS if operands_only else None,
                        extra_options={"OpTypesToExcludeOutputQuantization": PRODUCTS} if operands_only else None)
    save_case(source, target, target / "model.onnx", inputs, expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operands", action="store_true")
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    for folder in arguments.models:
        suffix = "qdq_operands" if arguments.operands else "qdq"
        quantize(folder, arguments.output / f"{folder.name}_{suffix}", arguments.operands)


if __name__ == "__main__":
    main()
