/** The entry of calibration: clipping ranges from data, their errors, and bits per layer. */

export { openCalibration } from "../builds/calibration-kernels.ts";
export { createInputStats } from "../int4/input-stats.ts";
export {
  type ChartOptions,
  type ChartSpecification,
  explanationChart,
  planChart,
} from "./charts.ts";
export {
  type AxisOption,
  createObserver,
  type FeaturesOption,
  type HistogramOptions,
  loadObserver,
  type ObserverOptions,
} from "./create.ts";
export type { EntropyCurve, Sides } from "./entropy.ts";
export {
  type ErrorReport,
  errorBetween,
  type QuantizationErrorReport,
  quantizationError,
} from "./error.ts";
export {
  type ExplainOptions,
  type Explanation,
  explain,
  explanationTable,
  type MethodReport,
} from "./explain.ts";
export type { Histogram } from "./grid.ts";
export type { HistogramObserver } from "./histogram.ts";
export { type LayerFormat, layerCandidate } from "./layer-candidate.ts";
export type { SearchOptions } from "./methods.ts";
export type {
  ChannelRange,
  ObservedRange,
  Observer,
  ObserverSettings,
  ObserverState,
} from "./observer.ts";
export {
  type FrontOptions,
  type LayerChoice,
  type ParetoFront,
  type Plan,
  type PlanGoal,
  type PlanPoint,
  paretoFront,
  plan,
} from "./plan.ts";
export { planTable } from "./plan-table.ts";
export {
  bitsCandidate,
  type Candidate,
  type CandidateCost,
  type LayerSensitivity,
  type PlannedLayer,
  type SensitivityOptions,
  sensitivity,
} from "./sensitivity.ts";
