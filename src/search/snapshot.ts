/**
 * Saves an index as one safetensors file, and opens it: in memory, or with its codes left in the
 * file.
 */
import { type ByteSource, isBytes } from "../core/byte-source.ts";
import { checkOptions, rangeFault, typeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { instanceOf } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { type TensorWriter, writeTensors } from "../formats/safetensors.ts";
import { openSafetensors, type SafetensorsFile } from "../formats/safetensors-file.ts";
import type { Choice, CodeSource } from "./layout.ts";
import { MOST_DIMENSIONS } from "./limits.ts";
import { type Bits, METRICS, type Metric, type Plane } from "./record.ts";
import { isFactor, leastFactor, planesOf, Storage } from "./storage.ts";
import { VectorIndex } from "./vector-index.ts";

const FORMAT = "bytelane.search";
/** Every later version opens files of this one. */
const VERSION = "1";
/** Bytes that are read at once. */
const STRIP = 2 ** 20;

/** What a saved index contains. */
export interface SaveOptions {
  /** Bits per dimension: those of the index, or 4 of an index of 8. */
  readonly bits?: Bits;
}

/** How a saved index is opened. */
export interface OpenOptions {
  /**
   * True to read the whole index into memory, so that it can be changed. Default true for bytes.
   * Default false for a source: only the planes that a search scans are in memory, and the codes of
   * the rows found are read.
   */
  readonly writable?: boolean;
}

/** Names of the planes in the file, their types, and the bytes of an element. */
const TENSORS: Readonly<Record<Plane, readonly [name: string, dtype: "U8" | "F32" | "F64"]>> = {
  signs: ["codes.signs", "U8"],
  high: ["codes.high", "U8"],
  low: ["codes.low", "U8"],
  factors1: ["factors.1", "F32"],
  factors4: ["factors.4", "F32"],
  factors8: ["factors.8", "F32"],
  extra: ["extra", "F32"],
  ids: ["ids", "F64"],
};

/** The shape of a plane of `count` rows. Signs lie in groups of 32 rows. */
function shapeOf(storage: Storage, plane: Plane, count: number): number[] {
  const { padded, metric } = storage;
  if (plane === "signs" && metric !== "hamming") return [Math.ceil(count / 32), padded / 4, 16];
  const bytes = storage.rowBytes(plane);
  return plane === "ids" || bytes === 4 ? [count] : [count, bytes];
}

/** Rows that a plane has in a file: signs are whole groups. */
function rowsOf(storage: Storage, plane: Plane, count: number): number {
  const isGrouped = plane === "signs" && storage.metric !== "hamming";
  return isGrouped ? Math.ceil(count / 32) * 32 : count;
}

/**
 * The index as the bytes of a safetensors file: planes of codes, factors, ids and the mean. At 8
 * bits it has n + 24 bytes per vector of n dimensions, n a multiple of 32.
 *
 * Errors: more bits than the index has; an index whose codes are in a file.
 *
 * @example
 * ```ts
 * await writeFile("index.bin", saveIndex(index));
 * ```
 */
export function saveIndex(index: VectorIndex, options: SaveOptions = {}): OwnElements["u8"] {
  if (!(index instanceof VectorIndex)) {
    throw typeFault("index", "an index made by createIndex or openIndex", index);
  }
  const { heap } = instanceOf("index", index);
  checkOptions("options", options, ["bits"]);
  index.refuseRemote();
  const { storage, choice, count } = index;
  const { metric, dimensions } = storage;
  const { bits = storage.bits } = options;
  if (bits !== storage.bits && !(bits === 4 && storage.bits === 8)) {
    throw rangeFault("options.bits", `${storage.bits}, or 4 of 8`, bits);
  }
  const tensors: TensorWriter[] = planesOf(metric, bits).map((plane) => ({
    name: TENSORS[plane][0],
    dtype: TENSORS[plane][1],
    shape: shapeOf(storage, plane, count),
    write: (to) => {
      const size = storage.rowBytes(plane);
      for (const { first, rows } of storage.ranges(0, rowsOf(storage, plane, count))) {
        to.set(heap.view("u8", storage.addressOf(plane, first), rows * size), first * size);
      }
    },
  }));
  tensors.push({
    ...{ name: "mean", dtype: "F32", shape: [dimensions] },
    write: (to) => to.set(heap.view("u8", storage.mean, 4 * dimensions)),
  });
  const looks = Math.min(choice.bits, bits);
  return writeTensors(tensors, [
    ...Object.entries({ format: FORMAT, version: VERSION, metric }),
    ...Object.entries({
      bits,
      dimensions,
      "search.bits": looks,
      oversample: choice.oversample,
    }).map(([key, value]) => [key, String(value)] as const),
  ]);
}

/** A file that is no index, or a damaged one. */
function damaged(expected: string, got: unknown): RangeError {
  return rangeFault("source", expected, got);
}

/** The properties of an index in a file's metadata. */
function readMetadata({ metadata }: SafetensorsFile): {
  metric: Metric;
  bits: Bits;
  dimensions: number;
  choice: Choice;
} {
  const text = (key: string) => metadata.get(key) ?? "";
  if (text("format") !== FORMAT) throw damaged("a saved index", text("format"));
  if (text("version") !== VERSION) throw damaged(`version ${VERSION}`, text("version"));
  const number = (key: string, low: number, high: number) => {
    const value = /^\d+(\.\d+)?$/.test(text(key)) ? Number(text(key)) : Number.NaN;
    if (!(value >= low && value <= high)) throw damaged(`${key} in [${low}, ${high}]`, text(key));
    return value;
  };
  const metric = METRICS.find((each) => each === text("metric"));
  if (!metric) throw damaged("a known metric", text("metric"));
  const bits = number("bits", 1, metric === "hamming" ? 1 : 8);
  const look = number("search.bits", 1, bits);
  const dimensions = number("dimensions", 1, MOST_DIMENSIONS);
  const isWhole = Number.isInteger(dimensions) && (metric !== "hamming" || dimensions % 8 === 0);
  if (![1, 4, 8].includes(bits) || ![1, 4, 8].includes(look) || !isWhole) {
    throw damaged("1, 4 or 8 bits and whole dimensions", [bits, look, dimensions]);
  }
  const choice = { bits: look as Bits, oversample: number("oversample", 1, 1000) };
  return { metric, bits: bits as Bits, dimensions, choice };
}

/** Checks the type and shape of a tensor. */
function checkTensor(file: SafetensorsFile, name: string, dtype: string, shape: number[]): void {
  const entry = file.tensors.get(name);
  if (entry?.dtype !== dtype || String(entry.shape) !== String(shape)) {
    throw damaged(`tensor "${name}" of ${dtype} [${shape}]`, entry?.shape);
  }
}

async function loadPlane(storage: Storage, file: SafetensorsFile, plane: Plane, count: number) {
  const { heap } = storage.instance;
  const size = storage.rowBytes(plane);
  const step = Math.max(32, Math.floor(STRIP / size / 32) * 32);
  for (const range of storage.ranges(0, rowsOf(storage, plane, count))) {
    for (let first = range.first; first < range.first + range.rows; first += step) {
      const n = Math.min(step, range.first + range.rows - first);
      const bytes = await file.readPart(TENSORS[plane][0], first * size, n * size);
      heap.view("u8", storage.addressOf(plane, first), n * size).set(bytes);
    }
  }
}

/** Errors: numbers that no index writes. They would make scores NaN, or ids ambiguous. */
function checkNumbers(storage: Storage, count: number): void {
  const { heap } = storage.instance;
  const finite = (address: number, n: number, least: number) =>
    heap.view("f32", address, n).every((x) => x >= least && x < Number.POSITIVE_INFINITY);
  const wrong = !finite(storage.mean, storage.dimensions, -3.5e38);
  for (const { first, rows } of storage.ranges(0, count)) {
    for (const plane of planesOf(storage.metric, storage.bits)) {
      if (!isFactor(plane) || !storage.has(plane)) continue;
      const least = leastFactor(storage, plane);
      if (wrong || !finite(storage.addressOf(plane, first), rows, least)) {
        throw damaged("finite factors", "others");
      }
    }
  }
  let isAscending = true;
  let last = -1;
  storage.eachId(0, count, (id) => {
    if (!(Number.isSafeInteger(id) && id >= 0)) throw damaged("ids from 0 to 2^53 − 1", id);
    isAscending &&= id > last;
    last = id;
  });
  if (isAscending) return;
  const ids = new Set<number>();
  storage.eachId(0, count, (id) => ids.add(id));
  if (ids.size !== count) throw damaged("each id once", count - ids.size);
}

/**
 * Opens a saved index: bytes, or a source that reads pieces of a file, a BLOB or an HTTP range.
 * From a source, only the plane that a search scans is read into memory; `topKAsync` reads the
 * other codes of the rows that it finds, k · oversample at most.
 *
 * Errors, of the Promise: a file that is damaged or no index. Memory that was allocated is freed
 * then.
 *
 * @example
 * ```ts
 * const index = await openIndex(instance, await readFile("index.bin"));
 * ```
 */
export async function openIndex(
  instance: Bytelane,
  source: Uint8Array | ByteSource,
  options: OpenOptions = {},
): Promise<VectorIndex> {
  checkInstance(instance);
  checkOptions("options", options, ["writable"]);
  const { writable = isBytes(source) } = options;
  if (typeof writable !== "boolean") throw typeFault("options.writable", "a boolean", writable);
  const file = await openSafetensors(source);
  const { metric, bits, dimensions, choice } = readMetadata(file);
  const saved = planesOf(metric, bits);
  const resident = writable || bits === 1 ? saved : saved.filter((plane) => plane !== "low");
  const storage = new Storage(instance, { metric, bits, dimensions, planes: resident });
  try {
    const count = file.tensors.get("ids")?.shape[0] ?? 0;
    for (const plane of saved) {
      checkTensor(file, TENSORS[plane][0], TENSORS[plane][1], shapeOf(storage, plane, count));
    }
    checkTensor(file, "mean", "F32", [dimensions]);
    storage.reserve(count);
    for (const plane of resident) await loadPlane(storage, file, plane, count);
    const mean = await file.read("mean");
    instance.heap.view("u8", storage.mean, 4 * dimensions).set(mean.data);
    checkNumbers(storage, count);
    const index = new VectorIndex(instance, storage, true);
    storage.count = count;
    index.ids.append(0, count);
    index.choice = choice;
    if (resident.length < saved.length) {
      index.codes = codesIn(storage, file);
      // scans 4 bits: signs would have to be made from the nibbles in memory
      if (choice.bits === 1) index.choice = { bits: 4, oversample: 2 };
    }
    return index;
  } catch (fault) {
    if (!instance.disposed) storage.dispose();
    throw fault;
  }
}

/** Codes of rows whose low nibbles are in a file; rows that follow each other are read at once. */
function codesIn(storage: Storage, file: SafetensorsFile): CodeSource {
  const { padded } = storage;
  const half = padded / 2;
  return {
    rowBytes: padded,
    read: async (rows) => {
      const codes = new Uint8Array(rows.length * padded);
      const order = Array.from(rows, (_, i) => i).sort((a, b) => rows[a] - rows[b]);
      const runs: number[][] = [];
      for (const i of order) {
        const last = runs.at(-1);
        if (last && rows[last[last.length - 1]] + 1 === rows[i]) last.push(i);
        else runs.push([i]);
      }
      const read = async (run: number[]) => {
        const low = await file.readPart("codes.low", rows[run[0]] * half, run.length * half);
        run.forEach((i, j) => {
          const high = storage.addressOf("high", rows[i]);
          codes.set(storage.instance.heap.view("u8", high, half), i * padded);
          codes.set(low.subarray(j * half, (j + 1) * half), i * padded + half);
        });
      };
      await Promise.all(runs.map(read));
      return codes;
    },
  };
}
