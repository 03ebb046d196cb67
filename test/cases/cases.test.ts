/**
 * Small inputs that failed once, one test each, with the right answer. Cases of workers are in
 * test/workers/faults.test.ts, those of declarations and `require` in test/types and
 * test/package.test.ts, those of hosts and of the direct tier in test/builds.
 */
import v8 from "node:v8";
import vm from "node:vm";
import { describe, expect, it } from "vitest";
import {
  createInputStats,
  createObserver,
  loadObserver,
  plan,
} from "../../src/calibration/index.ts";
import {
  type Bytelane,
  clamp,
  createBytelaneSync,
  createLinear,
  createTable,
  dequantize,
  dequantizeInt4,
  gather,
  type LinearOptions,
  linear,
  minMax,
  part,
  quantize,
  quantizeInt4,
  quantizeRows,
  tensor,
} from "../../src/entries/index.ts";
import { createIndex, openIndex, saveIndex, topK } from "../../src/entries/search.ts";
import {
  loadLayers,
  readSafetensors,
  readSafetensorsHeader,
  saveLayers,
  writeSafetensors,
} from "../../src/formats/index.ts";
import { decodeGgml, encodeGgml, int4FromGgml } from "../../src/gguf/index.ts";
import { entryOf } from "../support/narrow.ts";
import { TIERS } from "../support/tiers.ts";

// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
type Any = any;
const sines = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i));
const layerOf = (b: Bytelane, options: Partial<LinearOptions> = {}) =>
  createLinear(b, { weights: sines(128), shape: [16, 8], ...options });

const b = createBytelaneSync();
const x16 = Float32Array.from({ length: 16 }, (_, i) => Math.cos(i));

describe("buffer-file", () => {
  it.each([{}, { activations: { scale: 0.01 }, output: { scale: 0.05 } }])(
    "a file of layers loads from Buffers, at any offset of their pool: %o",
    (options) => {
      const layer = layerOf(b, { bias: new Float32Array(8).fill(-1), ...options });
      const file = saveLayers(b, { layer });
      const buffer = Buffer.from(file);
      for (const bytes of [file, buffer, Buffer.concat([Buffer.alloc(1), buffer]).subarray(1)]) {
        const loaded = entryOf(loadLayers(b, bytes), "layer", "int8");
        expect(linear(loaded, x16)).toEqual(linear(layer, x16));
      }
    },
  );
});

describe("cross-realm", () => {
  const context = vm.createContext({});
  const make = vm.runInContext("(tag, list) => new globalThis[tag](list)", context);
  const foreign = <A extends Uint8Array | Uint16Array | Float32Array>(array: A): A =>
    make(array[Symbol.toStringTag], [...array]);
  it("arrays of another realm are what they are", () => {
    expect([...quantize(b, foreign(Float32Array.of(1, 2)), { scale: 1 })]).toEqual([1, 2]);
    const file = saveLayers(b, { layer: layerOf(b) });
    expect(readSafetensors(foreign(file)).tensors.size).toBe(readSafetensors(file).tensors.size);
    expect(loadLayers(b, foreign(file)).layers.size).toBe(1);
    const matrix = quantizeInt4(b, sines(128), { shape: [16, 8] });
    const strange = { ...matrix, values: foreign(matrix.values), scale: foreign(matrix.scale) };
    expect(dequantizeInt4(b, strange)).toEqual(dequantizeInt4(b, matrix));
    expect(linear(createLinear(b, { format: "int4", weights: strange }), x16)).toHaveLength(8);
    expect(gather(createTable(b, strange), [0])).toHaveLength(16);
  });
});

describe("detached", () => {
  const gone = () => {
    const x = Float32Array.of(1, 2, 3, 4);
    structuredCloneOf(x);
    return x;
  };
  const stale = () => {
    const own = createBytelaneSync();
    const view = tensor(own, "f32", [4], [1, 2, 3, 4]).data;
    tensor(own, "u8", [own.bytesReserved]);
    return view;
  };
  it.each([gone, stale])("is no empty batch", (make) => {
    for (const method of ["minmax", "percentile"] as const) {
      expect(() => createObserver(b, { method }).observe(make())).toThrow('"data" expected');
    }
    expect(() => quantize(b, make(), { scale: 1 })).toThrow('"x" expected');
    expect(() => minMax(b, make())).toThrow('"x" expected');
    expect(() => createInputStats(b, 4).observe(make())).toThrow(/^"[^"]+" expected/);
  });
});

it.each([
  ...(["i8", "u8", "i8", "i32", "i8"] as const).map(
    (dtype, i) => [dtype, [300, -1, 1.7, 2 ** 31, Number.NaN][i]] as const,
  ),
  ...[[1, 2], "a", undefined, 1e39].map((value) => ["f32", value] as const),
])("tensor-values: %s does not hold %s", (dtype, value) => {
  expect(() => tensor(b, dtype, [1], [value] as Any)).toThrow('"values');
});

it("non-finite-search: NaN in a query or a vector is refused", () => {
  for (const metric of ["dot", "cosine", "distance"] as const) {
    const make = (vectors: Float32Array) => createIndex(b, { vectors, dimensions: 2, metric });
    const index = make(Float32Array.of(1, 0, 0, 1, 0.6, 0.8));
    for (const bad of [NaN, Infinity]) {
      expect(() => topK(index, Float32Array.of(bad, 1), 2)).toThrow(/^"[^"]+" expected/);
      expect(() => make(Float32Array.of(0, 1, bad, 1))).toThrow(/^"[^"]+" expected/);
    }
  }
});

it.each(TIERS)("cosine-above-one: a cosine is in [−1, 1], %s", (tier) => {
  const own = createBytelaneSync({ tier });
  let seed = 1;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32 - 0.5;
  };
  const vectors = Float32Array.from({ length: 200 * 384 }, random);
  const index = createIndex(own, { vectors, dimensions: 384, metric: "cosine" });
  for (const score of topK(index, vectors, 1).scores)
    expect(Math.abs(score)).toBeLessThanOrEqual(1);
  own.dispose();
});

describe("ggml-non-finite", () => {
  const ramp = (scale: number) => Float32Array.from({ length: 32 }, (_, i) => (i - 16) * scale);
  const withInfinity = ramp(1);
  withInfinity[3] = Infinity;
  it.each(["Q8_0", "Q4_0", "Q4_1"] as const)("%s: an error, or finite values", (type) => {
    for (const x of [withInfinity, ramp(1e7), ramp(2e37)]) {
      let reals = new Float32Array(1);
      try {
        reals = decodeGgml(encodeGgml(x, type), type);
      } catch (fault) {
        expect((fault as Error).message).toMatch(/^"[^"]+" expected/);
      }
      expect(reals.every(Number.isFinite)).toBe(true);
    }
  });
  it("a block whose step is infinite is refused", () => {
    const block = new Uint8Array(18);
    block[1] = 0x7c;
    expect(() => decodeGgml(block, "Q4_0")).toThrow(/^"[^"]+" expected/);
    expect(() => int4FromGgml(block, [1, 32])).toThrow(/^"[^"]+" expected/);
  });
});

it("int4-infinite-scale: an infinite weight is refused, or its scale is finite", () => {
  const weights = sines(32);
  weights[5] = Infinity;
  for (const method of ["nearest", "search"] as const) {
    const options = { shape: [32, 1], scaleType: "f32", method } as const;
    let scale: ArrayLike<number> = [0];
    try {
      scale = quantizeInt4(b, weights, options).scale;
    } catch (fault) {
      expect((fault as Error).message).toMatch(/^"[^"]+" expected/);
    }
    expect(Number.isFinite(scale[0])).toBe(true);
  }
});

describe("topk-memory", () => {
  it("many queries take no memory per vector", () => {
    const own = createBytelaneSync({ maximumMemory: 16 * 2 ** 20 });
    const [n, d] = [20_000, 8];
    const vectors = Float32Array.from({ length: n * d }, (_, i) => Math.sin(i * i));
    const index = createIndex(own, { vectors, dimensions: d });
    const queries = Float32Array.from({ length: 400 * d }, (_, i) => Math.cos(i * 7));
    const all = topK(index, queries, 10);
    expect([...all.ids.slice(0, 10)]).toEqual([...topK(index, queries.subarray(0, d), 10).ids]);
    own.dispose();
  });
  it("many queries leave no scores behind", () => {
    const own = createBytelaneSync();
    const vectors = Float32Array.from({ length: 100_000 * 8 }, (_, i) => Math.sin(i * i));
    const index = createIndex(own, { vectors, dimensions: 8 });
    const before = own.bytesReserved;
    topK(index, new Float32Array(500 * 8).fill(0.5), 10);
    expect(own.bytesReserved - before).toBeLessThan(16 * 2 ** 20);
    own.dispose();
  });
  it("many queries for many rows take the room of a block of them", () => {
    const own = createBytelaneSync();
    const vectors = Float32Array.from({ length: 2000 * 4 }, (_, i) => Math.sin(i * i));
    const index = createIndex(own, { vectors, dimensions: 4 });
    const before = own.bytesReserved;
    const { ids } = topK(index, vectors.subarray(0, 4 * 1000), 500, { oversample: 4 });
    // 16 kB per query
    expect(own.bytesReserved - before).toBeLessThan(4 * 2 ** 20);
    expect(ids).toHaveLength(500_000);
    own.dispose();
  });
  it("an index is made in its own size and a strip", () => {
    const own = createBytelaneSync({ maximumMemory: 48 * 2 ** 20 });
    const vectors = new Float32Array(150_000 * 64).fill(0.5);
    expect(createIndex(own, { vectors, dimensions: 64 }).count).toBe(150_000);
    own.dispose();
  });
});

it("dispose-frees: a dead instance and its dead handles hold no memory", async () => {
  v8.setFlagsFromString("--expose-gc");
  const collect = vm.runInNewContext("gc") as () => void;
  const before = process.memoryUsage().external;
  const own = createBytelaneSync();
  const kept = tensor(own, "u8", [1]);
  tensor(own, "u8", [100 * 2 ** 20]).dispose();
  own.dispose();
  for (let i = 0; i < 4; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  expect(kept.disposed && own.disposed).toBe(true);
  expect(process.memoryUsage().external - before).toBeLessThan(50 * 2 ** 20);
});

it("scales-in-a-tensor: what quantizeRows makes, the next call takes", () => {
  using x = tensor(b, "f32", [2, 3], [1, 2, 3, 4, 5, 6]);
  const { values, scale } = quantizeRows(b, x);
  const plain = dequantize(b, values, { scale: scale.data.slice(), axis: 0 });
  const taken = dequantize(b, values, { scale, axis: 0 });
  expect(taken.data).toEqual(plain.data);
  const again = quantize(b, x, { scale, axis: 0 });
  expect(again.data).toEqual(values.data);
  const three = { scale: Float32Array.of(0.5, 2, 10), zeroPoint: Int32Array.of(0, 1, -1), axis: 1 };
  const q = Int8Array.of(1, 1, 1, 4, 4, 4);
  expect([...dequantize(b, q, three, { shape: [2, 3] })]).toEqual([0.5, 0, 20, 2, 6, 50]);
  for (const each of [values, scale, plain, taken, again]) each.dispose();
});

describe("index-store", () => {
  it("an index comes back from its file", async () => {
    const index = createIndex(b, { vectors: Float32Array.of(1, 0, 0, 1), dimensions: 2 });
    const opened = await openIndex(b, saveIndex(index));
    expect([...topK(opened, Float32Array.of(0, 1), 1).ids]).toEqual([1]);
  });
  it("vectors may be unsigned bytes, or bits", () => {
    const bytes = Uint8Array.of(255, 128, 128, 255);
    const index = createIndex(b, { vectors: bytes, dimensions: 2, scale: 1, zeroPoint: 128 });
    expect([...topK(index, Float32Array.of(0, 1), 1).ids]).toEqual([1]);
    const vectors = Uint8Array.of(0b10101010, 0b01010101);
    const bits = createIndex(b, { vectors, dimensions: 8, metric: "hamming" });
    expect([...topK(bits, Uint8Array.of(0b01010101), 1).ids]).toEqual([1]);
  });
});

describe("safetensors-types", () => {
  const file = (header: object, size: number) => {
    const text = new TextEncoder().encode(JSON.stringify(header));
    const bytes = new Uint8Array(8 + text.length + size);
    new DataView(bytes.buffer).setUint32(0, text.length, true);
    bytes.set(text, 8);
    return bytes;
  };
  it.each([
    ["F8_E4M3", [4], 4],
    ["F8_E5M2", [4], 4],
    ["F8_E8M0", [4], 4],
    ["C64", [1], 8],
    ["F4", [8], 4],
    ["F6_E2M3", [4], 3],
  ] as const)("another type beside %s can be read", (dtype, shape, size) => {
    const w = { dtype, shape, data_offsets: [0, size] };
    const s = { dtype: "F32", shape: [1], data_offsets: [size, size + 4] };
    expect(readSafetensors(file({ w, s }, size + 4)).tensors.get("s")?.data).toHaveLength(4);
  });
  it("the header is read without its 3 GB", () => {
    const head = file({ w: { dtype: "U8", shape: [3e9], data_offsets: [0, 3e9] } }, 0);
    expect(readSafetensorsHeader(head).tensors.size).toBe(1);
  });
});

it("overlap-silent: out over an operand is what it is on plain arrays", () => {
  const numbers = Float32Array.from({ length: 16 }, (_, i) => i);
  using x = tensor(b, "f32", [16], numbers);
  clamp(b, part(x, 0, [12]), { low: 0 }, { out: part(x, 4, [12]) });
  const y = numbers.slice();
  clamp(b, y.subarray(0, 12), { low: 0 }, { out: y.subarray(4) });
  expect(x.data).toEqual(y);
});

it("gather-overlap-trap: out over the ids", () => {
  const values = Int8Array.of(1, 2, 3, 4, 5, 6);
  const scale = Float32Array.of(1e9, 1, 1);
  using table = createTable(b, { values, scale, zeroPoint: 0, axis: 0, shape: [3, 2] });
  using out = tensor(b, "f32", [16]);
  const list = [0, 1, 2, 0, 1, 2, 0, 1];
  const ids = new Int32Array(out.data.buffer, out.data.byteOffset, 8);
  ids.set(list);
  gather(table, ids, { out });
  expect([...out.data]).toEqual(
    list.flatMap((i) => [...values.slice(2 * i, 2 * i + 2)].map((v) => v * scale[i])),
  );
});

it("observer-state-bomb: 5 bytes of JSON take no table", () => {
  const state = createObserver(b, { method: "mse", axis: 0, bins: 65536 }).save();
  const channels = new Array(1000).fill(null);
  const before = process.memoryUsage().arrayBuffers;
  loadObserver(b, { ...JSON.parse(JSON.stringify(state)), channels });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
});

it("int8-file-holes: numbers that no layer can have are refused", () => {
  const layer = layerOf(b, { activations: { scale: 0.1 }, output: { scale: 0.1 } });
  const { tensors, metadata } = readSafetensors(saveLayers(b, { a: layer }));
  const key = [...metadata.keys()].find((name) => name.startsWith("bytelane")) as string;
  const edited = (edit: (a: Any) => void) => {
    const scheme = JSON.parse(metadata.get(key) as string);
    edit(scheme.layers.a);
    return writeSafetensors(tensors, [[key, JSON.stringify(scheme).replace('"BIG"', "1e999")]]);
  };
  const inputOf = (a: Any) => a.input ?? a.activations;
  for (const edit of [
    (a: Any) => Object.assign(a, { low: 100, high: -100 }),
    (a: Any) => {
      inputOf(a).scale = 1e-320;
    },
    (a: Any) => {
      inputOf(a).scale = 1e300;
    },
    (a: Any) => {
      a.scale = "BIG";
    },
  ]) {
    expect(() => loadLayers(b, edited(edit))).toThrow(/^"[^"]+" expected/);
  }
});

describe("lying-length-writes", () => {
  it("a length of its own is not believed", () => {
    using mine = tensor(b, "i8", [32]);
    using victim = tensor(b, "i8", [64]);
    const out = Object.defineProperty(mine.data, "length", { value: 96 });
    const x = new Float32Array(96).fill(7);
    expect(() => quantize(b, x, { scale: 1 }, { out })).toThrow(
      '"options.out" expected 96 elements',
    );
    expect(victim.data.every((value) => value === 0)).toBe(true);
    class Liar extends Float32Array {
      override get length() {
        return 64;
      }
    }
    expect(quantize(b, new Liar(1), { scale: 1 })).toHaveLength(1);
  });
  it("int4-matrix-heap-overflow: a matrix is read once", () => {
    const matrix = quantizeInt4(b, new Float32Array(64), { shape: [1, 64], orientation: "out-in" });
    const gap = tensor(b, "u8", [64]);
    using victim = tensor(b, "u8", [64]);
    gap.dispose();
    let reads = 0;
    const changing = {
      ...matrix,
      get values() {
        return ++reads === 1 ? matrix.values : new Uint8Array(400).fill(0xaa);
      },
    };
    createTable(b, changing).dispose();
    expect(reads).toBe(1);
    expect(victim.data.every((value) => value === 0)).toBe(true);
  });
});

it("leaks-on-throw: a call that throws keeps nothing", () => {
  const used = b.bytesUsed;
  const numbers = [...new Array(999).fill(0), 1n] as Any;
  expect(() => tensor(b, "f32", [1000], numbers)).toThrow("got 1n");
  const out = Object.assign(new Int8Array(1000), {
    set() {
      throw new Error("no");
    },
  });
  quantize(b, new Float32Array(1000).fill(3), { scale: 1 }, { out });
  expect(out[0]).toBe(3);
  expect(b.bytesUsed).toBe(used);
  const own = createBytelaneSync({ initialMemory: 0 });
  const q = createLinear(own, { format: "int4", weights: sines(4096), shape: [64, 64] });
  const file = saveLayers(own, { q });
  q.dispose();
  const host = tensor(own, "u8", [file.length], file);
  while (own.bytesReserved < 2 ** 17) tensor(own, "u8", [500]);
  // the memory grows while it is read
  const loaded = entryOf(loadLayers(own, host.data), "q", "int4");
  expect(linear(loaded, new Float32Array(64))).toHaveLength(64);
  own.dispose();
});

describe("errors-and-silence", () => {
  const one = { weights: Float32Array.of(-1), shape: [1, 1] };
  it.each([
    [{ activation: ["relu"] }, "activation"],
    [{ activation: { min: 0 } }, "activation"],
    [{ activation: { low: Infinity } }, "low"],
    [{ bias: NaN }, "bias"],
  ])("a layer refuses %o", (options, name) => {
    expect(() => createLinear(b, { ...one, ...options } as Any)).toThrow(
      new RegExp(`^"[^"]*${name}`),
    );
  });
  it("a row's scale of NaN, options null, a Proxy of a tensor", () => {
    const layer = createLinear(b, one);
    const values = Int8Array.of(-3);
    for (const scale of [Float32Array.of(NaN), NaN]) {
      const rows = { values, scale, zeroPoint: 0, axis: 0 } as Any;
      expect(() => linear(layer, rows)).toThrow(/^"[^"]+" expected/);
    }
    const x = Float32Array.of(1);
    expect(() => quantize(b, x, { scale: 1 }, null as Any)).toThrow('"options" expected');
    const proxy = new Proxy(tensor(b, "f32", [1]), {});
    expect(() => quantize(b, proxy, { scale: 1 })).toThrow('"x" expected');
  });
  it("losses that add up to Infinity, and a bias beyond i32", () => {
    const layers = [1, 2].map((i) => ({
      ...{ name: `l${i}`, parameters: 1, signal: 1 },
      costs: [{ candidate: "a", bytes: 1, loss: 1.7e308 }],
    }));
    expect(() => plan(layers, { budgetBytes: 9 })).toThrow(/^"[^"]+" expected/);
    const wide = { weights: Float32Array.of(1e-37), bias: Float32Array.of(5), shape: [1, 1] };
    const ends = { activations: { scale: 0.1 }, output: { scale: 0.1 } };
    expect(() => createLinear(b, { ...wide, ...ends })).toThrow(/^"[^"]*bias/);
  });
});

it("no-webassembly: an engine without it gets our words", () => {
  const engine = globalThis.WebAssembly;
  Reflect.deleteProperty(globalThis, "WebAssembly");
  try {
    expect(() => createBytelaneSync()).toThrow(/expected an engine with WebAssembly/);
  } finally {
    globalThis.WebAssembly = engine;
  }
});

function structuredCloneOf(x: Float32Array): void {
  globalThis.structuredClone(x, { transfer: [x.buffer] });
}
