"""Runs one function of ggml's own library over blocks from standard input, until it ends.

    ggml_stream.py decode|encode TYPE BLOCKS

reads BLOCKS blocks at a time and writes what ggml makes of them: reals of bytes, or bytes of reals.
"""

import ctypes
import os
import sys

FOLDER = os.environ["GGML_FOLDER"]
BASE = ctypes.CDLL(os.path.join(FOLDER, "libggml-base.so"))
BASE.ggml_type_size.restype = ctypes.c_size_t
BASE.ggml_blck_size.restype = ctypes.c_int64

TYPES = {
    "F16": 1,
    "Q4_0": 2,
    "Q4_1": 3,
    "Q5_0": 6,
    "Q5_1": 7,
    "Q8_0": 8,
    "Q2_K": 10,
    "Q3_K": 11,
    "Q4_K": 12,
    "Q5_K": 13,
    "Q6_K": 14,
    "IQ4_NL": 20,
    "BF16": 30,
    "MXFP4": 39,
}


def function(operation, name):
    if name == "F16":
        return BASE.ggml_fp16_to_fp32_row
    if name == "BF16":
        return BASE.ggml_bf16_to_fp32_row
    stem = name[0:-1].lower() + "K" if name.endswith("_K") else name.lower()
    if operation == "decode":
        return getattr(BASE, f"dequantize_row_{stem}")
    return getattr(BASE, f"quantize_row_{stem}_ref")


def main():
    operation, name, blocks = sys.argv[1], sys.argv[2], int(sys.argv[3])
    elements = BASE.ggml_blck_size(TYPES[name])
    size = BASE.ggml_type_size(TYPES[name])
    reals, coded = blocks * elements * 4, blocks * size
    taken, given = (coded, reals) if operation == "decode" else (reals, coded)
    run = function(operation, name)
    run.restype = None
    source = bytearray(taken)
    result = bytearray(given)
    addresses = [(ctypes.c_char * len(each)).from_buffer(each) for each in (source, result)]
    # a buffered reader fills the buffer, unless the input ends
    while sys.stdin.buffer.readinto(source) == taken:
        run(addresses[0], addresses[1], ctypes.c_int64(blocks * elements))
        sys.stdout.buffer.write(result)
        sys.stdout.buffer.flush()


main()
