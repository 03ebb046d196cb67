/** Small calls for the fuzz of the pool, each with the bytes that one thread gives. */
import { Tensor } from "../../src/core/tensor.ts";
import {
  type Bytelane,
  createLinear,
  type Data,
  type LinearOptions,
  linear,
  matmul,
  packMatrix,
  tensor,
} from "../../src/entries/index.ts";
import { createIndex, type Matches, topK } from "../../src/entries/search.ts";
import { createGgmlLinear, encodeGgml } from "../../src/gguf/index.ts";
import * as workers from "../../src/workers/index.ts";
import { integerIn } from "../../tools/random.mjs";
import { integers, reals, scales } from "./data.ts";

type Out = Float32Array | Int32Array | Int8Array | Uint8Array;

export interface PoolCase {
  readonly name: string;
  readonly wanted: Uint8Array;
  /** The call, into `out` where it is given. */
  run(out?: Out): Promise<Data | Matches>;
  /** An array for `out`, where the operation takes one. */
  readonly makeOut: (() => Out) | undefined;
  dispose(): void;
}

const bytesOfArray = ({ buffer, byteOffset, byteLength }: Out | Uint32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength).slice();

/** The bytes of a result, whose memory is given back. */
export function bytesOf(result: Data | Matches): Uint8Array {
  if (result instanceof Tensor) {
    const bytes = bytesOfArray(result.data as Out);
    result.dispose();
    return bytes;
  }
  if ("ids" in result) {
    const [ids, scores] = [result.ids, result.scores].map((each) => bytesOfArray(each as Out));
    return Uint8Array.of(...ids, ...scores);
  }
  return bytesOfArray(result as Out);
}

type Random = () => number;

/** Sizes: most products are small, some have rows or columns to divide. */
function sizesOf(random: Random) {
  const depth = integerIn(random, 1, 48);
  const draw = random();
  if (draw < 0.1) return { m: integerIn(random, 20, 70), n: integerIn(random, 1, 20), depth };
  if (draw < 0.3) return { m: integerIn(random, 1, 3), n: integerIn(random, 60, 300), depth };
  return { m: integerIn(random, 1, 8), n: integerIn(random, 1, 60), depth };
}

const KINDS: readonly (readonly [name: string, options: object])[] = [
  ["int8", {}],
  ["int8 of 7 bits", { bits: 7 }],
  ["int8 static", { activations: { scale: 1.5, zeroPoint: 3 } }],
  ["int8 to u8", { activations: { scale: 1.5, dtype: "u8" }, output: { scale: 30, dtype: "u8" } }],
  ["int4", { format: "int4", blockSize: 32 }],
  ["int4 on f32", { format: "int4", blockSize: 16, activations: "f32" }],
];

/** A layer of one of the kinds. */
export function layerOf(instance: Bytelane, random: Random) {
  const { m, n, depth } = sizesOf(random);
  const [name, options] = KINDS[integerIn(random, 0, KINDS.length - 1)];
  const weights = reals(depth * n, integerIn(random, 0, 2 ** 30), "small").map((w) => w / 100);
  const bias = random() < 0.5 ? reals(n, m, "small") : undefined;
  const layer = createLinear(instance, {
    ...{ weights, shape: [depth, n] },
    ...(bias ? { bias } : {}),
    ...options,
  } as LinearOptions);
  return { layer, name: `${name} ${m} × ${n} × ${depth}`, m, n, depth };
}

function linearCase(instance: Bytelane, random: Random): PoolCase {
  const { layer, name, m, depth } = layerOf(instance, random);
  const values = reals(m * depth, integerIn(random, 0, 2 ** 30), "small");
  const isTensor = random() < 0.3;
  const x = isTensor ? tensor(instance, "f32", [m, depth], values) : values;
  // the type of a result follows the layer
  const plain = linear(layer, values) as Out;
  return {
    name: `linear ${name}${isTensor ? ", a tensor" : ""}`,
    wanted: bytesOfArray(plain),
    run: (out) => workers.linear(layer, x, (out ? { out } : {}) as object) as Promise<Data>,
    makeOut: () => new (plain.constructor as Float32ArrayConstructor)(plain.length),
    dispose() {
      layer.dispose();
      if (isTensor) (x as Tensor).dispose();
    },
  };
}

function ggmlCase(instance: Bytelane, random: Random): PoolCase {
  const [m, n] = [integerIn(random, 1, 5), integerIn(random, 1, 30)];
  const type = (["Q4_K", "Q6_K", "Q8_0"] as const)[integerIn(random, 0, 2)];
  const data = encodeGgml(reals(n * 256, n, "small"), type);
  const layer = createGgmlLinear(instance, { type, shape: [n, 256], data });
  const x = reals(m * 256, m, "small");
  return {
    name: `linear ${type} ${m} × ${n}`,
    wanted: bytesOfArray(linear(layer, x) as Float32Array),
    run: (out) => workers.linear(layer, x, (out ? { out } : {}) as object) as Promise<Data>,
    makeOut: () => new Float32Array(m * n),
    dispose: () => layer.dispose(),
  };
}

function matmulCase(instance: Bytelane, random: Random): PoolCase {
  const { m, n, depth } = sizesOf(random);
  const left = random() < 0.5 ? "i8" : "u8";
  const dtype = random() < 0.5 ? "i32" : "f32";
  const lhs = {
    values: integers(left, m * depth, integerIn(random, 0, 2 ** 30)),
    zeroPoint: 3,
    ...(random() < 0.5 ? { scale: scales(m, m) } : {}),
  };
  const b = integers("i8", depth * n, integerIn(random, 0, 2 ** 30));
  const packed = random() < 0.5 ? packMatrix(instance, b, { shape: [depth, n] }) : undefined;
  const rhs = { values: packed ?? b } as { values: Int8Array };
  const options = { m, n, depth, dtype } as const;
  const plain = matmul(instance, lhs, rhs, options) as Float32Array;
  return {
    name: `matmul ${left} ${m} × ${n} × ${depth} → ${dtype}${packed ? ", packed" : ""}`,
    wanted: bytesOfArray(plain),
    run: (out) =>
      workers.matmul(instance, lhs, rhs, { ...options, ...(out ? { out } : {}) } as object),
    makeOut: () => (dtype === "i32" ? new Int32Array(m * n) : new Float32Array(m * n)),
    dispose: () => packed?.dispose(),
  };
}

function searchCase(instance: Bytelane, random: Random): PoolCase {
  const dimensions = 8 * integerIn(random, 1, 4);
  const count = integerIn(random, 1, 400);
  const vectors = reals(count * dimensions, integerIn(random, 0, 2 ** 30), "small");
  const metric = random() < 0.5 ? "cosine" : "distance";
  const index = createIndex(instance, { dimensions, vectors, metric });
  const queries = reals(integerIn(random, 1, 3) * dimensions, count, "small");
  const k = integerIn(random, 1, 10);
  const options = { bits: ([8, 4, 1] as const)[integerIn(random, 0, 2)] };
  return {
    name: `topK ${k} of ${count} × ${dimensions}, ${metric}, ${options.bits} bits`,
    wanted: bytesOf(topK(index, queries, k, options)),
    run: () => workers.topK(index, queries, k, options),
    makeOut: undefined,
    dispose: () => index.dispose(),
  };
}

/** The calls of one instance. */
export function casesOf(instance: Bytelane, random: Random): PoolCase[] {
  const make = (count: number, makeOne: (instance: Bytelane, random: Random) => PoolCase) =>
    Array.from({ length: count }, () => makeOne(instance, random));
  return [
    ...make(6, linearCase),
    ...make(4, matmulCase),
    ...make(1, ggmlCase),
    ...make(2, searchCase),
  ];
}
