/** Vector search. */
import { createIndex, topK } from "../../src/entries/search.ts";
import type { Case } from "./case.ts";

/** What a caller without types may write. */
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const wrong = (value: unknown): any => value;

const NO_INSTANCE = '"instance" expected an instance made by createBytelane, got Object';
const dimensions = 3;
const x = new Float32Array(6);
const q = new Int8Array(6);
/** What quantizeRows makes of two vectors. */
const whole = { values: q, scale: Float32Array.of(1, 2), zeroPoint: 0, axis: 0, shape: [2, 3] };

type Index = ReturnType<typeof createIndex>;

const index =
  (options: object): Case[2] =>
  (instance) =>
    createIndex(instance, wrong({ vectors: x, dimensions, ...options }));

/** Something done with an index of two vectors that is given back. */
const with2 =
  (body: (index: Index) => unknown, options: object = {}): Case[2] =>
  (instance) => {
    using made = createIndex(instance, wrong({ vectors: x, dimensions, ...options }));
    return body(made);
  };

const search = (query: unknown, k: unknown, options: object = {}): Case[2] =>
  with2((made) => topK(made, wrong(query), wrong(k), wrong(options)));

export const searches: Case[] = [
  [
    "TypeError",
    '"options.scale" expected nothing beside ranges, got 1',
    index({ vectors: q, scale: 1, ranges: x }),
  ],
  [
    "TypeError",
    '"options.ranges" expected a Float32Array, got 3',
    index({ vectors: q, ranges: 3 }),
  ],
  [
    "RangeError",
    '"options.ranges" expected 2 · 3 elements, got Float32Array(5)',
    index({ vectors: q, ranges: new Float32Array(5) }),
  ],
  [
    "RangeError",
    '"options.ranges[0]" expected a finite value not above the greatest, got 2',
    index({ vectors: q, ranges: Float32Array.of(2, 0, 0, 1, 0, 0) }),
  ],
  ["TypeError", NO_INSTANCE, () => createIndex(wrong({}), { vectors: x, dimensions })],
  [
    "TypeError",
    '"options" expected an object, got undefined',
    (instance) => createIndex(instance, wrong(undefined)),
  ],
  [
    "TypeError",
    '"options" expected another name, such as "dimensions", got the unknown option "dimension"',
    index({ dimension: 3 }),
  ],
  ["RangeError", '"options.bits" expected one of 1, 4, 8, got 7', index({ bits: 7 })],
  [
    "RangeError",
    '"options.bits" expected one of 1, got 8',
    index({ metric: "hamming", dimensions: 8, bits: 8 }),
  ],
  [
    "RangeError",
    '"options.metric" expected one of "dot", "cosine", "distance", "hamming", got "l2"',
    index({ metric: "l2" }),
  ],
  ["TypeError", '"options.centered" expected a boolean, got 1', index({ centered: 1 })],
  [
    "TypeError",
    '"options.dimensions" expected a number, got undefined',
    index({ dimensions: undefined }),
  ],
  [
    "RangeError",
    '"options.dimensions" expected an integer in [1, 32768], got 40000',
    index({ dimensions: 40_000 }),
  ],
  [
    "RangeError",
    '"options.dimensions" expected a multiple of 8 for packed bits, got 3',
    index({ metric: "hamming" }),
  ],
  [
    "TypeError",
    '"vectors" expected a Float32Array, an Int8Array, a Uint8Array or a tensor, got "text"',
    index({ vectors: "text" }),
  ],
  [
    "RangeError",
    '"vectors" expected rows of 3 elements, got Float32Array(4)',
    index({ vectors: new Float32Array(4) }),
  ],
  [
    "RangeError",
    '"vectors" expected finite numbers whose squares add up to less than 2^128, got others in row 1',
    index({ vectors: Float32Array.of(1, 2, 3, 4, Number.NaN, 6) }),
  ],
  ["TypeError", '"options.scale" expected nothing for f32 vectors, got 2', index({ scale: 2 })],
  [
    "TypeError",
    '"options.scale" expected nothing for f16 vectors, got 2',
    index({ vectors: new Uint16Array(6), scale: 2 }),
  ],
  [
    "TypeError",
    '"options.scale" expected a number, a Float32Array or a tensor, got true',
    index({ vectors: q, scale: true }),
  ],
  [
    "RangeError",
    '"options.scale" expected 2 values, got Float32Array(3)',
    index({ vectors: q, scale: new Float32Array(3) }),
  ],
  [
    "RangeError",
    '"options.scale" expected a positive, finite 32-bit float, got -1',
    index({ vectors: q, scale: -1 }),
  ],
  [
    "RangeError",
    '"options.scale[1]" expected a positive, finite 32-bit float, got 0',
    index({ vectors: q, scale: Float32Array.of(1, 0) }),
  ],
  [
    "RangeError",
    '"options.zeroPoint" expected an integer in [-128, 127], got 128',
    index({ vectors: q, zeroPoint: 128 }),
  ],
  [
    "RangeError",
    '"options.zeroPoint[1]" expected an integer in [-128, 127], got 128',
    index({ vectors: q, zeroPoint: Int32Array.of(1, 128) }),
  ],
  [
    "TypeError",
    '"options.scale" expected nothing beside quantized vectors, got 2',
    index({ vectors: whole, scale: 2 }),
  ],
  [
    "RangeError",
    '"vectors.axis" expected 0, a scale per vector, got 1',
    index({ vectors: { ...whole, axis: 1 } }),
  ],
  [
    "TypeError",
    '"vectors.values" expected an Int8Array, a Uint8Array or a tensor, got Float32Array(6)',
    index({ vectors: { ...whole, values: x } }),
  ],
  [
    "RangeError",
    '"vectors.values" expected rows of 3 elements, got Int8Array(5)',
    index({ vectors: { ...whole, values: new Int8Array(5) } }),
  ],
  [
    "RangeError",
    '"vectors.scale" expected 2 values, got Float32Array(3)',
    index({ vectors: { ...whole, scale: new Float32Array(3) } }),
  ],
  [
    "RangeError",
    '"vectors.zeroPoint" expected an integer in [-128, 127], got 300',
    index({ vectors: { ...whole, zeroPoint: 300 } }),
  ],
  [
    "TypeError",
    '"options.scale" expected nothing for f32 vectors, got Float32Array(6)',
    index({ ranges: new Float32Array(6) }),
  ],
  [
    "TypeError",
    '"options.scale" expected nothing beside ranges, got 2',
    index({ vectors: q, scale: 2, ranges: new Float32Array(6) }),
  ],
  [
    "TypeError",
    '"options.scale" expected nothing beside ranges, got 2',
    index({ vectors: q, zeroPoint: 2, ranges: new Float32Array(6) }),
  ],
  [
    "TypeError",
    '"options.ranges" expected a Float32Array, got true',
    index({ vectors: q, ranges: true }),
  ],
  [
    "RangeError",
    '"options.ranges" expected 2 · 3 elements, got Float32Array(4)',
    index({ vectors: q, ranges: new Float32Array(4) }),
  ],
  [
    "RangeError",
    '"options.ranges[1]" expected a finite value not above the greatest, got 1',
    index({ vectors: q, ranges: Float32Array.of(0, 1, 0, 1, 0, 1) }),
  ],
  ["TypeError", '"options.ids" expected an array of numbers, got 5', index({ ids: 5 })],
  ["RangeError", '"options.ids" expected 2 ids, got [1]', index({ ids: [1] })],
  [
    "RangeError",
    '"options.ids[1]" expected an integer in [0, 9007199254740991], got -1',
    index({ ids: [1, -1] }),
  ],
  ["RangeError", '"options.ids" expected each id once, got 4', index({ ids: [4, 4] })],
  [
    "RangeError",
    '"options.ids[0]" expected an id that is not in the index, got 1',
    with2((made) => made.add(x, { ids: [1, 7] })),
  ],
  [
    "RangeError",
    '"options.ids" expected ids, since the greatest one is taken, got undefined',
    with2((made) => made.add(x), { ids: [1, Number.MAX_SAFE_INTEGER] }),
  ],
  ["TypeError", '"options" expected an object, got 5', with2((made) => made.add(x, wrong(5)))],
  [
    "RangeError",
    '"ids" expected ids that are in the index, got 9',
    with2((made) => made.update([0, 9], x)),
  ],
  ["RangeError", '"ids" expected 2 ids, got [0]', with2((made) => made.update([0], x))],
  [
    "RangeError",
    '"vectors" expected rows of 1 elements, got Uint8Array(0)',
    index({ metric: "hamming", dimensions: 8, vectors: new Uint8Array() }),
  ],
  [
    "TypeError",
    '"vectors" expected a Uint8Array or a tensor, got Float32Array(6)',
    index({ metric: "hamming", dimensions: 8 }),
  ],
  [
    "TypeError",
    '"options" expected an object, got 2',
    with2((made) => made.update([0, 1], x, wrong(2))),
  ],
  [
    "TypeError",
    '"ids" expected a number or an array, got undefined',
    with2((made) => made.remove(wrong(undefined))),
  ],
  [
    "RangeError",
    '"options.queries" expected an integer in [1, 10000], got 0',
    with2((made) => made.explain({ queries: 0 })),
  ],
  [
    "RangeError",
    '"options.k" expected an integer in [1, 10000], got 0',
    with2((made) => made.explain({ k: 0 })),
  ],
  [
    "TypeError",
    '"options" expected an object, got null',
    with2((made) => made.explain(wrong(null))),
  ],
  [
    "TypeError",
    '"index" expected an index made by createIndex or openIndex, got Int8Array(6)',
    () => topK(wrong(q), x, 1),
  ],
  [
    "TypeError",
    '"index" expected a live handle, got disposed index of 2 vectors [3]',
    (instance) => {
      const made = createIndex(instance, { vectors: x, dimensions });
      made.dispose();
      return topK(made, x, 1);
    },
  ],
  [
    "RangeError",
    '"queries" expected rows of 3 elements, got Float32Array(0)',
    search(new Float32Array(0), 1),
  ],
  [
    "RangeError",
    '"queries" expected finite numbers whose squares add up to less than 2^128, got others in row 0',
    search(Float32Array.of(Infinity, 1, 2), 1),
  ],
  ["RangeError", '"k" expected an integer in [1, 2147483647], got 0', search(x, 0)],
  ["TypeError", '"options" expected an object, got 1', search(x, 1, wrong(1))],
  [
    "RangeError",
    '"options.bits" expected one of 1, 4, got 8',
    with2((made) => topK(made, x, 1, { bits: 8 }), { bits: 4 }),
  ],
  [
    "RangeError",
    '"options.oversample" expected a number from 1 to 1000, got 0.5',
    search(x, 1, { oversample: 0.5 }),
  ],
  [
    "TypeError",
    '"options.filter" expected a Set or array of ids or a Uint8Array of bits, got 5',
    search(x, 1, { filter: 5 }),
  ],
  ...[Uint8Array.of(1), Int32Array.of(1)].map((gone): Case => {
    structuredClone(gone, { transfer: [gone.buffer] });
    const got = `a detached ${gone[Symbol.toStringTag]}`;
    return [
      "TypeError",
      `"options.filter" expected an array that has its buffer, got ${got}`,
      search(x, 1, { filter: gone }),
    ];
  }),
  ...[["1"], new Set(["1"])].map(
    (filter): Case => [
      "TypeError",
      '"options.filter" expected ids that are numbers, got "1"',
      search(x, 1, { filter }),
    ],
  ),
  [
    "RangeError",
    '"options.filter" expected at most 2^31 ids, got 1099511627776',
    search(x, 1, { filter: { length: 2 ** 40 } }),
  ],
];
