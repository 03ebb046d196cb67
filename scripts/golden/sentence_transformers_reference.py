"""
The int8 and uint8 rule of sentence_transformers.quantization.quantize_embeddings, written again in numpy: the
package itself is in no registry that this script uses. What is run is numpy, whose casts decide the rounding.
"""

import platform

import numpy

from tensors import answer


def quantize(item):
    x = item["x"].reshape(item["rows"], item["columns"])
    calibration = item["calibration"].reshape(-1, item["columns"])
    low, high = calibration.min(axis=0), calibration.max(axis=0)
    step = (high - low) / 255
    places = (x - low) / step
    codes = (places - 128).astype(numpy.int8) if item["dtype"] == "i8" else places.astype(numpy.uint8)
    return {
        "min": low,
        "max": high,
        "start": low,
        "scale": step,
        "q": codes.reshape(-1),
    }


answer(
    {"ran": f"numpy {numpy.__version__} (formula of sentence-transformers, {platform.machine()})"},
    {"embeddings": quantize},
)
