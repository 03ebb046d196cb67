"""Runs PyTorch: quantization per tensor and per channel, dequantization, observers, quantized layers."""

import platform
import warnings

import numpy
import torch
from torch.ao.quantization import MinMaxObserver

from tensors import answer

warnings.filterwarnings("ignore")
DTYPES = {"i8": torch.qint8, "u8": torch.quint8}
CODES = {"int8": torch.qint8, "uint8": torch.quint8}


def quantized(item):
    x = torch.from_numpy(item["x"].copy()).reshape(item["shape"])
    if "axis" not in item:
        return torch.quantize_per_tensor(x, item["scale"], item["zeroPoint"], DTYPES[item["dtype"]])
    scales = torch.from_numpy(item["scale"].copy())
    zeros = torch.from_numpy(item["zeroPoint"].copy())
    return torch.quantize_per_channel(x, scales, zeros, item["axis"], DTYPES[item["dtype"]])


def quantize(item):
    return {"q": quantized(item).int_repr().numpy().reshape(-1)}


def dequantize(item):
    codes = item["q"]
    # every code is reached by quantizing its own integer at scale 1
    integers = torch.from_numpy(codes.astype("float32"))
    q = torch.quantize_per_tensor(integers, 1.0, 0, CODES[str(codes.dtype)])
    q = torch._make_per_tensor_quantized_tensor(q.int_repr(), item["scale"], item["zeroPoint"])
    return {"x": q.dequantize().numpy()}


def quantize_dynamic(item):
    x = torch.from_numpy(item["x"].copy())
    q = torch.quantize_per_tensor_dynamic(x, torch.quint8, False)
    return {"q": q.int_repr().numpy(), "scale": q.q_scale(), "zeroPoint": q.q_zero_point()}


def choose(item):
    observer = MinMaxObserver(
        dtype=DTYPES[item["dtype"]],
        qscheme=torch.per_tensor_symmetric
        if item["scheme"] == "symmetric"
        else torch.per_tensor_affine,
        reduce_range=item["bits"] == 7,
    )
    scales, zeros = [], []
    for low, high in zip(item["min"], item["max"]):
        observer.reset_min_max_vals()
        observer(torch.tensor([low, high]))
        scale, zero = observer.calculate_qparams()
        scales.append(scale.numpy().astype("float32").reshape(1))
        zeros.append(zero.numpy().astype("int32").reshape(1))
    return {"scale": numpy.concatenate(scales), "zeroPoint": numpy.concatenate(zeros)}


def requantize(item):
    """
    A layer whose products are 0: its accumulators are its bias, in units of the input's scale. Its result is
    u8: the zero point is moved by 128 and back.
    """
    torch.backends.quantized.engine = "qnnpack"
    acc = torch.from_numpy(item["acc"].astype("float32"))
    weights = torch.quantize_per_tensor(torch.ones(len(acc), 1), 1.0, 0, torch.qint8)
    layer = torch.ops.quantized.linear_prepack(weights, acc)
    x = torch.quantize_per_tensor(torch.zeros(1, 1), 1.0, 0, torch.quint8)
    q = torch.ops.quantized.linear(x, layer, item["scale"], item["zeroPoint"] + 128)
    return {"q": (q.int_repr().numpy().reshape(-1) ^ 128).view("int8")}


answer(
    {"ran": f"PyTorch {torch.__version__} (Debian's python3-torch, {platform.machine()})"},
    {
        "quantize": quantize,
        "dequantize": dequantize,
        "quantizeDynamic": quantize_dynamic,
        "chooseParams": choose,
        "requantize": requantize,
    },
)
