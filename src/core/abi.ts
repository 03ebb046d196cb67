/**
 * The types of the exports of the wasm modules. Addresses and strides are in bytes, counts in
 * elements; every build exports the same names. Data are laid out [outer, channels, inner].
 */
export interface Kernels {
  readonly memory: LinearMemory;
  heap_base(): number;
  constants_end(): number;

  /**
   * `scratch` is 0, or the address of 12 bytes per channel plus 36. With it, rows whose inner is 1
   * run as vectors.
   */
  quantize_f32(
    src: number,
    dst: number,
    outer: number,
    channels: number,
    inner: number,
    scales: number,
    zeros: number,
    low: number,
    high: number,
    scratch?: number,
  ): void;
  /** `extremes` is the address of two f32 of scratch: the min and the max of a row. */
  quantize_rows_f32_i8(
    src: number,
    stride: number,
    dst: number,
    rows: number,
    columns: number,
    scales: number,
    extremes: number,
  ): void;
  quantize_rows_f32_u8(
    src: number,
    stride: number,
    dst: number,
    rows: number,
    columns: number,
    scales: number,
    zeros: number,
    extremes: number,
  ): void;

  dequantize_i8_f32: Dequantize;
  dequantize_u8_f32: Dequantize;
  dequantize_i32_f32: Dequantize;
  gather_i8_f32: Gather;
  gather_u8_f32: Gather;

  clamp_f32: Clamp;
  clamp_i32: Clamp;
  clamp_i8: Clamp;
  clamp_u8: Clamp;

  min_max_f32(
    src: number,
    outer: number,
    channels: number,
    inner: number,
    lows: number,
    highs: number,
  ): void;
  /** Returns 1 if all n i32 are in [least, greatest], otherwise 0. */
  all_in_range_i32(src: number, n: number, least: number, greatest: number): number;

  requantize_i32(
    src: number,
    dst: number,
    outer: number,
    channels: number,
    inner: number,
    bias: number,
    multipliers: number,
    zero: number,
    low: number,
    high: number,
  ): void;

  packed_bytes(depth: number, n: number, quads: number): number;
  /** Returns 1 if a byte became 255 when the offset was added, otherwise 0. */
  pack_rhs(
    src: number,
    strideK: number,
    strideN: number,
    depth: number,
    n: number,
    unsigned: number,
    quads: number,
    offset: number,
    dst: number,
    sums: number,
  ): number;
  /** The inverse of pack_rhs for whole panels: columns of `depth` i8, one after the other. */
  unpack_rhs(
    src: number,
    depth: number,
    n: number,
    quads: number,
    offset: number,
    dst: number,
  ): void;
  gemm_workspace(m: number, depth: number, quads: number): number;
  /** Computes some rows and panels of the product that a record describes (core/product.ts). */
  gemm: PartOfProduct;
  /** Quantizes rows of a record's reals to its lhs. `scratch` is the address of 8 bytes. */
  quantize_lhs(product: number, firstRow: number, rows: number, scratch: number): void;
  product_bytes(): number;
  probe_dot(lhs: number, rhs: number): number;

  pack_bits(src: number, dst: number, n: number, bits: number): void;
  unpack_bits(src: number, dst: number, n: number, bits: number, signed: number): void;

  convert_f32_f16(src: number, dst: number, n: number): void;
  convert_f16_f32(src: number, dst: number, n: number): void;

  choose_int4_f32(
    src: number,
    rows: number,
    columns: number,
    block: number,
    asymmetric: number,
    steps: number,
    importance: number,
    scales: number,
    zeros: number,
    scratch: number,
  ): void;
  gather_blocks_f32(
    table: number,
    rowBytes: number,
    columns: number,
    block: number,
    bits: number,
    scales: number,
    halves: number,
    zeros: number,
    offsets: number,
    planes: number,
    ids: number,
    n: number,
    dst: number,
    tail: number,
  ): void;

  pack_int4(
    src: number,
    stride: number,
    n: number,
    groups: number,
    flip: number,
    dst: number,
  ): void;
  pack_bytes(src: number, stride: number, n: number, groups: number, dst: number): void;
  int4_workspace(record: number, rows: number): number;
  gemm_int4: PartOfProduct;
  /** `gemm` or `gemm_int4`, as the record says. Superblocks have their own (abi-superblock.ts). */
  multiply: PartOfProduct;
}

/** The members of WebAssembly.Memory that the wrapper uses. */
export interface LinearMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

type Dequantize = (
  src: number,
  dst: number,
  outer: number,
  channels: number,
  inner: number,
  scales: number,
  zeros: number,
) => void;

type Gather = (
  table: number,
  columns: number,
  scales: number,
  zeros: number,
  ids: number,
  n: number,
  dst: number,
) => void;

type Clamp = (src: number, dst: number, n: number, low: number, high: number) => void;

/**
 * Computes some rows and panels of a product. Calls may run at once, each with its own workspace.
 */
type PartOfProduct = (
  product: number,
  firstRow: number,
  rows: number,
  firstPanel: number,
  panels: number,
  workspace: number,
) => void;
