/**
 * Workers on the instance's own memory. All of them get all pieces of a job, and take them one by
 * one until none is left.
 */
import type { Bytelane } from "../core/instance.ts";
import { panelsOf, workspaceOf } from "../gemm/product.ts";
import type { KernelCall } from "../search/layout.ts";
import type { Crew, Division } from "./job.ts";
import { type Divided, quantizeHere, runs } from "./split.ts";
import type { Piece } from "./worker.ts";

/** Least rows and panels of a piece: below, packing rows or reading weights outweighs the gain. */
const LEAST_ROWS = 32;
const LEAST_PANELS = 4;

/** Pieces per worker, so that one that starts late or is slow leaves its share to the others. */
const PIECES = 4;

/** Bytes of the counter that holds the number of the next piece: a grain of the arena. */
const COUNTER_BYTES = 32;

interface Pieces {
  readonly list: readonly Piece[];
  readonly workspace: number;
}

/** Pieces of a product: rows, or panels where rows are few and each worker reads some weights. */
function piecesOf(instance: Bytelane, product: Divided, size: number): Pieces {
  const { record, rows, fields } = product;
  const panels = panelsOf(fields.n);
  if (rows >= LEAST_ROWS * size || panels < LEAST_PANELS * size) {
    const least = Math.min(LEAST_ROWS, Math.ceil(rows / size / 4) * 4);
    const ranges = runs(rows, PIECES * size, 4, least);
    const most = Math.max(0, ...ranges.map(([, count]) => count));
    return {
      list: ranges.map(([first, count]): Piece => [record, first, count, 0, panels]),
      workspace: workspaceOf(instance, record, most),
    };
  }
  quantizeHere(instance, product);
  const ranges = runs(panels, PIECES * size, 4, LEAST_PANELS);
  return {
    list: ranges.map(([first, count]): Piece => [record, 0, rows, first, count]),
    workspace: workspaceOf(instance, record, rows),
  };
}

export function divideShared(
  instance: Bytelane,
  crew: Crew,
  products: readonly Divided[],
): Division {
  const { arena, heap } = instance;
  const pieces: Piece[] = [];
  let workspace = 32;
  for (const product of products) {
    const some = piecesOf(instance, product, crew.size);
    pieces.push(...some.list);
    workspace = Math.max(workspace, Math.ceil(some.workspace / 32) * 32);
  }
  // workers that would find no piece are not woken
  const workers = [...crew.keys()].slice(0, pieces.length);
  const bytes = COUNTER_BYTES + workspace * workers.length;
  const next = arena.allocate(bytes);
  heap.words.setInt32(next, 0, true);
  const orders = workers.map((worker, i) => ({
    worker,
    task: {
      pieces,
      workspace: next + COUNTER_BYTES + i * workspace,
      ...{ next, size: 0, writes: [], reads: [] },
    },
    transfer: [],
    sent: () => {},
  }));
  return { orders, place: () => {}, free: () => arena.free(next, bytes) };
}

/** Groups of calls: each of the workers takes the next one until none is left. */
export function divideCalls(
  { arena, heap }: Bytelane,
  crew: Crew,
  calls: readonly (readonly KernelCall[])[],
): Division {
  const next = arena.allocate(COUNTER_BYTES);
  heap.words.setInt32(next, 0, true);
  const orders = [...crew.keys()].slice(0, calls.length).map((worker) => ({
    worker,
    task: { calls, next, ...{ pieces: [], workspace: 0, size: 0, writes: [], reads: [] } },
    transfer: [],
    sent: () => {},
  }));
  return { orders, place: () => {}, free: () => arena.free(next, COUNTER_BYTES) };
}
