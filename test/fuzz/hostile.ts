/**
 * Hostile files, made from valid ones by changes of their structure: each is refused with an error
 * of ours that leaves everything as it was, or read, and then what was read can be used and saved.
 */
import fc from "fast-check";
import { createObserver, loadObserver, plan } from "../../src/calibration/index.ts";
import { createLinear, linear } from "../../src/entries/index.ts";
import {
  applyJournal,
  createIndex,
  JOURNAL_START,
  openIndex,
  recordChanges,
  saveIndex,
  topK,
} from "../../src/entries/search.ts";
import { loadLayers, saveLayers } from "../../src/formats/index.ts";
import { createRandom, integerIn } from "../../tools/random.mjs";
import { crc32 } from "../support/crc32.ts";
import { mutate } from "../support/mutate.ts";
import { reals, seeds } from "./data.ts";
import { asyncOperation, type Loose, type Operation, operation } from "./operation.ts";
import { expectSame, Mismatch, type World } from "./world.ts";

type Random = () => number;
type Path = readonly (string | number)[];

/** Bytes that the memory may grow by for a file of some kilobytes. */
const MOST = 2 ** 24;

const WORDS = /^"[^"]+" expected .+, got /s;

/** What a call gives, or undefined where it refuses with an error of ours. */
function orRefused<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (fault) {
    judge(fault);
    return undefined;
  }
}

function judge(fault: unknown): void {
  const isOurs = fault instanceof RangeError || fault instanceof TypeError;
  const words = String((fault as Error)?.message);
  if (fault instanceof WebAssembly.RuntimeError || !isOurs) throw fault;
  if (!WORDS.test(words) || words.length > 300) throw new Mismatch(`an error says ${words}`);
}

function expectSmall({ instance }: World, before: number): void {
  const grown = instance.bytesReserved - before;
  if (grown > MOST) throw new Mismatch(`${grown} bytes were reserved`);
}

const pick = <T>(random: Random, list: readonly T[]): T =>
  list[integerIn(random, 0, list.length - 1)];

/** What JSON can hold in the place of something else. */
const LEAVES: readonly unknown[] = [
  ...[null, true, false, "", "x".repeat(2000), "bytelane.search", [], {}, [[]], { length: 3 }],
  ...[0, -0, 1, -1, 2, 7, 8, 255, 256, 65_536, 2 ** 24, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 31)],
  ...[0.5, 1e-45, 1e-300, 1.5, 1e38, 3.5e38, 1e300, -1e300],
];

/** The places of everything inside a value. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
  const inner = [...keys].slice(0, 60).flatMap((key) => {
    return pathsOf((value as Loose)[key], [...path, key]);
  });
  return path.length > 0 ? [path, ...inner] : inner;
}

/** Changes a place of a value of JSON: another leaf, a near number, gone, doubled, or deep. */
function changeOnce(value: Loose, random: Random): void {
  const paths = pathsOf(value);
  if (paths.length === 0) return;
  const path = [...pick(random, paths)];
  const key = path.pop() as string | number;
  const holder = path.reduce((at: Loose, each) => at[each], value);
  const old = holder[key];
  const kind = integerIn(random, 0, 5);
  if (kind === 0) delete holder[key];
  else if (kind === 1 && typeof old === "number") {
    holder[key] = pick(random, [old + 1, old - 1, -old, old / 2, old * 2, old + 0.5]);
  } else if (kind === 2 && Array.isArray(old)) {
    holder[key] = pick(random, [[...old, ...old], old.slice(1), [...old].reverse()]);
  } else if (kind === 3 && typeof holder === "object" && !Array.isArray(holder)) {
    const other = pick(random, Object.keys(holder));
    [holder[key], holder[other]] = [holder[other], holder[key]];
  } else if (kind === 4) {
    let deep: unknown = old;
    for (let i = integerIn(random, 1, 300); i > 0; i--) deep = [deep];
    holder[key] = deep;
  } else holder[key] = structuredClone(pick(random, LEAVES));
}

/** A copy of a value of JSON that is changed in one to three places. */
function changed(value: unknown, random: Random): Loose {
  const copy = JSON.parse(JSON.stringify(value));
  for (let n = integerIn(random, 1, 3); n > 0; n--) changeOnce(copy, random);
  return copy;
}

/** A safetensors file whose header was changed, its length field right, or whose bytes were. */
function changedFile(file: Uint8Array, random: Random): Uint8Array {
  const integer = (low: number, high: number) => integerIn(random, low, high);
  const size = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (random() < 0.2) return mutate(file, integer);
  const body = file.slice(8 + size);
  // reals in the body: what a field says is no number, or too large
  if (random() < 0.4 && body.length >= 4) {
    const words = new DataView(body.buffer);
    for (let n = integer(1, 3); n > 0; n--) {
      const at = 4 * integer(0, (body.length >> 2) - 1);
      const real = pick(random, [Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 3e38, 1e-45]);
      words.setFloat32(at, real, true);
    }
    const whole = file.slice();
    whole.set(body, 8 + size);
    return whole;
  }
  const header = changed(JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + size))), random);
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = Math.ceil(text.length / 8) * 8;
  const whole = new Uint8Array(8 + length + body.length).fill(0x20);
  new DataView(whole.buffer).setBigUint64(0, BigInt(length), true);
  whole.set(text, 8);
  whole.set(body, 8 + length);
  return whole;
}

const OBSERVERS: readonly object[] = [
  { method: "minmax" },
  { method: "average", weight: 0.1 },
  { method: "order", rank: 3 },
  { method: "percentile", percent: 99, bins: 256 },
  { method: "entropy", sides: "two", zeros: true, bins: 256 },
  { method: "mse", bins: 256 },
  { method: "minmax", axis: -1 },
  { method: "mse", bins: 256, axis: 1 },
  { method: "fixed", min: -1, max: 2 },
];

const observers = operation(
  "hostile observers",
  fc.record({ seed: seeds, which: fc.nat({ max: OBSERVERS.length - 1 }) }),
  (world, { seed, which }) => {
    const random = createRandom(seed);
    const instance = world.instance;
    const before = instance.bytesReserved;
    const observer = createObserver(instance, OBSERVERS[which] as Loose) as Loose;
    observer.observe(reals(60, seed, "small"), { shape: [20, 3] });
    const state = changed(observer.save(), random);
    const loaded = orRefused(() => loadObserver(instance, state)) as Loose;
    expectSmall(world, before);
    if (!loaded) return;
    // a state that was read is one that can be saved, and gives ranges
    const again = loadObserver(instance, JSON.parse(JSON.stringify(loaded.save()))) as Loose;
    for (const each of [loaded, again]) {
      orRefused(() => each.observe(reals(12, seed, "small"), { shape: [4, 3] }));
    }
    const ranges = [loaded, again].map((each) => orRefused(() => each.range()));
    if (JSON.stringify(ranges[0]) !== JSON.stringify(ranges[1])) {
      throw new Mismatch("an observer that was saved again has another range");
    }
    const { min = [], max = [] } = (ranges[0] ?? {}) as Loose;
    const [lows, ends] = [min, max].map((each) => (each.length >= 0 ? Array.from(each) : [each]));
    lows.forEach((low: Loose, i: number) => {
      if (!(low <= ends[i] && ends[i] - low < 1e39)) throw new Mismatch(`[${low}, ${ends[i]}]`);
    });
  },
);

const plans = operation("hostile plans", seeds, (_, seed) => {
  const random = createRandom(seed);
  const layers = Array.from({ length: integerIn(random, 1, 4) }, (_, i) => ({
    ...{ name: `layer ${i}`, parameters: 100, signal: 50 },
    costs: Array.from({ length: 3 }, (_, c) => ({
      ...{ candidate: `${c}`, bytes: integerIn(random, 1, 1000), loss: random() },
    })),
  }));
  const goal = { budgetBytes: integerIn(random, 1, 4000) };
  const [list, wanted] = [changed(layers, random), changed(goal, random)];
  const found = orRefused(() => plan(list, wanted)) as Loose;
  if (!found) return;
  if (!Number.isFinite(found.bytes) || !Number.isFinite(found.loss)) {
    throw new Mismatch(`a plan of ${found.bytes} bytes and a loss of ${found.loss}`);
  }
});

const layers = operation(
  "hostile layers",
  fc.record({ seed: seeds, format: fc.constantFrom("int8", "int4", "static", "u8") }),
  (world, { seed, format }) => {
    const random = createRandom(seed);
    const instance = world.instance;
    const [n, depth] = [integerIn(random, 1, 12), integerIn(random, 1, 40)];
    const layer = world.keep(
      createLinear(instance, {
        ...{ weights: reals(n * depth, seed, "small"), shape: [depth, n] },
        ...(format === "int4" && { format }),
        ...(format === "static" && { activations: { scale: 0.7, zeroPoint: 3 } }),
        ...(format === "u8" && {
          ...{ activations: { scale: 0.7, dtype: "u8" }, output: { scale: 9, zeroPoint: 2 } },
        }),
      } as Loose) as Loose,
    );
    const file = changedFile(saveLayers(instance, { layer } as Loose), random);
    const before = instance.bytesReserved;
    const loaded = orRefused(() => loadLayers(instance, file));
    expectSmall(world, before);
    for (const each of loaded?.layers.values() ?? []) {
      world.keep(each as Loose);
      const x = reals(2 * (each as Loose).inFeatures, seed + 1, "small");
      const first = linear(each as Loose, x) as Loose;
      // what was read can be saved, and is the same then
      const saved = saveLayers(instance, { each } as Loose);
      const again = world.keep(loadLayers(instance, saved).layers.get("each") as Loose);
      expectSame(linear(again, x) as Loose, first, "a layer that was saved again");
    }
  },
);

const METRICS = ["dot", "cosine", "distance"] as const;

/** A small index with a journal of its changes. */
function changedIndex(world: World, seed: number, metric: string, bits: number) {
  const random = createRandom(seed);
  const instance = world.instance;
  const dimensions = integerIn(random, 1, 40);
  const count = integerIn(random, 1, 40);
  const vectors = reals(count * dimensions, seed, "small");
  const index = world.keep(
    createIndex(instance, { dimensions, vectors, metric, bits } as Loose) as Loose,
  );
  const snapshot = saveIndex(index);
  const journal = recordChanges(index);
  const ids = index.add(reals(3 * dimensions, seed + 1, "small"));
  index.remove([ids[1]]);
  index.add(reals(dimensions, seed + 2, "small"));
  return { random, instance, index, snapshot, journal: journal.take() };
}

const indexes = fc.record({
  ...{ seed: seeds, metric: fc.constantFrom(...METRICS), bits: fc.constantFrom(8, 4, 1) },
});

/** What a search finds: no score may be NaN. */
function found(index: Loose, seed: number): number[] {
  const { ids, scores } = topK(index, reals(index.dimensions, seed + 3, "small"), 5);
  const bad = scores.findIndex(Number.isNaN);
  if (bad >= 0) throw new Mismatch(`score ${bad} is NaN`);
  return [...ids, ...scores];
}

const snapshots = asyncOperation(
  "hostile snapshots",
  indexes,
  async (world, { seed, metric, bits }) => {
    const { random, instance, snapshot } = changedIndex(world, seed, metric, bits);
    const file = changedFile(snapshot, random);
    const before = instance.bytesReserved;
    const opened = (await openIndex(instance, file).catch(judge)) as Loose;
    expectSmall(world, before);
    if (!opened) return;
    world.keep(opened);
    const first = found(opened, seed);
    const again = world.keep((await openIndex(instance, saveIndex(opened))) as Loose);
    expectSame(found(again, seed), first, "an index that was saved again");
  },
);

/** The records of a journal, one of them changed, doubled, moved or cut. */
function changedJournal(journal: Uint8Array, random: Random): Uint8Array {
  const records: Uint8Array[] = [];
  const words = new DataView(journal.buffer, journal.byteOffset, journal.byteLength);
  for (let at = 0; at < journal.length; ) {
    const size = 8 + words.getUint32(at, true);
    records.push(journal.slice(at, at + size));
    at += size;
  }
  const record = pick(random, records);
  const view = new DataView(record.buffer);
  const kind = integerIn(random, 0, 4);
  if (kind === 0) records.push(record);
  else if (kind === 1) records.reverse();
  else if (kind === 2) view.setUint32(pick(random, [0, 8, 12]), integerIn(random, 0, 40), true);
  else if (kind === 3) {
    view.setFloat64(16, pick(random, [-1, 0.5, Number.NaN, 2 ** 53, 0, 7]), true);
  } else {
    const at = integerIn(random, 16, record.length - 4);
    view.setFloat32(at, pick(random, [Number.NaN, Number.POSITIVE_INFINITY, -1, 3e38]), true);
  }
  if (random() < 0.8) view.setUint32(4, crc32(record.subarray(8)), true);
  const bytes = Uint8Array.from([JOURNAL_START, ...records].flatMap((each) => [...each]));
  return random() < 0.1 ? bytes.slice(0, integerIn(random, 0, bytes.length)) : bytes;
}

const journals = asyncOperation(
  "hostile journals",
  indexes,
  async (world, { seed, metric, bits }) => {
    const { random, instance, snapshot, index, journal } = changedIndex(world, seed, metric, bits);
    const honest = world.keep((await openIndex(instance, snapshot)) as Loose);
    const whole = Uint8Array.from([...JOURNAL_START, ...journal]);
    const taken = applyJournal(honest, whole);
    expectSame([taken], [whole.length], "the bytes of an honest journal");
    expectSame(found(honest, seed), found(index, seed), "an index with its journal");
    const opened = world.keep((await openIndex(instance, snapshot)) as Loose);
    const before = found(opened, seed);
    const count = orRefused(() => applyJournal(opened, changedJournal(journal, random)));
    const after = found(opened, seed);
    if (count === undefined) expectSame(after, before, "an index whose journal was refused");
  },
);

export const hostiles: readonly Operation<unknown>[] = [
  ...[observers, plans, layers, snapshots, journals],
];
