/**
 * The types of the exports of the modules bytelane.calibration.*.wasm: counts of observers, and
 * error feedback. assembly/calibration/ has the tables, the panels and the record.
 */
export interface CalibrationKernels {
  constants_end(): number;

  mask_non_finite_f32(src: number, dst: number, n: number): number;
  histogram_f32(
    src: number,
    outer: number,
    channels: number,
    inner: number,
    scales: number,
    half: number,
    tables: number,
    stride: number,
  ): void;
  sum_tables_u32(src: number, dst: number, n: number): void;

  gptq_factor(triangle: number, n: number, last: number, floor: number, panel: number): void;
  gptq_shares(triangle: number, n: number, first: number, panel: number, shares: number): void;
  gptq_round(feedback: number): void;
}
