/**
 * Every error of the wrapper: its kind and its exact text, each once. The last test reads the
 * source and asks that every place which can throw has thrown here, so that no message goes
 * untested.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createBytelaneSync, matmul, quantize, tensor } from "../../src/entries/index.ts";
import { expectSame } from "../support/samples.ts";
import type { Case } from "./case.ts";
import { elementwise } from "./elementwise.ts";
import { formats } from "./formats.ts";
import { handles } from "./handles.ts";
import { int4 } from "./int4.ts";
import { options } from "./options.ts";
import { products } from "./products.ts";
import { profiles } from "./profiles.ts";
import { searches } from "./search.ts";

Error.stackTraceLimit = 50;

const SOURCE = fileURLToPath(new URL("../../src/", import.meta.url));

/** "file:line:column" of every call under src/ that stood on the stack of an error. */
const thrown = new Set<string>();

function remember(error: Error): void {
  for (const [, place] of (error.stack ?? "").matchAll(/src\/([\w/-]+\.ts:\d+:\d+)/g)) {
    thrown.add(place);
  }
}

const instance = createBytelaneSync();

function check([kind, message, call]: Case): void {
  const used = instance.bytesUsed;
  let error: Error | undefined;
  try {
    call(instance);
  } catch (fault) {
    error = fault as Error;
  }
  expect(`${error?.constructor.name}: ${error?.message}`).toBe(`${kind}: ${message}`);
  expect(instance.bytesUsed, "bytes in use").toBe(used);
  remember(error as Error);
}

describe.each([
  ["handles", handles],
  ["elementwise operations", elementwise],
  ["products", products],
  ["formats", formats],
  ["four bits", int4],
  ["profiles", profiles],
  ["unknown options", options],
  ["vector search", searches],
] as const)("errors of %s", (_, cases) => {
  it.each(cases.map((each) => [each[1], each] as const))("%s", (_, each) => check(each));
});

describe("an error", () => {
  it("comes before anything is written", () => {
    const x = Float32Array.of(1, 2);
    const out = Int8Array.of(42, 43);
    expect(() => quantize(instance, x, { scale: -1 }, { out })).toThrow();
    expect(() =>
      quantize(instance, x, { scale: Float32Array.of(1, 0), axis: 0 }, { out }),
    ).toThrow();
    expectSame(out, [42, 43]);
    const sums = new Int32Array(4).fill(7);
    const data = new Int8Array(4);
    const sizes = { m: 2, n: 2, depth: 2, out: sums };
    expect(() =>
      matmul(instance, { values: data }, { values: data }, { ...sizes, bias: new Int32Array(1) }),
    ).toThrow();
    expect(() => matmul(instance, { values: data }, { values: data, scale: 0 }, sizes)).toThrow();
    expectSame(sums, [7, 7, 7, 7]);
  });

  it("leaves the instance as it was", () => {
    using x = tensor(instance, "f32", [2], [1, 2]);
    expect(() => quantize(instance, x, { scale: 0 })).toThrow();
    using q = quantize(instance, x, { scale: 1 });
    expectSame(q.data, [1, 2]);
  });
});

/** Files whose messages are all in the cases above, room by room. */
const LISTED = Object.entries({
  core: "call check ids instance tensor",
  params: "channels finite-reals params profile scheme",
  elementwise: "clamp dequantize dynamic-quantize f16 min-max quantize requantize",
  gemm: "activation epilogue matmul matmul-options matrix-side packed-matrix",
  linear: "create-int8 int8 layer-options linear",
  int4: "dequantize input-stats layer matrix quantize",
  table: "table",
  search: "create-index explain filter vector-index vectors",
  calibration: "error",
  formats: "bits",
}).flatMap(([room, names]) => names.split(" ").map((name) => `${room}/${name}.ts`));

/** Calls that cannot fail: their arguments are the library's own. */
const SAFE = [
  'checkVectors(storage.instance, "vectors", vectors, ',
  'target(instance, undefined, "',
  "target(instance, undefined, dtype, shape, asTensor)",
  "checkLength(argument, value as AnyArray);",
  'extentOf("params.axis", shape, undefined)',
  "checkLength(argument, ids as AnyArray) : list.length",
  'perChannel("params.zeroPoint", layout.zeros',
];

/** Places that throw, or that call what throws in the name of one of their arguments. */
function placesOf(file: string): { place: string; text: string }[] {
  const lines = readFileSync(SOURCE + file, "utf8").split("\n");
  const calls =
    /(?<!function )\b(?:typeFault|rangeFault|fault|check[A-Z]\w*|operand|perChannel|target|shapeOf|extentOf)\(|\bnew (?:Type|Range)?Error\(/g;
  return lines.flatMap((line, i) => {
    if (/^\s*(\*|\/\/|\/\*)/.test(line)) return [];
    return [...line.matchAll(calls)]
      .filter(({ index }) => !SAFE.some((call) => line.startsWith(call, index)))
      .map(({ index }) => ({ place: `${file}:${i + 1}:${index + 1}`, text: line.trim() }));
  });
}

describe("the list of errors", () => {
  it("is complete: every place in src that can throw has thrown", () => {
    const silent = LISTED.flatMap(placesOf).filter(({ place }) => !thrown.has(place));
    expect(silent, "no case in test/errors/ gets here").toEqual([]);
  });

  it("or stands in a test of the same room, for files that are not listed here", () => {
    const names = (folder: URL) => readdirSync(folder, { recursive: true, encoding: "utf8" });
    const tests = names(new URL("../", import.meta.url)).filter((name) =>
      name.endsWith(".test.ts"),
    );
    const unknown = names(new URL("../../src/", import.meta.url)).filter((file) => {
      if (!file.endsWith(".ts") || LISTED.includes(file) || placesOf(file).length === 0)
        return false;
      const room = file.slice(0, file.lastIndexOf("/") + 1);
      return !tests.some((test) => test.startsWith(room));
    });
    expect(unknown, "neither in test/errors/ nor in a test of their own room").toEqual([]);
  });
});
