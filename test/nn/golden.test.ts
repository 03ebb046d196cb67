/**
 * What onnxruntime gives for single operators (scripts/golden/nn.mjs), against the same operations
 * here. Reals of two libraries differ by roundings; integers by a step where a product lies between
 * two of them.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Bytelane } from "../../src/entries/index.ts";
import {
  activate,
  averagePool2d,
  type ConvOptions,
  conv2d,
  createConv2d,
  globalAveragePool2d,
  layerNorm,
  logSoftmax,
  maxPool2d,
  softmax,
  toNchw,
  toNhwc,
} from "../../src/entries/nn.ts";
import { describeTiers } from "../support/tiers.ts";

interface Encoded {
  readonly dtype: "f32" | "i8" | "u8";
  readonly base64: string;
}

interface Golden {
  readonly op: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, number | readonly number[]>>;
  readonly x: { readonly dims: readonly number[]; readonly data: Encoded };
  readonly initializers: Readonly<
    Record<string, { readonly dims: readonly number[]; readonly data: Encoded }>
  >;
  readonly dims: readonly number[];
  readonly expected: Readonly<Record<string, Encoded>>;
}

const file = new URL("onnxruntime.golden.json", import.meta.url);
const { runtimes, cases } = JSON.parse(readFileSync(file, "utf8")) as {
  runtimes: readonly string[];
  cases: readonly Golden[];
};

type Numbers = Float32Array | Int8Array | Uint8Array;
const ARRAYS = { f32: Float32Array, i8: Int8Array, u8: Uint8Array };

/** Little-endian bytes in base64, as scripts/golden/tensors.mjs writes them. */
function numbersOf({ dtype, base64 }: Encoded): Numbers {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  return new ARRAYS[dtype](bytes.buffer);
}
const f = Math.fround;

const ACTIVATIONS = {
  Sigmoid: "sigmoid",
  Tanh: "tanh",
  Exp: "exp",
  HardSwish: "hard-swish",
  Gelu: "gelu",
} as const;

/** ONNX has [top, left, bottom, right] too. */
function windowOf({ attributes }: Golden): Pick<ConvOptions, "stride" | "dilation" | "padding"> {
  const list = (name: string) => attributes[name] as readonly number[] | undefined;
  return {
    ...(list("strides") && { stride: list("strides") as [number, number] }),
    ...(list("dilations") && { dilation: list("dilations") as [number, number] }),
    ...(list("pads") && { padding: list("pads") as [number, number, number, number] }),
  };
}

function convolve(instance: Bytelane, golden: Golden, pixels: Numbers, shape: number[]): Numbers {
  const { initializers, attributes } = golden;
  const read = (name: string) => numbersOf(initializers[name].data);
  const { w, ws } = initializers;
  const weights = numbersOf(w.data);
  const common = {
    ...{ weights, shape: w.dims, orientation: "out-in" as const, ...windowOf(golden) },
    groups: (attributes.group as number | undefined) ?? 1,
  };
  const layer = ws
    ? createConv2d(instance, {
        ...{ ...common, scale: read("ws")[0] },
        activations: { dtype: "u8", scale: read("xs")[0], zeroPoint: read("xz")[0] },
        output: { dtype: "u8", scale: read("ys")[0], zeroPoint: read("yz")[0] },
      })
    : createConv2d(instance, { ...common, format: "f32", bias: read("b") as Float32Array });
  const y = conv2d(layer, pixels, { shape });
  layer.dispose();
  return y;
}

/** An operation on images, in the order of ONNX. */
function onImages(instance: Bytelane, golden: Golden, x: Numbers): Numbers {
  const { op, attributes, dims } = golden;
  const [, channels, height, width] = golden.x.dims;
  const pixels = toNhwc(instance, x, { shape: [channels, height, width] });
  const shape = [height, width, channels];
  const size = attributes.kernel_shape as unknown as [number, number];
  const options = { ...windowOf(golden), shape, size };
  let y: Numbers;
  if (op === "MaxPool") y = maxPool2d(instance, pixels, options);
  else if (op === "AveragePool") y = averagePool2d(instance, pixels, options);
  else if (op === "GlobalAveragePool") y = globalAveragePool2d(instance, pixels, { shape });
  else y = convolve(instance, golden, pixels, shape);
  return toNchw(instance, y, { shape: [dims[2], dims[3], dims[1]] });
}

function run(instance: Bytelane, golden: Golden): Numbers {
  const { op, initializers } = golden;
  const x = numbersOf(golden.x.data) as Float32Array;
  if (op in ACTIVATIONS) return activate(instance, x, ACTIVATIONS[op as "Tanh"]);
  const { dims: shape } = golden.x;
  if (op === "Softmax") return softmax(instance, x, { shape });
  if (op === "LogSoftmax") return logSoftmax(instance, x, { shape });
  if (op === "LayerNormalization") {
    const [gain, bias] = ["gain", "bias"].map(
      (name) => numbersOf(initializers[name].data) as Float32Array,
    );
    return layerNorm(instance, x, { gain, bias, shape });
  }
  return onImages(instance, golden, x);
}

describeTiers("golden vectors of onnxruntime", (instance) => {
  it.each(cases.map((golden) => [`${golden.op}, ${golden.name}`, golden] as const))(
    "%s",
    (_, golden) => {
      const y = run(instance, golden);
      for (const runtime of runtimes) {
        const right = numbersOf(golden.expected[runtime]);
        expect(y.length, runtime).toBe(right.length);
        const isReal = right instanceof Float32Array;
        const most = [...right].reduce((max, value) => Math.max(max, Math.abs(value)), 0);
        const tolerance = isReal ? f(most * 2 ** -20) : 1;
        let differing = 0;
        for (let i = 0; i < right.length; i++) {
          const distance = Math.abs(y[i] - right[i]);
          if (!(distance <= tolerance)) expect(y[i], `${runtime} ${i}`).toBe(right[i]);
          if (distance > 0) differing++;
        }
        if (!isReal) expect(differing / right.length, runtime).toBeLessThan(0.01);
      }
    },
  );
});
