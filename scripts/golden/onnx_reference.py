"""Collects what the onnx package itself expects of the quantization operators: its numpy test cases."""

import builtins

import numpy

# onnx 1.12 still uses names that numpy 1.24 no longer has
for name in ("bool", "object", "float", "int", "complex"):
    if name not in numpy.__dict__:
        setattr(numpy, name, getattr(builtins, name))

import onnx  # noqa: E402
from onnx.backend.test.case.node import collect_testcases  # noqa: E402

from tensors import answer, encode  # noqa: E402

OPERATORS = (
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "QLinearMatMul",
)


def cases(_):
    found = []
    for case in collect_testcases(None):
        nodes = case.model.graph.node
        if len(nodes) != 1 or nodes[0].op_type not in OPERATORS:
            continue
        inputs, outputs = case.data_sets[0]
        axis = [a.i for a in nodes[0].attribute if a.name == "axis"]
        found.append(
            {
                "operator": nodes[0].op_type,
                "name": case.name,
                "axis": axis[0] if axis else None,
                "inputs": [numpy.asarray(each) for each in inputs],
                "outputs": [numpy.asarray(each) for each in outputs],
            }
        )
    return {"cases": found}


def plain(value):
    if isinstance(value, numpy.ndarray):
        return {**encode(value), "shape": list(value.shape)}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value


answer(
    {"ran": f"onnx {onnx.__version__} (Debian's python3-onnx)"},
    {"cases": lambda item: {"cases": plain(cases(item)["cases"])}},
)
