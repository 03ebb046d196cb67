/**
 * Keys and values in 8 bits that grow by rows, for attention token by token.
 *
 *   one head   keys and values  [capacity][size] i8      scales of both  [capacity] f32
 *   a plane    [kvHeads] of these, of keys and then of values
 *
 * @category Networks
 */
import { type Data, elementsOf, type InKind, operand } from "../core/call.ts";
import { checkInteger, checkOptions, rangeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { checkHandle, Handle, instanceOf } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { scope } from "../core/scope.ts";
import { isTensor, type Tensor, tensor } from "../core/tensor.ts";
import { quantizeRows } from "../elementwise/dynamic-quantize.ts";
import { matmul } from "../gemm/matmul.ts";
import { MOST_KEYS, maskOf, sliceColumns } from "./attention.ts";
import { multiply } from "./combine.ts";
import { checkReal } from "./reals.ts";
import { checkHeadRows } from "./rows.ts";
import { softmax } from "./softmax.ts";

/** Sizes of a cache. */
export interface KvCacheOptions {
  /** Heads of keys and values. */
  readonly kvHeads: number;
  /** Elements of a head. */
  readonly size: number;
  /** Rows that the cache has room for at first. It grows when it is full. Default 64. */
  readonly capacity?: number;
}

/** A block of memory that no scope disposes. */
class Block extends Handle {
  readonly address: number;
  readonly bytes: number;

  constructor(instance: Bytelane, bytes: number) {
    const address = instance.arena.allocate(bytes);
    super(instance, [[address, bytes]], false);
    this.address = address;
    this.bytes = bytes;
  }

  toArray(): OwnElements["u8"] {
    const { address, bytes, instance } = this;
    return instance.heap.view("u8", address, bytes).slice() as OwnElements["u8"];
  }

  /** @internal */
  __describe(): string {
    return "rows of a cache";
  }
}

/** Two planes, keys and values. */
const PLANES = 2;

/** Keys and values of an attention. Made by `createKvCache`. */
export class KvCache extends Handle {
  readonly kvHeads: number;
  readonly size: number;
  #length = 0;
  #capacity: number;
  #block: Block;

  /** @internal */
  constructor(instance: Bytelane, kvHeads: number, size: number, capacity: number) {
    const block = new Block(instance, PLANES * kvHeads * capacity * (size + 4));
    super(instance, []);
    this.kvHeads = kvHeads;
    this.size = size;
    this.#capacity = capacity;
    this.#block = block;
  }

  /** Number of rows in the cache. */
  get length(): number {
    return this.#length;
  }

  /** Bytes of its memory. */
  get byteLength(): number {
    return PLANES * this.kvHeads * this.#capacity * (this.size + 4);
  }

  /** Removes all rows from `length` on. Errors: a length above the number of rows. */
  truncate(length: number): void {
    checkHandle("cache", this, this.instance);
    this.#length = checkInteger("length", length, 0, this.#length);
  }

  override dispose(): void {
    this.#block.dispose();
    super.dispose();
  }

  /** Keys, then values, as f32 [2, kvHeads, length, size], in a new array. */
  toArray(): OwnElements["f32"] {
    checkHandle("cache", this, this.instance);
    const { kvHeads, size, length } = this;
    const reals = new Float32Array(PLANES * kvHeads * length * size);
    let at = 0;
    for (const plane of [0, 1] as const) {
      for (let head = 0; head < kvHeads; head++) {
        const scales = this.scalesOf(plane, head);
        this.rowsOf(plane, head).forEach((q, i) => {
          reals[at++] = q * scales[Math.floor(i / size)];
        });
      }
    }
    return reals;
  }

  /** @internal Rows [0, length) of a head, as a view on the memory. */
  rowsOf(plane: 0 | 1, head: number): Int8Array {
    const at = this.#block.address + (plane * this.kvHeads + head) * this.#capacity * this.size;
    return this.instance.heap.view("i8", at, this.#length * this.size) as Int8Array;
  }

  /** @internal Scales of rows [0, length) of a head, as a view on the memory. */
  scalesOf(plane: 0 | 1, head: number): Float32Array {
    const scales = this.#block.address + PLANES * this.kvHeads * this.#capacity * this.size;
    const at = scales + (plane * this.kvHeads + head) * this.#capacity * 4;
    return this.instance.heap.view("f32", at, this.#length) as Float32Array;
  }

  /** @internal Makes room for `count` more rows, and adds them to the length. */
  extend(count: number): void {
    const { kvHeads, size, instance } = this;
    const before = this.#length;
    if (before + count > this.#capacity) {
      const capacity = Math.max(before + count, 2 * this.#capacity);
      const larger = new KvCache(instance, kvHeads, size, capacity);
      larger.#length = before;
      for (const plane of [0, 1] as const) {
        for (let head = 0; head < kvHeads; head++) {
          larger.rowsOf(plane, head).set(this.rowsOf(plane, head));
          larger.scalesOf(plane, head).set(this.scalesOf(plane, head));
        }
      }
      const old = this.#block;
      this.#block = larger.#block;
      this.#capacity = capacity;
      larger.#block = old;
      larger.dispose();
    }
    this.#length = before + count;
  }

  /** @internal */
  __describe(): string {
    return `cache of ${this.#length} keys and values, ${this.kvHeads} × ${this.size}`;
  }
}

/**
 * Makes an empty cache.
 *
 * Errors: sizes below 1.
 *
 * @example
 * ```ts
 * const cache = createKvCache(instance, { kvHeads: 8, size: 64 });
 * ```
 */
export function createKvCache(instance: Bytelane, options: KvCacheOptions): KvCache {
  checkInstance(instance);
  checkOptions("options", options, ["kvHeads", "size", "capacity"]);
  const kvHeads = checkInteger("options.kvHeads", options.kvHeads, 1, 65535);
  const size = checkInteger("options.size", options.size, 1, 65535);
  const capacity = checkInteger("options.capacity", options.capacity ?? 64, 1, 2 ** 24);
  return new KvCache(instance, kvHeads, size, capacity);
}

/**
 * Adds rows of keys and of values, [rows, kvHeads · size] each, with one scale per row of a head.
 *
 * Errors: rows of another width, other numbers of keys and of values.
 *
 * @example
 * ```ts
 * appendKv(cache, k, v);
 * ```
 */
export function appendKv(cache: KvCache, k: Data<"f32">, v: Data<"f32">): void {
  const instance = instanceOf("cache", cache);
  const { kvHeads, size } = cache;
  const width = kvHeads * size;
  const key = operand(instance, "k", k, ["f32"]);
  const rows = key.length / width;
  if (!Number.isInteger(rows)) throw rangeFault("k", `rows of ${width} elements`, key.length);
  checkHeadRows("k", key, kvHeads, size);
  checkHeadRows("v", operand(instance, "v", v, ["f32"], key.length), kvHeads, size);
  scope(instance, () => {
    const quantized = [k, v].map((x) =>
      quantizeRows(instance, onMemory(instance, x), { shape: [rows * kvHeads, size] }),
    );
    const first = cache.length;
    cache.extend(rows);
    for (const plane of [0, 1] as const) {
      const values = quantized[plane].values.data;
      const scales = quantized[plane].scale.data;
      for (let head = 0; head < kvHeads; head++) {
        const to = cache.rowsOf(plane, head);
        const toScales = cache.scalesOf(plane, head);
        for (let row = 0; row < rows; row++) {
          const from = row * kvHeads + head;
          to.set(values.subarray(from * size, (from + 1) * size), (first + row) * size);
          toScales[first + row] = scales[from];
        }
      }
    }
  });
}

const onMemory = (instance: Bytelane, x: Data<"f32">): Tensor<"f32"> =>
  isTensor(x) ? x : tensor(instance, "f32", [x.length], x);

/** Heads, and which keys a query sees. */
export interface CachedAttentionOptions {
  /** Heads of q, a multiple of those of the cache. */
  readonly heads: number;
  /** Factor of the scores. Default 1 / √size. */
  readonly scale?: number;
  /** [queries, keys]. f32 is added to the scores; in bytes, 0 excludes a key. */
  readonly mask?: Data<"f32" | "u8">;
  /** True where a query sees no key after its own; the last query sees all. Default true. */
  readonly causal?: boolean;
}

/**
 * Attention over all rows of a cache: q [queries, heads · size] to [queries, heads · size]. Append
 * the keys and values of the queries first.
 *
 * q is quantized with one scale per row of a head, and so are probabilities times the scales of the
 * values. Errors: an empty cache, one of more rows than the sums of a product hold, heads that are
 * no multiple of the cache's, rows of another width, a mask of another shape.
 *
 * @example
 * ```ts
 * appendKv(cache, k, v);
 * const context = cachedAttention(cache, q, { heads: 32 });
 * ```
 */
export function cachedAttention<X extends Data<"f32">>(
  cache: KvCache,
  q: X,
  options: CachedAttentionOptions,
): InKind<X, "f32"> {
  const instance = instanceOf("cache", cache);
  checkOptions("options", options, ["heads", "scale", "mask", "causal"]);
  const { kvHeads, size, length: keys } = cache;
  if (keys === 0) throw rangeFault("cache", "at least one row", keys);
  const heads = checkInteger("options.heads", options.heads, kvHeads, 65535);
  if (heads % kvHeads !== 0) {
    throw rangeFault("options.heads", `a multiple of ${kvHeads}`, heads);
  }
  const scale = checkReal("options.scale", options.scale ?? 1 / Math.sqrt(size));
  const width = heads * size;
  const source = operand(instance, "q", q, ["f32"]);
  const queries = source.length / width;
  if (!Number.isInteger(queries) || queries === 0) {
    throw rangeFault("q", `rows of ${width} elements`, source.length);
  }
  checkHeadRows("q", source, heads, size);
  if (keys > MOST_KEYS) throw rangeFault("cache", `at most ${MOST_KEYS} rows`, keys);
  const { mask, causal = true } = options;
  const hide = maskOf(instance, { causal, ...(mask !== undefined && { mask }) }, queries, keys);
  const result = scope(instance, () => {
    const rows = quantizeRows(instance, onMemory(instance, q), { shape: [queries * heads, size] });
    const steps = rows.scale.data.map((step) => step * scale);
    const context = tensor(instance, "f32", [queries, width]);
    const scores = tensor(instance, "f32", [queries, keys]);
    const hidden = hide && tensor(instance, "f32", [queries, keys]);
    if (hidden) hide.write(0, queries, hidden.data);
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor((head * kvHeads) / heads);
      scope(instance, () => {
        const left = {
          values: sliceColumns(rows.values, head * size, queries, width, size),
          stride: width,
          scale: Float32Array.from({ length: queries }, (_, i) => steps[i * heads + head]),
        };
        const keyScale = cache.scalesOf(0, kvHead).slice();
        const right = {
          values: cache.rowsOf(0, kvHead),
          scale: keyScale,
          orientation: "out-in" as const,
        };
        const sizes = { m: queries, n: keys, depth: size, dtype: "f32", out: scores } as const;
        matmul(instance, left, right, sizes);
        softmax(instance, scores, { out: scores, ...(hidden && { mask: hidden }) });
        const valueScales = tensor(instance, "f32", [keys], cache.scalesOf(1, kvHead));
        multiply(instance, scores, valueScales, { out: scores });
        const p = quantizeRows(instance, scores, { dtype: "u8" });
        matmul(
          instance,
          { values: p.values, scale: p.scale },
          { values: cache.rowsOf(1, kvHead), scale: 1 },
          {
            m: queries,
            n: size,
            depth: keys,
            dtype: "f32",
            outStride: width,
            out: sliceColumns(context, head * size, queries, width, size),
          },
        );
      });
    }
    return context;
  });
  if (isTensor(q)) return result as InKind<X, "f32">;
  const values = elementsOf(instance, operand(instance, "q", result, ["f32"])).slice();
  result.dispose();
  return values as InKind<X, "f32">;
}
