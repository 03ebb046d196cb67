"""Has ggml's own library write a GGUF file with metadata of every type and a few tensors, to standard output."""

import ctypes
import os
import sys
import tempfile

BASE = ctypes.CDLL(os.path.join(os.environ["GGML_FOLDER"], "libggml-base.so"))


class Params(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("buffer", ctypes.c_void_p), ("empty", ctypes.c_bool)]


for name in ("gguf_init_empty", "ggml_init", "ggml_new_tensor_2d", "ggml_get_data"):
    getattr(BASE, name).restype = ctypes.c_void_p
BASE.ggml_nbytes.restype = ctypes.c_size_t
BASE.ggml_init.argtypes = [Params]
BASE.ggml_new_tensor_2d.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]

file = ctypes.c_void_p(BASE.gguf_init_empty())
SCALARS = [
    ("u8", ctypes.c_uint8, 200),
    ("i8", ctypes.c_int8, -100),
    ("u16", ctypes.c_uint16, 60000),
    ("i16", ctypes.c_int16, -30000),
    ("u32", ctypes.c_uint32, 4000000000),
    ("i32", ctypes.c_int32, -2000000000),
    ("f32", ctypes.c_float, 0.1),
    ("u64", ctypes.c_uint64, 2**64 - 1),
    ("i64", ctypes.c_int64, -(2**53)),
    ("f64", ctypes.c_double, 0.1),
    ("bool", ctypes.c_bool, True),
]
# the numbers that arrays of these types have in a file
NUMBERS = {"u8": 0, "i8": 1, "u16": 2, "i16": 3, "u32": 4, "i32": 5, "f32": 6, "u64": 10, "i64": 11, "f64": 12, "bool": 7}
for name, kind, value in SCALARS:
    getattr(BASE, f"gguf_set_val_{name}")(file, f"one.{name}".encode(), kind(value))
    array = (kind * 3)(value, 0, value)
    BASE.gguf_set_arr_data(file, f"list.{name}".encode(), NUMBERS[name], array, ctypes.c_size_t(3))
BASE.gguf_set_val_str(file, b"one.string", "é and 字".encode())
words = (ctypes.c_char_p * 3)(b"", b"a", "字".encode())
BASE.gguf_set_arr_str(file, b"list.string", words, ctypes.c_size_t(3))

context = ctypes.c_void_p(BASE.ggml_init(Params(1 << 20, None, False)))
for name, kind, columns, rows in [("a", 0, 3, 2), ("b.weight", 12, 256, 2), ("c", 2, 64, 3)]:
    tensor = ctypes.c_void_p(BASE.ggml_new_tensor_2d(context, kind, columns, rows))
    BASE.ggml_set_name(tensor, name.encode())
    size = BASE.ggml_nbytes(tensor)
    data = ctypes.cast(BASE.ggml_get_data(tensor), ctypes.POINTER(ctypes.c_uint8))
    for i in range(size):
        data[i] = (i * 7 + kind) % 56
    BASE.gguf_add_tensor(file, tensor)

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "file.gguf")
    BASE.gguf_write_to_file(file, path.encode(), ctypes.c_bool(False))
    with open(path, "rb") as written:
        sys.stdout.buffer.write(written.read())
