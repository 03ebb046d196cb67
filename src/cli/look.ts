/** bytelane inspect, explain and compare: print the contents of files. */
import { createObserver } from "../calibration/create.ts";
import { errorBetween } from "../calibration/error.ts";
import { explain, explanationTable } from "../calibration/explain.ts";
import type { Bytelane } from "../core/instance.ts";
import { Failure } from "./failure.ts";
import { bytes, decibels, json, sparkline, table } from "./output.ts";
import { openTensors } from "./tensors.ts";

/** Tensors, types, bytes, and a small histogram each. */
export async function inspectFile(
  instance: Bytelane,
  file: string,
  flags: { readonly json?: boolean; readonly histograms: boolean },
): Promise<void> {
  const opened = await openTensors(instance, file);
  const tensors = [];
  for (const { name, type, shape, bytes: size } of opened.tensors.values()) {
    const reals = flags.histograms ? await opened.reals(name) : undefined;
    const summary = reals && summaryOf(reals);
    tensors.push({ name, type, shape, bytes: size, ...summary });
  }
  const total = tensors.reduce((sum, each) => sum + each.bytes, 0);
  if (flags.json) {
    console.log(json({ file, bytes: total, tensors }));
    return;
  }
  const number = (value: number | undefined): string =>
    value === undefined ? "" : value.toPrecision(4);
  const rows = tensors.map((each) => [
    each.name,
    each.type,
    each.shape.join(" × "),
    String(each.bytes),
    number(each.min),
    number(each.max),
    each.histogram ?? "",
  ]);
  console.log(table([["tensor", "type", "shape", "bytes", "min", "max", "histogram"], ...rows]));
  console.log(`${tensors.length} tensors, ${bytes(total)}`);
}

function summaryOf(reals: Float32Array) {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of reals) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return reals.length === 0 ? {} : { min, max, histogram: sparkline(reals) };
}

/** All calibration methods side by side for one tensor. */
export async function explainTensor(
  instance: Bytelane,
  file: string,
  name: string,
  flags: {
    readonly bits?: number;
    readonly scheme?: "symmetric" | "asymmetric";
    readonly json?: boolean;
  },
): Promise<void> {
  const opened = await openTensors(instance, file);
  const reals = await opened.reals(name);
  if (!reals) {
    if (!opened.tensors.has(name)) throw new Failure(`${file}: no tensor ${JSON.stringify(name)}`);
    throw new Failure(`${file}: ${JSON.stringify(name)} holds no reals`);
  }
  const observer = createObserver(instance, { method: "mse" });
  observer.observe(reals);
  const { bits = 8, scheme = "symmetric" } = flags;
  const explanation = explain(observer, { bits, scheme });
  if (flags.json) {
    const { methods, skipped } = explanation;
    console.log(json({ file, tensor: name, bits, scheme, skipped, methods }));
  } else console.log(explanationTable(explanation));
}

/** Compares the tensors of two files: the loss of the second one. */
export async function compareFiles(
  instance: Bytelane,
  before: string,
  after: string,
  flags: { readonly json?: boolean; readonly minSqnr?: number },
): Promise<void> {
  const [a, b] = [await openTensors(instance, before), await openTensors(instance, after)];
  const compared = [];
  const missing: string[] = [];
  for (const { name, shape } of a.tensors.values()) {
    const wanted = await a.reals(name);
    if (!wanted) continue;
    const got = await b.reals(name);
    if (got?.length !== wanted.length) {
      missing.push(name);
      continue;
    }
    const { sqnr, cosine, maxError } = best(wanted, got, shape);
    compared.push({ name, shape, sqnr, cosine, maxError });
  }
  if (flags.json) console.log(json({ before, after, tensors: compared, missing }));
  else {
    const rows = compared.map(({ name, shape, sqnr, cosine, maxError }) => [
      name,
      shape.join(" × "),
      decibels(sqnr),
      cosine.toFixed(6),
      maxError.toExponential(2),
    ]);
    console.log(table([["tensor", "shape", "SQNR dB", "cosine", "max error"], ...rows]));
    for (const name of missing) console.log(`${name}: not in ${after}`);
  }
  const worst = Math.min(...compared.map(({ sqnr }) => sqnr));
  if (flags.minSqnr !== undefined && worst < flags.minSqnr) {
    throw new Failure(`a tensor has ${worst.toFixed(1)} dB, less than ${flags.minSqnr}`);
  }
}

/**
 * Restored products are [in, out], but Gemm's weights may be [out, in]. The orientation with the
 * smaller error is taken.
 */
function best(wanted: Float32Array, got: Float32Array, shape: readonly number[]) {
  const plain = errorBetween(wanted, got);
  if (shape.length !== 2 || plain.sqnr > 10) return plain;
  const [rows, columns] = shape;
  const turned = got.map((_, i) => got[(i % columns) * rows + Math.floor(i / columns)]);
  const other = errorBetween(wanted, turned);
  return other.sqnr > plain.sqnr ? other : plain;
}
