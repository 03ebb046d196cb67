/**
 * Compares the ranges of all methods for the same data: as figures, and as a table. charts.ts has
 * the chart.
 *
 * @category Explanations
 */
import { checkInteger, checkObject, checkRecord, checkRecords, typeFault } from "../core/check.ts";
import { checkRange, paramsOf } from "../params/params.ts";
import { checkScheme, type SchemeOptions } from "../params/scheme.ts";
import { type EntropyCurve, entropyCurve } from "./entropy.ts";
import type { Histogram } from "./grid.ts";
import { HistogramObserver } from "./histogram.ts";
import { checkSearch, type Search, type SearchOptions, searchRange } from "./methods.ts";
import { ErrorOfRanges } from "./mse.ts";
import type { ChannelRange } from "./observer.ts";
import { alignRows, decibels, short } from "./text.ts";

/**
 * One method's range, and its errors on the data. Values are taken to be spread evenly over their
 * bins.
 */
export interface MethodReport extends ChannelRange {
  /** Such as "percentile 99.9"; for a given range its key. */
  readonly name: string;
  /** Scale and zero point of the range for the scheme. */
  readonly scale: number;
  readonly zeroPoint: number;
  /**
   * Share of the values that are clipped: further than half a step outside the representable ones.
   */
  readonly clipped: number;
  /** Mean of (x − x̃)². */
  readonly mse: number;
  /** Signal to quantization noise in dB. */
  readonly sqnr: number;
  /** Σx·x̃ / √(Σx² · Σx̃²). */
  readonly cosine: number;
}

/** All methods for one channel. `explanationTable` and `explanationChart` show it. */
export interface Explanation {
  readonly histogram: Histogram;
  /** How many values were skipped since they were not finite; over all channels. */
  readonly skipped: number;
  /** Bits in use; for a "reduced" range one fewer than in the options. */
  readonly bits: number;
  readonly scheme: "symmetric" | "asymmetric";
  /** The methods in the order of the options, then the given ranges. */
  readonly methods: readonly MethodReport[];
  /** The search of the first entropy method. */
  readonly entropy: EntropyCurve | undefined;
}

/** The scheme for all ranges, the methods to compare, and the channel. */
export interface ExplainOptions extends SchemeOptions {
  /** Which channel of an observer per channel. Default 0. */
  readonly channel?: number;
  /**
   * The methods to compare. Default: min/max, two percentiles, entropy without and with zeros, MSE.
   */
  readonly methods?: readonly SearchOptions[];
  /** Further ranges by name, such as those of other observers. */
  readonly ranges?: Readonly<Record<string, { readonly min: number; readonly max: number }>>;
}

const DEFAULT_METHODS: readonly SearchOptions[] = [
  { method: "minmax" },
  { method: "percentile", percent: 99.99 },
  { method: "percentile", percent: 99.9 },
  { method: "entropy" },
  { method: "entropy", zeros: true },
  { method: "mse" },
];

function nameOf(search: Search): string {
  switch (search.method) {
    case "minmax":
      return "min/max";
    case "percentile":
      return `percentile ${search.percent}`;
    case "entropy":
      return search.zeros ? "entropy with zeros" : "entropy";
    default:
      return "MSE";
  }
}

/**
 * Compares the methods on the data that a histogram observer has seen.
 *
 * @example
 * ```ts
 * const observer = createObserver(instance, { method: "entropy" }).observe(x);
 * console.log(explanationTable(explain(observer)));
 * ```
 */
export function explain(observer: HistogramObserver, options: ExplainOptions = {}): Explanation {
  if (!(observer instanceof HistogramObserver)) {
    throw typeFault("observer", 'an observer of "percentile", "entropy" or "mse"', observer);
  }
  const scheme = checkScheme(options, ["channel", "methods", "ranges"]);
  const channel = checkInteger("options.channel", options.channel ?? 0, 0, 2 ** 31 - 1);
  const methods = options.methods ?? DEFAULT_METHODS;
  checkRecords("options.methods", methods, { method: "string" });
  const searches = methods.map((method, i) => checkSearch(`options.methods[${i}]`, method));
  const histogram = observer.histogram(channel);
  const ranges = new Map<string, ChannelRange>();
  for (const search of searches) {
    ranges.set(nameOf(search), searchRange(histogram, search, scheme));
  }
  for (const [name, range] of Object.entries(options.ranges ?? {})) {
    const argument = `options.ranges[${JSON.stringify(name)}]`;
    checkObject(argument, range);
    checkRange(argument, range.min, range.max);
    ranges.set(name, range);
  }
  const errors = new ErrorOfRanges(histogram, scheme);
  const entropy = searches.find((search) => search.method === "entropy");
  return {
    histogram,
    skipped: observer.skipped,
    bits: scheme.bits,
    scheme: scheme.symmetric ? "symmetric" : "asymmetric",
    methods: [...ranges].map(([name, range]) => {
      const min = Math.fround(range.min);
      const max = Math.fround(range.max);
      const { squares, signal, product, result, clipped } = errors.of(min, max);
      return {
        name,
        min,
        max,
        ...paramsOf(min, max, scheme),
        clipped: clipped / histogram.total,
        mse: squares / histogram.total,
        sqnr: squares > 0 ? 10 * Math.log10(signal / squares) : Number.POSITIVE_INFINITY,
        cosine: signal > 0 && result > 0 ? product / Math.sqrt(signal * result) : 1,
      };
    }),
    entropy: entropy && entropyCurve(histogram, entropy, scheme),
  };
}

const FIGURES = ["min", "max", "scale", "zeroPoint", "clipped", "mse", "sqnr", "cosine"] as const;

/** @internal Checks the properties of an explanation, except the curve of entropy. */
export function checkExplanation(explanation: Explanation): void {
  checkRecord("explanation", explanation, {
    ...{ histogram: "object", skipped: "number", bits: "number", scheme: "string" },
  });
  const { histogram, methods } = explanation;
  checkRecord("explanation.histogram", histogram, {
    min: "number",
    max: "number",
    total: "number",
  });
  const numbers = Object.fromEntries(FIGURES.map((name) => [name, "number" as const]));
  checkRecords("explanation.methods", methods, { name: "string", ...numbers });
}

/**
 * The methods side by side, as lines of text.
 *
 * @example
 * ```ts
 * console.log(explanationTable(explain(observer)));
 * ```
 */
export function explanationTable(explanation: Explanation): string {
  checkExplanation(explanation);
  const { histogram, methods, bits, scheme, skipped } = explanation;
  const rows = [
    ["", "min", "max", "scale", "zero", "clipped %", "MSE", "SQNR dB", "cosine"],
    ...methods.map((each) => [
      each.name,
      short(each.min),
      short(each.max),
      short(each.scale),
      String(each.zeroPoint),
      (100 * each.clipped).toFixed(4),
      each.mse.toExponential(3),
      decibels(each.sqnr, 2),
      each.cosine.toFixed(6),
    ]),
  ];
  const table = alignRows(rows, 1);
  const { total, min, max } = histogram;
  const head = `${total} values in [${short(min)}, ${short(max)}], ${bits} bits ${scheme}`;
  return [skipped > 0 ? `${head}, ${skipped} skipped` : head, ...table].join("\n");
}
