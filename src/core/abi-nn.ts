/**
 * The types of the exports of the modules bytelane.nn.*.wasm. Addresses and strides are in bytes,
 * counts in elements, flags 0 or 1; both builds export the same names. `Window` is the record of
 * assembly/nn/window.ts.
 */
export interface NnKernels {
  constants_end(): number;

  activate_f32(
    kind: number,
    src: number,
    dst: number,
    n: number,
    alpha: number,
    beta: number,
    offset: number,
  ): void;
  lookup_8(src: number, dst: number, n: number, table: number): void;

  softmax_f32(
    src: number,
    dst: number,
    rows: number,
    columns: number,
    scale: number,
    mask: number,
    maskRows: number,
    result: number,
    scales: number,
    work: number,
  ): void;
  norm_f32(
    src: number,
    dst: number,
    rows: number,
    columns: number,
    gain: number,
    bias: number,
    epsilon: number,
    centred: number,
  ): void;

  combine_f32(
    multiply: number,
    a: number,
    b: number,
    dst: number,
    n: number,
    period: number,
    low: number,
    high: number,
  ): void;
  combine_8(
    multiply: number,
    a: number,
    aUnsigned: number,
    b: number,
    bUnsigned: number,
    dst: number,
    n: number,
    period: number,
    za: number,
    zb: number,
    ma: number,
    mb: number,
    zero: number,
    low: number,
    high: number,
  ): void;
  mask_f32(src: number, dst: number, n: number): void;

  tap_offsets(window: number, offsets: number): void;
  depthwise_f32(
    window: number,
    src: number,
    weights: number,
    bias: number,
    offsets: number,
    epilogue: number,
    dst: number,
    firstRow: number,
    rows: number,
  ): void;
  depthwise_8(
    window: number,
    depthwise: number,
    src: number,
    dst: number,
    firstRow: number,
    rows: number,
  ): void;
  im2col_8(
    window: number,
    src: number,
    zero: number,
    firstPixel: number,
    pixels: number,
    first: number,
    count: number,
    dst: number,
  ): void;

  pool_f32(window: number, src: number, dst: number, kind: number, padded: number): void;
  pool_8(
    window: number,
    src: number,
    dst: number,
    kind: number,
    padded: number,
    unsigned: number,
    zero: number,
  ): void;
  nearest_bytes(
    src: number,
    dst: number,
    height: number,
    width: number,
    outHeight: number,
    outWidth: number,
    bytes: number,
  ): void;
  bilinear_resize(
    dtype: number,
    src: number,
    dst: number,
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
    steps: number,
  ): void;
  transpose(src: number, dst: number, rows: number, columns: number, size: number): void;
  copy_rows(src: number, dst: number, rows: number, bytes: number, stride: number): void;

  lstm_gates(a: number, b: number, n: number, cell: number, h: number, dst: number): void;
  gru_gates(a: number, b: number, n: number, h: number, dst: number): void;
  bag_8(
    table: number,
    columns: number,
    scales: number,
    zeros: number,
    unsigned: number,
    ids: number,
    n: number,
    weights: number,
    factor: number,
    dst: number,
  ): void;
  bag_f32(
    rows: number,
    columns: number,
    n: number,
    weights: number,
    factor: number,
    begins: number,
    dst: number,
  ): void;
}
