/**
 * Linear layers on ggml's blocks. The blocks are converted to the kernel's layout without becoming
 * reals.
 *
 * @category Blocks of ggml
 */
import { superblockKernels } from "../builds/superblock-kernels.ts";
import { allocateSections } from "../core/arena.ts";
import { checkBytes } from "../core/array.ts";
import { elementsOf, operand } from "../core/call.ts";
import {
  checkInteger,
  checkObject,
  checkOneOf,
  checkOptions,
  checkShape,
  rangeFault,
} from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import type { Tensor } from "../core/tensor.ts";
import { type Activation, checkBounds } from "../gemm/activation.ts";
import { checkInt4Activations, type Int4Activations, Int4Linear } from "../int4/layer.ts";
import { type BlockRows, placeRows } from "../int4/pack.ts";
import { flatReader } from "../int4/restore.ts";
import { superblockReader } from "../int4/restore-superblocks.ts";
import {
  type Int4Sections,
  type Int4Sizes,
  panelBytes,
  SUPERBLOCK,
  sectionBytesOf,
} from "../int4/sizes.ts";
import { checkFiniteScales } from "./decode.ts";
import { nibblesOf } from "./int4.ts";
import { placeQ4_K, placeQ6_K } from "./superblocks.ts";
import { infoOf } from "./types.ts";

/** The codes of a layer for each type. */
const CODES = {
  Q4_0: "nibbles",
  Q4_1: "nibbles",
  Q8_0: "bytes",
  Q4_K: "fourBits",
  Q6_K: "sixBits",
} as const;
type LayerType = keyof typeof CODES;
const TYPES = /* @__PURE__ */ Object.keys(CODES) as readonly LayerType[];

/** Weights of a file: a `GgufTensor`, or an entry of the directory with the bytes read for it. */
export interface GgmlWeights {
  /** "Q4_0", "Q4_1", "Q8_0", "Q4_K" or "Q6_K". */
  readonly type: string;
  /** [out, in]; the inputs are whole blocks. */
  readonly shape: readonly number[];
  /** The blocks, row by row. */
  readonly data: Uint8Array;
}

/** Bias, activation and input of a layer. */
export interface GgmlLinearOptions {
  /** One real number per output channel. */
  readonly bias?: Float32Array | Tensor<"f32">;
  /** Default "none". */
  readonly activation?: Activation;
  /**
   * "dynamic" quantizes each row of x to i8; "f32" is the reference, and slow. Q4_K and Q6_K have
   * "dynamic" only. Default "dynamic".
   */
  readonly activations?: Int4Activations;
}

interface Checked {
  readonly type: LayerType;
  readonly rows: number;
  readonly columns: number;
  readonly bytes: Uint8Array;
  readonly sizes: Int4Sizes;
}

function checkWeights(weights: GgmlWeights, hasBias: boolean): Checked {
  checkObject("weights", weights);
  const { type: name, shape: given, data } = weights;
  const type = checkOneOf("weights.type", name as LayerType, TYPES);
  const shape = checkShape("weights.shape", given);
  if (shape.length !== 2) throw rangeFault("weights.shape", "two dimensions, [out, in]", shape);
  const [rows, columns] = shape;
  const { elements, bytes: size } = infoOf(type);
  checkInteger("weights.shape", rows, 1, 2 ** 31 - 1);
  checkInteger("weights.shape", columns, elements, 2 ** 20);
  if (columns % elements !== 0) {
    throw rangeFault("weights.shape", `rows in blocks of ${elements}`, columns);
  }
  const bytes = checkBytes("weights.data", data, ["Uint8Array"], "a Uint8Array");
  const length = ((rows * columns) / elements) * size;
  if (bytes.length !== length) throw rangeFault("weights.data", `${length} bytes`, data);
  checkFiniteScales("weights.data", bytes, type);
  const sizes: Int4Sizes = {
    ...{ inFeatures: columns, outFeatures: rows, blockSize: elements, codes: CODES[type] },
    ...{ halves: true, hasZeros: false, hasOffsets: type === "Q4_1", hasBias },
  };
  return { type, rows, columns, bytes, sizes };
}

/**
 * A layer from ggml's blocks, without loss and without going through f32: Q4_0, Q4_1, Q8_0, Q4_K or
 * Q6_K. It takes the file's bytes in memory, or 3 % more. Rows of x are quantized to i8;
 * docs/formats.md defines the result bit by bit.
 *
 * Errors: another type, a shape that is not that of the bytes, a scale that is not finite.
 *
 * @example
 * ```ts
 * const { tensors } = readGguf(file);
 * const layer = createGgmlLinear(b, tensors.get("blk.0.attn_q.weight"), { bias });
 * const y = linear(layer, x); // x [..., in] to f32 [..., out]
 * ```
 */
export function createGgmlLinear(
  instance: Bytelane,
  weights: GgmlWeights,
  options: GgmlLinearOptions = {},
): Int4Linear {
  checkInstance(instance);
  checkOptions("options", options, ["bias", "activation", "activations"]);
  const { bias: given, activation } = options;
  const checked = checkWeights(weights, given !== undefined);
  const { type, rows, sizes } = checked;
  const activations = checkInt4Activations(options.activations);
  const isSuper = sizes.blockSize === SUPERBLOCK;
  if (isSuper && activations === "f32") {
    throw rangeFault("options.activations", `"dynamic" for ${type}`, activations);
  }
  const reader = isSuper ? superblockReader : flatReader;
  const settings = { activations, ...checkBounds(activation), reader };
  if (isSuper) superblockKernels(instance);
  const bias = given && operand(instance, "options.bias", given, ["f32"], rows);
  // growth of the memory detaches bytes that lie in it
  const bytes = instance.heap.outliving(checked.bytes);
  const { sections, size } = allocateSections(instance.arena, { ...sectionBytesOf(sizes) });
  try {
    instance.heap.view("u8", sections.panels, size).fill(0);
    if (isSuper) placeSuperblocks(instance, checked, bytes(), sections.panels);
    else placeFlat(instance, checked, bytes, sections);
    if (bias) {
      const values = elementsOf(instance, bias);
      instance.heap.view("f32", sections.bias, values.length).set(values);
    }
    return new Int4Linear(instance, sizes, sections, settings, size);
  } catch (fault) {
    instance.arena.free(sections.panels, size);
    throw fault;
  }
}

function placeSuperblocks(
  instance: Bytelane,
  checked: Checked,
  bytes: Uint8Array,
  to: number,
): void {
  const { type, rows, columns, sizes } = checked;
  const place = type === "Q4_K" ? placeQ4_K : placeQ6_K;
  const { bytes: blockBytes } = infoOf(type);
  const blocks = columns / SUPERBLOCK;
  const panel = panelBytes(sizes);
  const record = panel / blocks;
  const view = instance.heap.view("u8", to, Math.ceil(rows / 8) * panel);
  for (let row = 0, at = 0; row < rows; row++) {
    const first = (row >> 3) * panel;
    for (let block = 0; block < blocks; block++, at += blockBytes) {
      place(bytes, at, view, first + block * record, row & 7);
    }
  }
}

/** Rows that are converted at a time. */
const STRIP = 64;

function placeFlat(
  instance: Bytelane,
  checked: Checked,
  bytes: () => Uint8Array,
  sections: Int4Sections,
): void {
  const { type, rows, columns, sizes } = checked;
  const { blockSize, codes } = sizes;
  const rowBytes = checked.bytes.length / rows;
  const blocks = columns / blockSize;
  for (let row = 0; row < rows; row += STRIP) {
    const count = Math.min(STRIP, rows - row);
    const strip = bytes().subarray(row * rowBytes, (row + count) * rowBytes);
    const { values, ...reals } = splitBlocks[type as keyof typeof splitBlocks](strip);
    const bits = codes === "bytes" ? 8 : 4;
    const source: BlockRows = {
      ...{ rows: count, columns, blockSize, bits },
      ...{ values: () => values, ...reals },
    };
    const panels = row / 8;
    const first = panels * blocks * 16;
    placeRows(instance, source, {
      panels: sections.panels + panels * panelBytes(sizes),
      scales: sections.scales + first,
      zeros: 0,
      offsets: sections.offsets + first,
    });
  }
}

/** Codes and reals of blocks, as `placeRows` takes them. */
interface Split {
  readonly values: Uint8Array;
  readonly scale: Uint16Array;
  readonly offset?: Uint16Array;
}

/** The f16 values at an offset of each block. */
function halvesOf(bytes: Uint8Array, size: number, first: number): Uint16Array {
  const halves = new Uint16Array(bytes.length / size);
  for (let b = 0, at = first; b < halves.length; b++, at += size) {
    halves[b] = bytes[at] | (bytes[at + 1] << 8);
  }
  return halves;
}

const splitBlocks = {
  Q4_0: (bytes: Uint8Array): Split => ({
    values: nibblesOf(bytes, 18, 2),
    scale: halvesOf(bytes, 18, 0),
  }),
  Q4_1: (bytes: Uint8Array): Split => ({
    values: nibblesOf(bytes, 20, 4),
    scale: halvesOf(bytes, 20, 0),
    offset: halvesOf(bytes, 20, 2),
  }),
  /** i8 becomes u8 around 128. */
  Q8_0: (bytes: Uint8Array): Split => {
    const values = new Uint8Array((bytes.length / 34) * 32);
    for (let at = 2, to = 0; at < bytes.length; at += 34) {
      for (let i = 0; i < 32; i++) values[to++] = bytes[at + i] ^ 0x80;
    }
    return { values, scale: halvesOf(bytes, 34, 0) };
  },
};
