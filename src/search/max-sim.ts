/** Late interaction: documents and queries that have a vector per token. */

import { searchKernels } from "../builds/search-kernels.ts";
import { checkNumbers } from "../core/array.ts";
import { type Data, type Operand, operand } from "../core/call.ts";
import { checkInteger, checkOptions, checkScale, rangeFault, typeFault } from "../core/check.ts";
import type { Bytelane } from "../core/instance.ts";
import { checkInstance } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";
import { MOST_DIMENSIONS } from "./limits.ts";

/** How documents are laid out, and the scale of products. */
export interface MaxSimOptions {
  /** Elements of a token's vector. Read from a query that is a tensor [n, dimensions]. */
  readonly dimensions?: number;
  /** For documents in one array: the number of tokens of each, in order. */
  readonly lengths?: ArrayLike<number>;
  /** Factor on the scores: scale of the query · scale of the documents. Default 1. */
  readonly scale?: number;
}

type Tokens = Data<"i8">;

/** A document: where its tokens are, in an array or in memory, and how many. */
interface TokenRange {
  readonly tokens: Operand<"i8">;
  readonly first: number;
  readonly count: number;
}

/**
 * Scores of documents by late interaction: for each token of the query the greatest product with a
 * token of the document, added up. Tokens are i8 vectors [n, dimensions]: documents are arrays or
 * tensors of their own, or lie in one with `lengths`. Products are exact, and no matrix of them is
 * stored.
 *
 * score = scale · Σ_i max_j <q_i, d_j>, f32 [documents] (Khattab and Zaharia, ColBERT, 2020)
 *
 * Errors: arrays that are no whole tokens, documents without a token, lengths that do not add up.
 *
 * @example
 * ```ts
 * const scores = maxSim(instance, queryTokens, documents, { dimensions: 128 });
 * ```
 */
export function maxSim(
  instance: Bytelane,
  query: Tokens,
  documents: Tokens | readonly Tokens[],
  options: MaxSimOptions = {},
): Float32Array {
  checkInstance(instance);
  checkOptions("options", options, ["dimensions", "lengths", "scale"]);
  const scale = checkScale("options.scale", options.scale ?? 1);
  const shape = isTensor(query) && query.shape.length === 2 ? query.shape[1] : undefined;
  const named = options.dimensions ?? shape;
  const dimensions = checkInteger("options.dimensions", named, 1, MOST_DIMENSIONS);
  const source = tokensOf(instance, "query", query, dimensions);
  const queries = source.length / dimensions;
  const ranges = tokenRanges(instance, documents, dimensions, options.lengths);
  const { arena, heap } = instance;
  const padded = Math.ceil(dimensions / 16) * 16;
  const queryBytes = Math.ceil(queries / 4) * 4 * padded * 2;
  const most = ranges.reduce((sum, { count }) => Math.max(sum, count), 0) * dimensions;
  const bytes = 32 + queryBytes + most;
  const room = arena.allocate(bytes);
  try {
    const at = room + 32;
    const wide = heap.view("u8", at, queryBytes).fill(0);
    const integers = new Int16Array(queryBytes / 2);
    const values = elements(instance, source, 0, source.length);
    for (let i = 0; i < queries; i++) {
      integers.set(values.subarray(i * dimensions, (i + 1) * dimensions), i * padded);
    }
    wide.set(new Uint8Array(integers.buffer));
    const kernels = searchKernels(instance);
    return Float32Array.from(ranges, ({ tokens, first, count }) => {
      const own = elements(instance, tokens, first * dimensions, count * dimensions);
      const place = at + queryBytes;
      heap.view("i8", place, own.length).set(own);
      return kernels.search_max_sim(place, count, dimensions, at, queries, scale, room);
    });
  } finally {
    arena.free(room, bytes);
  }
}

/** Checks that data are whole tokens, at least one. */
function tokensOf(
  instance: Bytelane,
  argument: string,
  value: unknown,
  dimensions: number,
): Operand<"i8"> {
  const source = operand(instance, argument, value, ["i8"]);
  if (source.length === 0 || source.length % dimensions !== 0) {
    throw rangeFault(argument, `tokens of ${dimensions} elements`, value);
  }
  return source;
}

function elements(
  { heap }: Bytelane,
  { address, value }: Operand<"i8">,
  first: number,
  length: number,
): Int8Array {
  if (address >= 0) return heap.view("i8", address + first, length);
  return (value as Int8Array).subarray(first, first + length);
}

function tokenRanges(
  instance: Bytelane,
  documents: Tokens | readonly Tokens[],
  dimensions: number,
  lengths: ArrayLike<number> | undefined,
): TokenRange[] {
  if (Array.isArray(documents)) {
    if (lengths !== undefined) throw typeFault("options.lengths", "nothing for a list", lengths);
    return documents.map((tokens: Tokens, i) => {
      const source = tokensOf(instance, `documents[${i}]`, tokens, dimensions);
      return { tokens: source, first: 0, count: source.length / dimensions };
    });
  }
  const tokens = tokensOf(instance, "documents", documents, dimensions);
  const total = tokens.length / dimensions;
  const list = checkNumbers("options.lengths", lengths ?? [total]);
  let first = 0;
  const ranges = Array.from(list, (length, i) => {
    const count = checkInteger(`options.lengths[${i}]`, length, 1, total);
    first += count;
    return { tokens, first: first - count, count };
  });
  if (first !== total) throw rangeFault("options.lengths", `${total} tokens in all`, first);
  return ranges;
}
