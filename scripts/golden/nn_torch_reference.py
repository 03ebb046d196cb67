"""
Runs PyTorch on single operators of networks. Reals are computed in float64, so that a difference to
Bytelane is Bytelane's own error; quantized operators run in QNNPACK.
"""

import math
import platform
import warnings

import numpy
import torch
import torch.nn.functional as F

from tensors import answer

warnings.filterwarnings("ignore")
torch.backends.quantized.engine = "qnnpack"

ACTIVATIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky-relu": F.leaky_relu,
    "exp": torch.exp,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu-tanh": lambda x: F.gelu(x, approximate="tanh"),
    "hard-sigmoid": F.hardsigmoid,
    "hard-swish": F.hardswish,
}


def real(values):
    return torch.from_numpy(values.astype("float64"))


def optional(item, name):
    return real(item[name]) if name in item else None


def result(y):
    return {"y": y.detach().numpy().astype("float32"), "shape": list(y.shape)}


def padded(item, x):
    """Padding of four sides, [top, left, bottom, right], is added to the input."""
    padding = item.get("padding", 0)
    if not isinstance(padding, list) or len(padding) != 4:
        return x, padding
    top, left, bottom, right = padding
    return F.pad(x, (left, right, top, bottom)), 0


def window(item):
    return {
        "stride": item.get("stride", 1),
        "dilation": item.get("dilation", 1),
        "groups": item.get("groups", 1),
    }


def conv(item):
    x, padding = padded(item, real(item["x"]))
    run = F.conv1d if x.ndim == 3 else F.conv2d
    return result(run(x, real(item["w"]), optional(item, "b"), padding=padding, **window(item)))


def conv_transpose(item):
    names = ("stride", "padding", "output_padding")
    options = {name: item[name] for name in names if name in item}
    y = F.conv_transpose2d(real(item["x"]), real(item["w"]), optional(item, "b"), **options)
    return result(y)


def quantized(item, name, dtype=torch.quint8):
    step, zero = item[name + "Scale"], item[name + "Zero"]
    return torch.quantize_per_tensor(torch.from_numpy(item[name].copy()), step, zero, dtype)


def codes(q):
    return {"y": q.int_repr().numpy(), "shape": list(q.shape)}


def quantized_conv(item):
    w = quantized(item, "w", torch.qint8)
    b = torch.from_numpy(item["b"].copy())
    options = {**window(item), "scale": item["yScale"], "zero_point": item["yZero"]}
    run = torch.nn.quantized.functional.conv2d
    return codes(run(quantized(item, "x"), w, b, padding=item.get("padding", 0), **options))


def quantized_pair(run):
    def handle(item):
        return codes(run(quantized(item, "x"), quantized(item, "w"), item["yScale"], item["yZero"]))

    return handle


def max_pool(item):
    names = ("stride", "padding", "dilation", "ceil_mode")
    options = {name: item[name] for name in names if name in item}
    return result(F.max_pool2d(real(item["x"]), item["size"], **options))


def average_pool(item):
    names = ("stride", "padding", "ceil_mode", "count_include_pad")
    options = {name: item[name] for name in names if name in item}
    return result(F.avg_pool2d(real(item["x"]), item["size"], **options))


def global_pool(item):
    return result(F.adaptive_avg_pool2d(real(item["x"]), 1))


def resize(item):
    if item["mode"] == "nearest":
        # its positions are f32 where its data are
        return result(F.interpolate(real(item["x"]).float(), item["size"], mode="nearest"))
    options = {"mode": item["mode"], "align_corners": item["align_corners"]}
    return result(F.interpolate(real(item["x"]), item["size"], **options))


def activation(item):
    constants = [item["slope"]] if "slope" in item else []
    return result(ACTIVATIONS[item["name"]](real(item["x"]), *constants))


def layer_norm(item):
    x = real(item["x"])
    gain, bias = optional(item, "gain"), optional(item, "bias")
    return result(F.layer_norm(x, x.shape[-1:], gain, bias, item["epsilon"]))


def rms_norm(item):
    """This PyTorch has no function for it."""
    x = real(item["x"])
    y = x * torch.rsqrt((x * x).mean(-1, keepdim=True) + item["epsilon"])
    return result(y * real(item["gain"]))


def batch_norm(item):
    """A linear layer and the batch normalization that follows it."""
    y = F.linear(real(item["x"]), real(item["w"]), real(item["b"]))
    mean, variance = real(item["mean"]), real(item["variance"])
    gain, offset = real(item["gain"]), real(item["bias"])
    return result(F.batch_norm(y, mean, variance, gain, offset, eps=item["epsilon"]))


def masked(item, scores):
    if "mask" not in item:
        return scores
    mask = item["mask"]
    if mask.dtype == numpy.uint8:
        return scores.masked_fill(torch.from_numpy(mask.copy()) == 0, -math.inf)
    return scores + real(mask)


def softmax(item):
    logits = masked(item, real(item["x"]) * item.get("scale", 1))
    return result((F.log_softmax if item["logarithm"] else F.softmax)(logits, -1))


def heads_of(values, heads):
    """[rows, heads * size] as [heads, rows, size]."""
    rows, width = values.shape
    return values.reshape(rows, heads, width // heads).transpose(0, 1)


def attention(item):
    heads, kv_heads = item["heads"], item.get("kvHeads", item["heads"])
    q = heads_of(real(item["q"]), heads)
    k, v = (
        heads_of(real(item[name]), kv_heads).repeat_interleave(heads // kv_heads, 0)
        for name in ("k", "v")
    )
    causal = item.get("causal", False)
    options = {"is_causal": True} if causal else {}
    if "mask" in item:
        options["attn_mask"] = torch.from_numpy(item["mask"].copy()) != 0
    y, _ = F._scaled_dot_product_attention(q, k, v, **options)
    return result(y.transpose(0, 1).reshape(item["q"].shape))


def rotary(item):
    """This PyTorch has no function for it: a product of complex numbers."""
    x = heads_of(real(item["x"]), item["heads"])
    turn = torch.polar(torch.ones_like(real(item["angles"])), real(item["angles"]))
    half = x.shape[-1] // 2
    if item["pairs"] == "half":
        pairs = torch.complex(x[..., :half].contiguous(), x[..., half:].contiguous()) * turn
        y = torch.cat([pairs.real, pairs.imag], -1)
    else:
        pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], half, 2).contiguous()) * turn
        y = torch.view_as_real(pairs).reshape(x.shape)
    return result(y.transpose(0, 1).reshape(item["x"].shape))


def recurrent(item):
    x, state = real(item["x"]), real(item["state"]).reshape(1, -1)
    hidden = state.shape[1]
    kind = torch.nn.LSTM if item["kind"] == "lstm" else torch.nn.GRU
    layer = kind(x.shape[1], hidden).double()
    with torch.no_grad():
        layer.weight_ih_l0.copy_(real(item["w"]))
        layer.weight_hh_l0.copy_(real(item["u"]))
        layer.bias_ih_l0.copy_(real(item["b"]))
        layer.bias_hh_l0.copy_(real(item["c"]))
        if item["kind"] == "gru":
            return result(layer(x, state)[0])
        cell = real(item["cell"]).reshape(1, -1)
        y, (_, last) = layer(x, (state, cell))
        # the last cells follow the states as one more row
        return result(torch.cat([y, last]))


def embedding_bag(item):
    weights = optional(item, "weights")
    ids, offsets = (torch.from_numpy(item[name].astype("int64")) for name in ("ids", "offsets"))
    y = F.embedding_bag(
        ids, real(item["table"]), offsets, mode=item["mode"], per_sample_weights=weights
    )
    return result(y)


answer(
    {"ran": f"PyTorch {torch.__version__} (Debian's python3-torch, {platform.machine()})"},
    {
        "conv": conv,
        "convTranspose": conv_transpose,
        "quantizedConv": quantized_conv,
        "quantizedAdd": quantized_pair(torch.ops.quantized.add),
        "quantizedMultiply": quantized_pair(torch.ops.quantized.mul),
        "maxPool": max_pool,
        "averagePool": average_pool,
        "globalPool": global_pool,
        "resize": resize,
        "activation": activation,
        "layerNorm": layer_norm,
        "rmsNorm": rms_norm,
        "batchNorm": batch_norm,
        "softmax": softmax,
        "attention": attention,
        "rotary": rotary,
        "recurrent": recurrent,
        "embeddingBag": embedding_bag,
    },
)
