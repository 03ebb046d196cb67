/** Vector search. An instance comes from "bytelane" or another entry that makes one. */

export { openSearch } from "../builds/search-kernels.ts";
export type { KernelSources } from "../builds/sources.ts";
export { createIndex, type IndexOptions } from "../search/create-index.ts";
export type { ExplainOptions, Explanation, Look } from "../search/explain.ts";
export type { Filter } from "../search/filter.ts";
export { applyJournal, JOURNAL_START, type Journal, recordChanges } from "../search/journal.ts";
export type { Choice } from "../search/layout.ts";
export { type MaxSimOptions, maxSim } from "../search/max-sim.ts";
export type { Bits, Metric } from "../search/record.ts";
export { type BlobRow, type ScanOptions, scanRows } from "../search/scan-rows.ts";
export { type OpenOptions, openIndex, type SaveOptions, saveIndex } from "../search/snapshot.ts";
export {
  type AsyncSearchOptions,
  type Matches,
  type SearchOptions,
  topK,
  topKAsync,
} from "../search/top-k.ts";
export type { AddOptions, VectorIndex } from "../search/vector-index.ts";
export type { VectorScale, Vectors } from "../search/vectors.ts";
