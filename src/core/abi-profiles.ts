/**
 * The types of the exports of the modules bytelane.profiles.*.wasm: the arithmetic of other
 * systems, and codebooks. Data are laid out [outer, channels, inner], as in abi.ts.
 */
export interface ProfileKernels {
  constants_end(): number;

  quantize_rule_f32(
    src: number,
    dst: number,
    outer: number,
    channels: number,
    inner: number,
    starts: number,
    scales: number,
    zeros: number,
    low: number,
    high: number,
    rule: number,
  ): void;
  quantize_codebook_f32(
    src: number,
    dst: number,
    rows: number,
    columns: number,
    block: number,
    scales: number,
    middles: number,
  ): void;
  /** `shifts` are those of fixedShifts (params/profile.ts). */
  requantize_fixed(
    src: number,
    dst: number,
    outer: number,
    channels: number,
    inner: number,
    bias: number,
    multipliers: number,
    shifts: number,
    zero: number,
    low: number,
    high: number,
  ): void;
}
