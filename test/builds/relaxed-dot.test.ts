/**
 * Engines that are not at hand: the kernels are compiled with the relaxed dot products replaced by
 * a model of what an engine makes of them, so that every class of engine, and each tier on it, runs
 * here.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { describe, expect, it } from "vitest";
import { openBytelaneSync } from "../../src/builds/choose.ts";
import { chooseDots } from "../../src/builds/relaxed-dot.ts";
import {
  type Bytelane,
  type BytelaneOptions,
  createLinear,
  type DotClass,
  linear,
  matmul,
  packMatrix,
  scope,
} from "../../src/entries/index.ts";
import { loadLayers, saveLayers } from "../../src/formats/index.ts";
import { product } from "../reference/gemm.ts";
import { entryOf } from "../support/narrow.ts";
import { bytes, expectSame, finite } from "../support/samples.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * How rhs is read, how the two products of a pair are added in i16, and four of them in i32: from
 * the first call on, or only after so many of them, "of pairs" before.
 */
interface Engine {
  readonly rhs: "s" | "u";
  readonly add: "i16x8.add" | "i16x8.add_sat_s" | "i16x8.sub";
  readonly four: "exact" | "of pairs" | "lost";
  readonly exactFrom?: number;
  readonly exactUntil?: number;
}

const ENGINES: Readonly<Record<DotClass, Engine>> = {
  // smull, addp; sdot
  signed: { rhs: "s", add: "i16x8.add", four: "exact" },
  // pmaddubsw; vpdpbusd
  unsigned: { rhs: "u", add: "i16x8.add_sat_s", four: "exact" },
  // pmaddubsw; pmaddubsw, pmaddwd, paddd
  saturating: { rhs: "u", add: "i16x8.add_sat_s", four: "of pairs" },
  // the baseline compiler of Node 20: twice the product, the addend lost
  unknown: { rhs: "u", add: "i16x8.add_sat_s", four: "lost" },
};

/** The two instructions as functions of AssemblyScript. */
function modelOf({ rhs, add, four, exactFrom, exactUntil }: Engine): string {
  const halves = ["low", "high"].map(
    (half) => `i16x8.mul(i16x8.extend_${half}_i8x16_s(a), i16x8.extend_${half}_i8x16_${rhs}(b))`,
  );
  const exact = `
    const x = i32x4.extadd_pairwise_i16x8_s(low);
    const y = i32x4.extadd_pairwise_i16x8_s(high);
    const sum = i32x4.add(i32x4.shuffle(x, y, 0, 2, 4, 6), i32x4.shuffle(x, y, 1, 3, 5, 7));`;
  const ofPairs = "const sum = i32x4.extadd_pairwise_i16x8_s(modelledPairs(a, b));";
  const changed = exactFrom === undefined ? `calls > ${exactUntil}` : `calls <= ${exactFrom}`;
  const isFixed = exactFrom === undefined && exactUntil === undefined;
  return `
let calls: i32 = 0;
function modelledPairs(a: v128, b: v128): v128 {
  const low = ${halves[0]};
  const high = ${halves[1]};
  return ${add}(
    i16x8.shuffle(low, high, 0, 2, 4, 6, 8, 10, 12, 14),
    i16x8.shuffle(low, high, 1, 3, 5, 7, 9, 11, 13, 15),
  );
}
function modelledFour(a: v128, b: v128, c: v128): v128 {
  ${isFixed ? "" : `calls++; if (${changed}) { ${ofPairs} return i32x4.add(c, sum); }`}
  const low = ${halves[0]};
  const high = ${halves[1]};
  ${four === "of pairs" ? ofPairs : exact}
  return i32x4.add(${four === "lost" ? "sum" : "c"}, sum);
}
`;
}

/** Compiles the relaxed build for an engine. */
async function compile(engine: Engine): Promise<Uint8Array<ArrayBuffer>> {
  let replaced = 0;
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      ...["assembly/index.ts", "--outFile", "module.wasm", "--optimizeLevel", "1"],
      ...["--runtime", "stub", "--noAssert", "--use", "abort=", "--initialMemory", "1"],
      ...["--enable", "simd", "--enable", "relaxed-simd"],
      ...["--disableWarning", "112", "--disableWarning", "201"],
    ],
    {
      readFile(name) {
        const file = path.join(root, name);
        if (!name.startsWith("assembly")) {
          try {
            return readFileSync(file, "utf8");
          } catch {
            return null;
          }
        }
        let text: string;
        try {
          text = readFileSync(file, "utf8");
        } catch {
          return null;
        }
        const modelled = text
          .replaceAll("i16x8.relaxed_dot_i8x16_i7x16_s(", "modelledPairs(")
          .replaceAll("i32x4.relaxed_dot_i8x16_i7x16_add_s(", "modelledFour(");
        if (modelled === text) return text;
        replaced++;
        return modelled + modelOf(engine);
      },
      writeFile(name, contents) {
        if (name.endsWith(".wasm")) binary = contents as Uint8Array;
      },
      listFiles: (folder) =>
        readdirSync(path.join(root, folder)).filter((name) => name.endsWith(".ts")),
    },
  );
  if (error || !binary) throw new Error(stderr.toString(), { cause: error });
  expect(replaced).toBeGreaterThan(0);
  return new Uint8Array(binary);
}

/** Weights by the ends of i8 that they leave out: u8 weights are the same offset by 128. */
const RANGES = {
  all: (q: number) => q,
  "not the least": (q: number) => Math.max(q, -127),
  "not the greatest": (q: number) => Math.min(q, 126),
} as const;

/**
 * Products of all signedness mixes against the oracle, extremes among them, 7 bits and 8, of
 * weights that use all of their type and of such that leave one end out. Gives the dot products
 * that were used.
 */
function expectExact(instance: Bytelane): ReadonlySet<number> {
  const used = new Set<number>();
  for (const [m, n, depth] of [
    [1, 40, 37],
    [5, 9, 16],
    [6, 41, 130],
    [3, 24, 11],
    [9, 17, 20],
    [16, 8, 5],
    [23, 33, 66],
    [127, 9, 12],
  ]) {
    for (const left of ["i8", "u8"] as const) {
      for (const right of ["i8", "u8"] as const) {
        const offset = right === "u8" ? 128 : 0;
        const kinds = Object.entries(RANGES).map(([range, of]) => ({
          bits: 8 as const,
          range,
          of,
        }));
        const seven = { bits: 7 as const, range: "7 bits", of: (q: number) => q >> 1 };
        for (const { bits, range, of } of offset ? kinds : [seven, ...kinds]) {
          scope(instance, () => {
            const lhs = bytes(left, m * depth, m);
            const rhs = bytes(right, depth * n, n).map((q) => of(q - offset) + offset);
            const zeroPoint = left === "i8" ? -128 : 255;
            const data = packMatrix(instance, rhs, {
              shape: [depth, n],
              bits,
              zeroPoint: 7,
            });
            used.add(data.dot.code);
            const out = new Int32Array(m * n);
            matmul(instance, { values: lhs, zeroPoint }, { values: data }, { m, n, depth, out });
            const again = new Int32Array(m * n);
            const side = { values: rhs, zeroPoint: 7 };
            matmul(instance, { values: lhs, zeroPoint }, side, { m, n, depth, out: again });
            const c = product(
              m,
              n,
              depth,
              (i, k) => lhs[i * depth + k] - zeroPoint,
              (k, j) => rhs[k * n + j] - 7,
            );
            expectSame(out, c, `${left} · ${right}, ${range}, ${m} × ${n} × ${depth}`);
            expectSame(again, c, `${left} · ${right}, ${range}, packed on the way`);
          });
        }
      }
    }
  }
  return used;
}

/** Opens a modelled engine, beside the simd build. */
async function openModel(module: Promise<Uint8Array>, options: BytelaneOptions): Promise<Bytelane> {
  const relaxed = (await module) as Uint8Array<ArrayBuffer>;
  const simd = readFileSync(path.join(root, "dist", "wasm", "bytelane.simd.wasm"));
  return openBytelaneSync({ simd, relaxed }, options, (bytes) => new WebAssembly.Module(bytes));
}

/** What the default uses, and with which dot products it multiplies. */
const DEFAULTS = {
  signed: { used: "i8 weights without -128", codes: [0, 2] },
  unsigned: { used: "all weights", codes: [2] },
  saturating: { used: "7-bit weights", codes: [0, 1] },
  unknown: { used: "7-bit weights", codes: [0, 1] },
} as const;

describe.each(Object.keys(ENGINES) as DotClass[])("an engine whose relaxed dot is %s", (kind) => {
  const exact = kind === "signed" || kind === "unsigned";
  const module = compile(ENGINES[kind]);
  const open = (options: BytelaneOptions) => openModel(module, { tier: "relaxed", ...options });

  it("is recognised, and multiplies exactly by what is exact there", async () => {
    const instance = await open({});
    const { used, codes } = DEFAULTS[kind];
    expect(instance.report()).toMatchObject({
      probed: [{ tier: "relaxed", result: `chosen; its relaxed dot product is ${kind}` }],
      relaxedDot: { found: kind, used },
    });
    expect([...expectExact(instance)].sort()).toEqual(codes);
  });

  it("keeps to 7 bits if that is asked for", async () => {
    const instance = await open({ relaxedDot: "portable" });
    expect(instance.report().relaxedDot).toEqual({ found: kind, used: "7-bit weights" });
    expect([...expectExact(instance)].sort()).toEqual(exact ? [0, 2] : [0, 1]);
  });

  it("gives int4 layers what the simd build gives", async () => {
    const lanes = [await open({ tier: "simd" }), await open({})];
    for (const [m, n, depth] of [
      [1, 9, 70],
      [6, 24, 300],
    ]) {
      const x = finite(m * depth, m);
      const weights = finite(depth * n, n);
      for (const scheme of ["symmetric", "asymmetric"] as const) {
        const [simd, relaxed] = lanes.map((instance) =>
          scope(instance, () => {
            const options = { format: "int4", weights, shape: [depth, n], scheme } as const;
            return linear(createLinear(instance, options), x);
          }),
        );
        expectSame(relaxed, simd, `${m} × ${n} × ${depth}, ${scheme}`);
      }
    }
  });

  it("saves u8 layers as they are, however far weights were offset", async () => {
    const weights = Uint8Array.of(0, 200, 100, 254, 3, 128);
    for (const relaxedDot of ["auto", "portable"] as const) {
      const instance = await open({ relaxedDot });
      scope(instance, () => {
        const layer = createLinear(instance, { weights, shape: [2, 3], scale: 0.1 });
        const file = saveLayers(instance, { layer });
        const loaded = entryOf(loadLayers(instance, file), "layer", "int8");
        const x = Float32Array.of(1, -2, 3, 5);
        expectSame(linear(loaded, x), linear(layer, x));
      });
    }
  });
});

describe("an engine whose answers differ where pairs exceed 16 bits", () => {
  it("is exact if its pairs wrap until it is optimized, or ever: no weight of its is -128", async () => {
    // V8 on arm64: smull and addp, then sdot
    for (const exactFrom of [20_000, 2 ** 30]) {
      const engine = { ...ENGINES.signed, exactFrom };
      const instance = await openModel(compile(engine), { tier: "relaxed" });
      expect(instance.report().relaxedDot?.used).toBe("i8 weights without -128");
      expect([...expectExact(instance)].sort()).toEqual([0, 2]);
    }
  });

  it("takes pairs of i16 for 8 bits if sums of unsigned weights change", async () => {
    // the probe is the first call, and the test of 8 bits has the 20 000th
    for (const change of [
      { add: "i16x8.add", exactUntil: 1 },
      { add: "i16x8.add_sat_s", exactUntil: 20_000 },
    ] as const) {
      const module = compile({ ...ENGINES.unsigned, ...change });
      const instance = await openModel(module, { tier: "relaxed" });
      expect(instance.report().relaxedDot).toEqual({ found: "unsigned", used: "7-bit weights" });
      expect(instance.report().probed[0].result).toMatch(
        /unsigned, but not exact on 8 bits: a dot product gave -?\d+ instead of -?\d+$/,
      );
      expect([...expectExact(instance)].sort()).toEqual([0, 2]);
    }
  });

  it("is refused if 7 bits are wrong, too", async () => {
    const instance = await openModel(compile({ ...ENGINES.unknown, add: "i16x8.sub" }), {});
    expect(instance.tier).toBe("simd");
    expect(instance.report().reason).toMatch(/^relaxed: self-test failed: a dot product gave/);
    expect(instance.report().relaxedDot).toBeUndefined();
  });
});

describe("the dot products", () => {
  it("are the pairs of i16 in the simd build", () => {
    const pairs = { code: 0, offset: 0 };
    expect(chooseDots(undefined, false)).toEqual([{ full: [pairs], reduced: [pairs] }]);
  });
});
