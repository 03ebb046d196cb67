"""The arrays of golden files in numpy: little-endian bytes in base64."""

import base64
import json
import sys

import numpy

DTYPES = {"f32": "<f4", "f64": "<f8", "i32": "<i4", "i8": "i1", "u8": "u1"}
NAMES = {numpy.dtype(code): name for name, code in DTYPES.items()}


def decode(tensor):
    values = numpy.frombuffer(base64.b64decode(tensor["base64"]), DTYPES[tensor["dtype"]])
    return values.reshape(tensor.get("shape", [-1]))


def encode(values):
    values = numpy.ascontiguousarray(values)
    return {
        "dtype": NAMES[values.dtype],
        "base64": base64.b64encode(values.tobytes()).decode(),
    }


def answer(versions, handlers):
    """Reads requests from standard input, writes one answer for each to standard output."""
    answers = []
    for request in json.load(sys.stdin):
        item = {
            key: decode(value) if isinstance(value, dict) else value
            for key, value in request["item"].items()
        }
        outputs = handlers[request["operation"]](item)
        answers.append(
            {
                key: encode(value) if isinstance(value, numpy.ndarray) else value
                for key, value in outputs.items()
            }
        )
    json.dump({"versions": versions, "answers": answers}, sys.stdout)
