/**
 * Explanations and plans as charts: Vega-Lite specifications, which are plain data. This library
 * draws nothing. `compile` of vega-lite and `View` of vega render them as SVG, and vega-embed shows
 * them on a page.
 *
 * @category Explanations
 */
import { checkNumbers } from "../core/array.ts";
import { checkInteger, checkObject, checkRecord, typeFault } from "../core/check.ts";
import type { EntropyCurve } from "./entropy.ts";
import { checkExplanation, type Explanation } from "./explain.ts";
import type { Plan } from "./plan.ts";
import { checkPlan } from "./plan-table.ts";
import { decibels, short } from "./text.ts";

/** How a chart is drawn. Its height follows from its content. */
export interface ChartOptions {
  /** A line above the chart. Default "Calibration", of a plan "Mixed precision". */
  readonly title?: string;
  /** Width of the plots in pixels, at least 200. Default 600. */
  readonly width?: number;
}

/**
 * A specification of Vega-Lite 6 with its data inside: numbers that are finite, strings, arrays and
 * objects, which `JSON.stringify` keeps as they are.
 */
export interface ChartSpecification {
  readonly $schema: string;
  readonly title: { readonly text: string; readonly subtitle: string };
  /** The plots, from top to bottom. */
  readonly vconcat: readonly ChartView[];
}

/** One plot of a chart: its size, its data and marks, as Vega-Lite has them. */
export interface ChartView {
  readonly width: number;
  readonly height: number;
  readonly data?: ChartData;
  /** Marks that lie over one another; each has the data of the plot, or its own. */
  readonly layer?: readonly { readonly data?: ChartData; readonly [property: string]: unknown }[];
  readonly [property: string]: unknown;
}

/** The rows of a table that is drawn. */
export interface ChartData {
  readonly values: readonly Readonly<Record<string, unknown>>[];
}

type Fields = Readonly<Record<string, unknown>>;

const SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json";
/** The most bars of a histogram. */
const BARS = 300;
/** The most points of a curve or a front: longer ones are thinned out evenly. */
const POINTS = 1000;
/** Layers of a plan that are drawn: the largest ones. */
const LAYERS = 40;
const ROW = 20;
/** The lower end of bars on a logarithmic scale, so that a count of 1 is visible. */
const FLOOR = 0.5;
/** The largest f32. */
const LARGEST = 3.4028234663852886e38;

/** A field on an axis that shows numbers. */
function axis(field: string, title: string, scale: Fields = linear): Fields {
  return { field, type: "quantitative", axis: { title }, scale };
}

const linear: Fields = { zero: false };
const log: Fields = { type: "log", nice: false };

function specify(
  options: ChartOptions,
  name: string,
  subtitle: string,
  views: (width: number) => readonly ChartView[],
): ChartSpecification {
  checkObject("options", options);
  const { title = name, width = 600 } = options;
  if (typeof title !== "string") throw typeFault("options.title", "a string", title);
  checkInteger("options.width", width, 200, 10000);
  return { $schema: SCHEMA, title: { text: title, subtitle }, vconcat: views(width) };
}

/** At most `most` entries of a list, including the first and the last. */
function thinOut<T>(list: readonly T[], most: number): T[] {
  if (list.length <= most) return [...list];
  const step = (list.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, i) => list[Math.round(i * step)]);
}

/**
 * How often values occur: `{ from, to, count }` of equal parts of [low, high], without empty ones.
 */
function barsOf({ histogram }: Explanation, low: number, high: number): Fields[] {
  const { counts, half, step } = histogram;
  const width = (high - low) / BARS;
  const sums = new Float64Array(BARS);
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] === 0) continue;
    const bin = i - half;
    const centre = (bin - Math.sign(bin) / 2) * step;
    sums[Math.min(Math.max(Math.floor((centre - low) / width), 0), BARS - 1)] += counts[i];
  }
  return Array.from(sums, (count, i) => ({
    from: low + i * width,
    to: low + (i + 1) * width,
    count,
  })).filter(({ count }) => count > 0);
}

/**
 * The curve of the entropy search. At an empty bin the divergence is infinite, and a new piece of
 * the curve begins.
 */
function curveOf({ divergences, levels, width }: EntropyCurve): Fields[] {
  const points: Fields[] = [];
  let piece = 0;
  for (const [i, divergence] of Array.from(divergences).entries()) {
    if (divergence > 0 && divergence < Number.POSITIVE_INFINITY) {
      points.push({ threshold: (levels + i + 0.5) * width, divergence, piece });
    } else piece++;
  }
  return thinOut(points, POINTS);
}

function checkCurve(argument: string, curve: EntropyCurve): void {
  const numbers = { levels: "number", width: "number", threshold: "number", chosen: "number" };
  checkRecord(argument, curve, numbers as Record<keyof typeof numbers, "number">);
  checkNumbers(`${argument}.bins`, curve.bins);
  checkNumbers(`${argument}.divergences`, curve.divergences);
}

function entropyView(curve: EntropyCurve, width: number): ChartView[] {
  const points = curveOf(curve);
  if (points.length === 0) return [];
  const { threshold, chosen, bins } = curve;
  return [
    {
      width,
      height: 150,
      title: `Divergence by threshold, least at ${chosen} of ${bins.length} bins`,
      layer: [
        {
          data: { values: points },
          mark: { type: "line", strokeCap: "round" },
          encoding: {
            x: axis("threshold", "threshold"),
            y: axis("divergence", "divergence", log),
            detail: { field: "piece" },
          },
        },
        {
          data: { values: [{ threshold }] },
          mark: { type: "rule", strokeDash: [4, 3] },
          encoding: { x: axis("threshold", "threshold") },
        },
      ],
    },
  ];
}

/**
 * An explanation as a chart: the range that each method keeps, the histogram of the values on a
 * logarithmic scale, and the curve of the entropy search, if one is among the methods.
 *
 * @param explanation what `explain` returned
 * @throws TypeError or RangeError for values that `explain` did not make, and wrong options
 * @example
 * ```js
 * import { compile } from "vega-lite";
 * import { parse, View } from "vega";
 *
 * const { spec } = compile(explanationChart(explain(observer)));
 * const svg = await new View(parse(spec), { renderer: "none" }).toSVG();
 * ```
 */
export function explanationChart(
  explanation: Explanation,
  options: ChartOptions = {},
): ChartSpecification {
  checkExplanation(explanation);
  const { histogram, methods, bits, scheme, entropy } = explanation;
  checkRecord("explanation.histogram", histogram, { half: "number", step: "number" });
  checkNumbers("explanation.histogram.counts", histogram.counts);
  if (entropy !== undefined) checkCurve("explanation.entropy", entropy);
  const low = Math.min(histogram.min, 0);
  const high = Math.max(histogram.max, 0);
  const margin = 0.02 * (high - low) || 1;
  const [from, to] = [low - margin, high + margin];
  const scale = { zero: false, domain: [from, to], nice: false, clamp: true };
  const ranges = methods.map(({ name, min, max, sqnr, clipped }) => ({
    // JSON has neither ±∞ nor −0, and a range may end at one of them
    ...{ name, min: Math.max(min, -LARGEST) + 0, max: Math.min(max, LARGEST) + 0 },
    label: `${name}: ${decibels(sqnr, 1)} dB, ${(100 * clipped).toFixed(3)} % clipped`,
  }));
  const colour = {
    field: "label",
    type: "nominal",
    sort: null,
    legend: { title: "range, SQNR, clipped", labelLimit: 320 },
  };
  const rules = (field: string): Fields => ({
    data: { values: ranges },
    mark: { type: "rule", strokeDash: [3, 4], opacity: 0.7 },
    encoding: { x: axis(field, "value", scale), color: colour },
  });
  const subtitle = `${bits} bits, ${scheme}; ${histogram.total} values`;
  return specify(options, "Calibration", subtitle, (width) => [
    {
      ...{ width, height: ROW * ranges.length },
      data: { values: ranges },
      mark: { type: "rule", strokeWidth: 4 },
      encoding: {
        x: axis("min", "", scale),
        x2: { field: "max" },
        y: { field: "name", type: "nominal", sort: null, axis: { title: null, labelLimit: 200 } },
        color: colour,
      },
    },
    {
      ...{ width, height: 220 },
      layer: [
        {
          data: { values: barsOf(explanation, from, to) },
          mark: { type: "rect", color: "#c8d3de" },
          encoding: {
            x: axis("from", "value", scale),
            x2: { field: "to" },
            y: axis("count", "values", log),
            y2: { datum: FLOOR },
          },
        },
        rules("min"),
        rules("max"),
      ],
    },
    ...(entropy ? entropyView(entropy, width) : []),
  ]);
}

/** The front, the goal, the uniform plans and the plan itself, loss over bits per weight. */
function frontView(plan: Plan, width: number): ChartView {
  const { front, uniform, parameters, goal } = plan;
  const losses = [...front, ...uniform].map(({ loss }) => loss).filter((loss) => loss > 0);
  // a logarithmic scale has no 0, so a loss of 0 is drawn at the lower end
  const floor = losses.length > 0 ? Math.min(...losses) / 2 : 1;
  const point = ({ bytes, loss }: { bytes: number; loss: number }, name: string) => ({
    ...{ name, bytes, loss, bits: (8 * bytes) / parameters, shown: Math.max(loss, floor) },
  });
  const encoding = {
    x: axis("bits", "bits per weight"),
    y: axis("shown", "loss", log),
  };
  const budget = "budgetBytes" in goal ? [{ bits: (8 * goal.budgetBytes) / parameters }] : [];
  const marks = uniform.map((each) => point(each, `all ${each.candidate}`));
  return {
    ...{ width, height: 240 },
    layer: [
      {
        data: { values: thinOut(front, POINTS).map((each) => point(each, "front")) },
        mark: { type: "line", interpolate: "step-after", point: front.length <= BARS },
        encoding,
      },
      {
        data: { values: budget },
        mark: { type: "rule", strokeDash: [4, 3], clip: true },
        encoding: { x: encoding.x },
      },
      { data: { values: marks }, mark: { type: "square", filled: true, size: 70 }, encoding },
      {
        data: { values: marks },
        mark: { type: "text", dy: -10 },
        encoding: { ...encoding, text: { field: "name" } },
      },
      {
        data: { values: [point(plan, "this plan")] },
        mark: { type: "circle", size: 140, color: "#d62728", opacity: 1 },
        encoding,
      },
    ].filter(({ data }) => data.values.length > 0),
  };
}

/**
 * A plan as a chart: the Pareto front with the plan, the uniform plans and the budget, and below it
 * the bytes of each layer in the candidate that was chosen. The 40 largest layers are shown.
 *
 * @param chosen what `plan` returned
 * @throws TypeError or RangeError for options that are not as described
 * @example
 * ```js
 * const chart = planChart(plan(layers, { budgetBytes: 4e6 }), { title: "My encoder" });
 * writeFileSync("plan.vl.json", JSON.stringify(chart));
 * ```
 */
export function planChart(chosen: Plan, options: ChartOptions = {}): ChartSpecification {
  checkPlan("chosen", chosen);
  const { choices, front, bitsPerWeight, loss } = chosen;
  const largest = [...choices].sort((a, b) => b.parameters - a.parameters).slice(0, LAYERS);
  const shown = new Set(largest);
  const rows = choices
    .filter((choice) => shown.has(choice))
    .map(({ layer, candidate, bytes, loss: lost }) => {
      return { layer, candidate, bytes, label: `loss ${short(lost)}` };
    });
  const place = `one of ${front.length} plans on the front`;
  const subtitle = `${bitsPerWeight.toFixed(2)} bits per weight, loss ${short(loss)}, ${place}`;
  return specify(options, "Mixed precision", subtitle, (width) => {
    const encoding = {
      y: { field: "layer", type: "nominal", sort: null, axis: { title: null } },
      x: { field: "bytes", type: "quantitative", axis: { title: "bytes" } },
    };
    const candidate = { field: "candidate", type: "nominal", legend: { title: "candidate" } };
    return [
      frontView(chosen, width),
      {
        ...{ width, height: ROW * rows.length },
        data: { values: rows },
        layer: [
          { mark: { type: "bar" }, encoding: { ...encoding, color: candidate } },
          {
            mark: { type: "text", align: "left", dx: 4 },
            encoding: { ...encoding, text: { field: "label" } },
          },
        ],
      },
    ];
  });
}
