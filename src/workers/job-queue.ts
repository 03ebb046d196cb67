/**
 * Where a pool and its workers meet: a shared buffer of its own, beside the memory of the kernels.
 *
 *   words of 4 bytes                  SLOTS slots                                 SLOTS tables
 *   ┌───────────┬──────┐  ┌──────┬───────┬───────┬───────────┬───────┐  ┌──────────────────────────┐
 *   │ published │ stop │  │ next │ parts │ calls │ workspace │ bytes │  │ [parts][calls][ROW] f64  │ …
 *   └───────────┴──────┘  └──────┴───────┴───────┴───────────┴───────┘  │ kernel, argument, …      │
 *     jobs so far          part to take next      of worker 0, of each  └──────────────────────────┘
 *
 * A job is a list of parts, each a run of kernel calls. Job k uses slot k mod SLOTS. Every worker visits every job in
 * order, takes parts one at a time until none is left, and posts the number of the job.
 */

export const PUBLISHED = 0;
export const STOP = 1;

export const SLOTS = 8;
export const PARTS = 32;
const CALLS = 2;
/** A kernel and its arguments: record, rows, panels, workspace. */
export const ROW = 7;

/** Stands for the workspace of the worker that takes a part. */
export const WORKSPACE = Number.NaN;

/** In the place of a kernel, where a part has fewer calls than others. */
export const NOTHING = -1;

const HEAD = 8;
const SLOT = 8;
const TABLE = PARTS * CALLS * ROW;

/** First word of the slot of a job, and its words. */
export function slotOf(job: number): number {
  return HEAD + (job & (SLOTS - 1)) * SLOT;
}
export const NEXT = 0;
export const PART_COUNT = 1;
export const CALL_COUNT = 2;
export const WORKSPACE_AT = 3;
export const WORKSPACE_BYTES = 4;

/** First number of the table of a job. */
export function tableOf(job: number): number {
  return (job & (SLOTS - 1)) * TABLE;
}

const WORDS = HEAD + SLOTS * SLOT;

export interface Mailbox {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly rows: Float64Array<SharedArrayBuffer>;
}

export function createMailbox(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * 4 + SLOTS * TABLE * 8);
}

export function viewMailbox(buffer: SharedArrayBuffer): Mailbox {
  return {
    words: new Int32Array(buffer, 0, WORDS),
    rows: new Float64Array(buffer, WORDS * 4),
  };
}
