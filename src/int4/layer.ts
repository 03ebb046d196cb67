/** A linear layer on int4 weights: y = activation(x · W + b), the weights packed in memory. */
import { checkOneOf, rangeFault, typeFault } from "../check.ts";
import { type Data, framed, operand, target } from "../frame.ts";
import { type Bytelane, checkLane, checkOwner, Owner } from "../lane.ts";
import { Tensor } from "../tensor.ts";
import { checkMatrix, type Int4Matrix } from "./matrix.ts";

/** How the inputs of a layer are used: quantized row by row, or as they are, which is slow and the reference. */
export type Int4Inputs = "i8" | "f32";

export interface Int4LayerOptions {
  /** One real number an output channel. */
  readonly bias?: Float32Array | Tensor<"f32"> | undefined;
  /** Bounds of the result. Default: none. */
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  /** Default "i8". */
  readonly inputs?: Int4Inputs | undefined;
}

/**
 * A layer's memory: one block, each part on a boundary of 32 bytes.
 *
 *   │ panels [n/8][groups][16] │ scales [n/8][blocks][8] │ zeros [n/8][blocks][4] │ bias [n] │
 */
export interface Int4Parts {
  readonly panels: number;
  readonly scales: number;
  /** 0 where every zero point is 8. */
  readonly zeros: number;
  readonly bias: number;
  readonly bytes: number;
}

export interface Int4Sizes {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly blockSize: number;
  readonly halves: boolean;
  readonly hasZeros: boolean;
  readonly hasBias: boolean;
}

const GRAIN = 32;
const whole = (bytes: number): number => Math.ceil(bytes / GRAIN) * GRAIN;

/** Bytes of each part, and where it starts from the first. */
export function partsOf(sizes: Int4Sizes): Int4Parts {
  const { inFeatures, outFeatures, blockSize, halves, hasZeros, hasBias } = sizes;
  const panels = Math.ceil(outFeatures / 8);
  const blocks = Math.ceil(inFeatures / blockSize);
  const scales = whole(panels * Math.ceil(inFeatures / 4) * 16);
  const zeros = scales + whole(panels * blocks * (halves ? 16 : 32));
  const bias = zeros + (hasZeros ? whole(panels * blocks * 4) : 0);
  const bytes = bias + (hasBias ? whole(panels * 32) : 0);
  return { panels: 0, scales, zeros: hasZeros ? zeros : 0, bias: hasBias ? bias : 0, bytes };
}

/** A linear layer on int4 weights. Made by `createLinear`, run by `linear`. */
export class Int4Layer extends Owner {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly blockSize: number;
  /** Bytes of packed weights, scales, zero points and bias. */
  readonly byteLength: number;
  readonly inputs: Int4Inputs;
  /** @internal */ readonly address: number;
  /** @internal Offsets from the address. */ readonly parts: Int4Parts;
  /** @internal */ readonly sizes: Int4Sizes;
  /** @internal */ readonly low: number;
  /** @internal */ readonly high: number;

  /** @internal Takes over the block at `address`. */
  constructor(
    lane: Bytelane,
    sizes: Int4Sizes,
    address: number,
    inputs: Int4Inputs,
    low: number,
    high: number,
  ) {
    const parts = partsOf(sizes);
    super(lane, [[address, parts.bytes]]);
    this.inFeatures = sizes.inFeatures;
    this.outFeatures = sizes.outFeatures;
    this.blockSize = sizes.blockSize;
    this.byteLength = parts.bytes;
    this.inputs = inputs;
    this.address = address;
    this.parts = parts;
    this.sizes = sizes;
    this.low = low;
    this.high = high;
  }

  describe(): string {
    return `int4 linear layer ${this.inFeatures} → ${this.outFeatures}`;
  }
}

/** Columns that are packed at a time. */
const STRIP = 64;

/** Lays a matrix down as the kernel reads it. */
export function createInt4Layer(
  lane: Bytelane,
  matrix: Int4Matrix,
  options: Int4LayerOptions = {},
): Int4Layer {
  checkLane(lane);
  const extent = checkMatrix("matrix", matrix);
  const inputs = checkOneOf("options.inputs", options.inputs ?? "i8", ["i8", "f32"] as const);
  const { rows, columns, blockSize, zeroPoints } = matrix;
  const { blocks, rowBytes, zeroBytes, halves } = extent;
  const bias = options.bias && operand(lane, "options.bias", options.bias, ["f32"], rows);
  const sizes: Int4Sizes = {
    ...{ inFeatures: columns, outFeatures: rows, blockSize, halves },
    ...{ hasZeros: zeroPoints !== undefined, hasBias: bias !== undefined },
  };
  const parts = partsOf(sizes);
  return framed(lane, (frame) => {
    const { arena, kernels } = lane;
    const groups = Math.ceil(columns / 4);
    const stride = blocks * blockSize;
    const strip = Math.min(STRIP, Math.ceil(rows / 8) * 8);
    const packed = frame.room(strip * rowBytes);
    const codes = frame.room(strip * stride);
    const address = arena.allocate(parts.bytes);
    arena.view("u8", address, parts.bytes).fill(0);
    for (let row = 0; row < rows; row += strip) {
      const count = Math.min(strip, rows - row);
      const columnsOfStrip = Math.ceil(count / 8) * 8;
      const from = matrix.values.subarray(row * rowBytes, (row + count) * rowBytes);
      arena
        .view("u8", packed, strip * rowBytes)
        .fill(0)
        .set(from);
      kernels.unpack_bits(packed, codes, columnsOfStrip * stride, 4, 0);
      const to = address + (row / 8) * groups * 16;
      kernels.pack_int4(codes, stride, columnsOfStrip, groups, 0, to);
    }
    // scales: [rows][blocks] to [rows / 8][blocks][8], as 16-bit or 32-bit words
    const size = halves ? 2 : 4;
    const scales = arena.view(
      "u8",
      address + parts.scales,
      Math.ceil(rows / 8) * blocks * 8 * size,
    );
    const source = new Uint8Array(
      matrix.scales.buffer,
      matrix.scales.byteOffset,
      matrix.scales.byteLength,
    );
    for (let r = 0; r < rows; r++) {
      for (let b = 0; b < blocks; b++) {
        const to = (((r >> 3) * blocks + b) * 8 + (r & 7)) * size;
        const at = (r * blocks + b) * size;
        for (let i = 0; i < size; i++) scales[to + i] = source[at + i];
      }
    }
    if (zeroPoints) {
      const zeros = arena.view("u8", address + parts.zeros, Math.ceil(rows / 8) * blocks * 4);
      for (let r = 0; r < rows; r++) {
        for (let b = 0; b < blocks; b++) {
          const zero = (zeroPoints[r * zeroBytes + (b >> 1)] >> (4 * (b & 1))) & 15;
          zeros[((r >> 3) * blocks + b) * 4 + (r & 3)] |= zero << (r & 4);
        }
      }
    }
    if (bias) {
      const values =
        bias.address >= 0 ? arena.view("f32", bias.address, rows) : (bias.value as Float32Array);
      arena.view("f32", address + parts.bias, rows).set(values);
    }
    const low = options.low ?? Number.NEGATIVE_INFINITY;
    const high = options.high ?? Number.POSITIVE_INFINITY;
    return new Int4Layer(lane, sizes, address, inputs, low, high);
  });
}

/** What a layer takes: reals, or rows quantized once for several layers. */
export type Int4Input = Data<"f32"> | { readonly values: Data<"i8">; readonly scales: Data<"f32"> };

/** Runs a layer: x [..., in] to f32 [..., out]. Tensors give a tensor, typed arrays a typed array. */
export function runInt4<O extends Data<"f32"> = Data<"f32">>(
  lane: Bytelane,
  layer: Int4Layer,
  x: Int4Input,
  options: { readonly out?: O } = {},
): O {
  checkLane(lane);
  if (!(layer instanceof Int4Layer)) throw typeFault("layer", "an int4 layer", layer);
  checkOwner("layer", layer, lane);
  const { inFeatures, outFeatures, parts, sizes, inputs } = layer;
  const rows = isRows(x) ? x : undefined;
  if (rows && inputs === "f32") {
    throw typeFault("x", "reals, since the layer takes its inputs as f32", "quantized rows");
  }
  const data = rows ? rows.values : (x as Data<"f32">);
  const source = operand<"f32" | "i8">(lane, "x", data, rows ? ["i8"] : ["f32"]);
  if (source.length % inFeatures !== 0 || (source.shape && source.shape.at(-1) !== inFeatures)) {
    throw rangeFault("x", `rows of ${inFeatures} elements`, data);
  }
  const m = source.length / inFeatures;
  const given = rows && operand(lane, "x.scales", rows.scales, ["f32"], m);
  const shape = [...(source.shape?.slice(0, -1) ?? [m]), outFeatures];
  const result = target(lane, options.out, "f32", shape, data instanceof Tensor);
  return framed(lane, (frame) => {
    const { kernels, scalars } = lane;
    let lhs = frame.read(source);
    let stride = inFeatures * 4;
    let rowScales = 0;
    if (given) {
      rowScales = frame.read(given);
      stride = inFeatures;
    } else if (inputs === "i8") {
      const values = frame.room(source.length);
      rowScales = frame.room(m * 4);
      kernels.quantize_rows_f32_i8(lhs, inFeatures, values, m, inFeatures, rowScales, scalars);
      lhs = values;
      stride = inFeatures;
    }
    const workspace = frame.room(kernels.int4_workspace(m, inFeatures, layer.blockSize));
    const { address, value } = frame.write(result);
    const at = layer.address;
    kernels.gemm_int4_f32(
      ...([lhs, stride, m, outFeatures, inFeatures, layer.blockSize] as const),
      ...([at + parts.panels, at + parts.scales, sizes.halves ? 1 : 0] as const),
      ...([sizes.hasZeros ? at + parts.zeros : 0, rowScales] as const),
      ...([sizes.hasBias ? at + parts.bias : 0, layer.low, layer.high] as const),
      ...([address, outFeatures * 4, workspace] as const),
    );
    return value as O;
  });
}

function isRows(x: unknown): x is { values: Data<"i8">; scales: Data<"f32"> } {
  return typeof x === "object" && x !== null && "values" in x && "scales" in x;
}
