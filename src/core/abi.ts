/**
 * The one typed statement of what the wasm modules export. Addresses and strides are in bytes,
 * counts in elements; every build exports the same names. Data are laid out [outer, channels,
 * inner].
 */
export interface Kernels {
  readonly memory: LinearMemory;
  heap_base(): number;
  constants_end(): number;

  /**
   * With `scratch`, room for 12 bytes per channel and 36 more, rows whose inner is 1 run as
   * vectors.
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
  /** `extremes` is room for the two of a row. */
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
  /** Says, as 0 or 1, whether n i32 are all in [least, greatest]. */
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
  /** Says, as 0 or 1, whether a byte became 255 when the offset was added. */
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
  /** A part of the product that a record describes (core/product.ts). */
  gemm: PartOfProduct;
  /** Quantizes rows of a record's reals to its lhs; `scratch` is room for 8 bytes. */
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
  unpack_int4(src: number, n: number, groups: number, dst: number, stride: number): void;
  pack_bytes(src: number, stride: number, n: number, groups: number, dst: number): void;
  int4_workspace(record: number, rows: number): number;
  gemm_int4: PartOfProduct;
  /** Either of both, as the record says; not for superblocks (abi-superblock.ts). */
  multiply: PartOfProduct;
}

/** What the wrapper needs of a WebAssembly.Memory. */
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

/** Rows and panels of a product; parts may run at once, each with a workspace of its own. */
type PartOfProduct = (
  product: number,
  firstRow: number,
  rows: number,
  firstPanel: number,
  panels: number,
  workspace: number,
) => void;
