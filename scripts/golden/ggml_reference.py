"""Calls ggml's own library, as a prebuilt llama.cpp carries it, on blocks of 32 values."""

import ctypes
import json
import os
import platform
import sys

import numpy

from tensors import answer

FOLDER = os.environ["GGML_FOLDER"]
BASE = ctypes.CDLL(os.path.join(FOLDER, "libggml-base.so"), mode=ctypes.RTLD_GLOBAL)


def processor():
    """The variant for this processor: haswell has AVX2, x64 is plain code."""
    with open("/proc/cpuinfo") as info:
        return "haswell" if " avx2 " in info.read() else "x64"


CPU = ctypes.CDLL(os.path.join(FOLDER, f"libggml-cpu-{processor()}.so"))
BYTES = {"q8_0": 34, "q4_0": 18, "q4_1": 20}


def blocks(item):
    x = numpy.ascontiguousarray(item["x"])
    name = item["format"]
    out = numpy.zeros(len(x) // 32 * BYTES[name], "u1")
    function = (
        getattr(CPU, f"quantize_row_{name}")
        if item["by"] == "processor"
        else getattr(BASE, f"quantize_row_{name}_ref")
    )
    function.restype = None
    function(
        x.ctypes.data_as(ctypes.c_void_p),
        out.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(len(x)),
    )
    rows = out.reshape(-1, BYTES[name])
    heads = (BYTES[name] - (32 if name == "q8_0" else 16)) // 2
    half = numpy.ascontiguousarray(rows[:, : 2 * heads]).view("<f2").astype("<f4")
    outputs = {"scale": numpy.ascontiguousarray(half[:, 0])}
    if heads == 2:
        outputs["least"] = numpy.ascontiguousarray(half[:, 1])
    codes = numpy.ascontiguousarray(rows[:, 2 * heads :])
    outputs["q"] = (codes.view("i1") if name == "q8_0" else codes).reshape(-1)
    return outputs


with open(os.path.join(FOLDER, "_nlcBuildMetadata.json")) as file:
    RELEASE = json.load(file)["buildOptions"]["llamaCpp"]
answer(
    {
        "ran": f"ggml of {RELEASE['repo']} {RELEASE['release']} ({platform.machine()})",
        "processor": processor(),
    },
    {"blocks": blocks},
)
