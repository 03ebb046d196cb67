/**
 * The typed statement of what the modules bytelane.gptq.*.wasm export: error feedback.
 * assembly/gptq/index.ts has the panels and the record.
 */
export interface GptqKernels {
  constants_end(): number;

  gptq_factor(triangle: number, n: number, last: number, floor: number, panel: number): void;
  gptq_shares(triangle: number, n: number, first: number, panel: number, shares: number): void;
  gptq_round(feedback: number): void;
}
