/**
 * An explanation drawn, as SVG:
 *
 *   ┌──────────────────────────────────────────────┬──────────────────────┐
 *   │   ├────────────────────────────────┤         │ min/max      38.1 dB │  the range that
 *   │          ├──────────────────┤                │ percentile   40.2 dB │  each method keeps
 *   │ 10⁴      ┊    ▁▃▅███▅▃▁     ┊                │                      │
 *   │ 1   ▁    ┊ ▁▃████████████▃▁ ┊          ▁     │                      │  how often values occur,
 *   ├──────────────────────────────────────────────┤                      │  on a logarithmic scale
 *   │  ╲___        ___╱‾‾‾‾                        │                      │  divergence by threshold
 *   │      ╲___●__╱                                │                      │
 *   └──────────────────────────────────────────────┴──────────────────────┘
 */
import { checkInteger } from "../check.ts";
import type { EntropyCurve } from "./entropy.ts";
import { decibels, type Explanation, short } from "./explain.ts";

export interface PictureOptions {
  /** A line above the picture. */
  readonly title?: string;
  /** Width in pixels, at least 480. Default 900. */
  readonly width?: number;
}

/** Colours that people with any colour vision tell apart (Okabe and Ito, 2008). */
const COLOURS = ["#000000", "#e69f00", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9"];
const INK = "#333333";
const FAINT = "#999999";
const BARS = "#c8d3de";

const LEFT = 56;
const LEGEND = 280;
const ROW = 20;
const TOP = 46;
const COUNTS = 220;
const CURVE = 150;
const GAP = 52;

interface Plot {
  readonly x: (value: number) => number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => {
      const shown = typeof value === "number" ? Number(value.toFixed(2)) : escaped(value);
      return ` ${name}="${shown}"`;
    })
    .join("");
}

function line(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  stroke: string,
  more: Readonly<Record<string, string | number>> = {},
): string {
  return `<line${attributes({ x1, y1, x2, y2, stroke, ...more })}/>`;
}

function text(
  x: number,
  y: number,
  content: string,
  more: Readonly<Record<string, string | number>> = {},
): string {
  return `<text${attributes({ x, y, fill: INK, ...more })}>${escaped(content)}</text>`;
}

/** About `count` round numbers from low to high. */
function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) as number;
  const first = Math.ceil(low / step);
  const last = Math.floor(high / step);
  return Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}

function powerOfTen(exponent: number, factor = 1): string {
  if (factor !== 1) {
    const value = factor * 10 ** exponent;
    return Math.abs(exponent) <= 2 ? short(value) : `${factor}·${powerOfTen(exponent)}`;
  }
  if (exponent === 0) return "1";
  const digits = String(Math.abs(exponent)).replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(d)]);
  return `10${exponent < 0 ? "⁻" : ""}${exponent === 1 ? "" : digits}`;
}

function horizontalAxis(
  { x, left, right, bottom }: Plot,
  marks: number[],
  label: string,
): string[] {
  return [
    line(left, bottom, right, bottom, INK),
    ...marks.flatMap((mark) => [
      line(x(mark), bottom, x(mark), bottom + 4, INK),
      text(x(mark), bottom + 17, short(mark), { "text-anchor": "middle" }),
    ]),
    text((left + right) / 2, bottom + 34, label, { "text-anchor": "middle", fill: FAINT }),
  ];
}

/** Round numbers up the left side of a logarithmic scale from 10^low to 10^high: 1, 2 and 5, or powers of ten. */
function verticalAxis(
  plot: Plot,
  y: (exponent: number) => number,
  low: number,
  high: number,
): string[] {
  const step = Math.max(1, Math.ceil((high - low) / 6));
  const factors = high - low < 2 ? [1, 2, 5] : [1];
  const lines: string[] = [];
  for (let power = Math.floor(low); power <= high; power += step) {
    for (const factor of factors) {
      const exponent = power + Math.log10(factor);
      if (exponent < low || exponent > high) continue;
      lines.push(
        line(plot.left, y(exponent), plot.right, y(exponent), "#eeeeee"),
        text(plot.left - 6, y(exponent) + 4, powerOfTen(power, factor), { "text-anchor": "end" }),
      );
    }
  }
  return lines;
}

/** Bars of two pixels: the counts of all bins that fall into each, on a logarithmic scale. */
function bars({ histogram }: Explanation, plot: Plot, low: number, high: number): string[] {
  const { counts, half, step } = histogram;
  const columns = Math.floor((plot.right - plot.left) / 2);
  const heights = new Float64Array(columns);
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] === 0) continue;
    const bin = i - half;
    const centre = (bin - Math.sign(bin) / 2) * step;
    const column = Math.floor(((centre - low) / (high - low)) * columns);
    heights[Math.min(Math.max(column, 0), columns - 1)] += counts[i];
  }
  const most = Math.log10(Math.max(...heights));
  // a single value is seen: the scale begins below 1
  const floor = -0.3;
  const y = (exponent: number): number =>
    plot.bottom - ((exponent - floor) / (most * 1.04 - floor)) * (plot.bottom - plot.top);
  let path = "";
  heights.forEach((count, column) => {
    if (count === 0) return;
    const top = y(Math.log10(count));
    path += `M${plot.left + 2 * column} ${plot.bottom}V${top.toFixed(1)}h2V${plot.bottom}z`;
  });
  return [...verticalAxis(plot, y, 0, most), `<path d="${path}" fill="${BARS}"/>`];
}

function entropyPlot(curve: EntropyCurve, plot: Plot, colour: string): string[] {
  const { divergences, levels, width, chosen, threshold } = curve;
  const finite = divergences.filter((d) => d < Number.POSITIVE_INFINITY && d > 0);
  if (finite.length === 0) return [];
  const low = Math.log10(Math.min(...finite));
  const high = Math.max(Math.log10(Math.max(...finite)), low + 0.1);
  const y = (exponent: number): number =>
    plot.bottom - ((exponent - low) / (high - low)) * (plot.bottom - plot.top - 8) - 4;
  let path = "";
  let isDrawing = false;
  divergences.forEach((d, i) => {
    // beyond an empty bin the divergence is infinite: the line is interrupted
    const isSeen = d > 0 && d < Number.POSITIVE_INFINITY;
    if (isSeen) {
      const x = plot.x((levels + i + 0.5) * width);
      path += `${isDrawing ? "L" : "M"}${x.toFixed(1)} ${y(Math.log10(d)).toFixed(1)}`;
      if (!isDrawing) path += "h0";
    }
    isDrawing = isSeen;
  });
  const least = divergences[chosen - levels];
  const at = least > 0 ? y(Math.log10(least)) : plot.bottom;
  return [
    ...verticalAxis(plot, y, low, high),
    line(plot.x(threshold), plot.top, plot.x(threshold), plot.bottom, colour, {
      "stroke-dasharray": "4 3",
    }),
    `<path${attributes({ d: path, fill: "none", stroke: colour, "stroke-width": 2 })} stroke-linecap="round"/>`,
    `<circle${attributes({ cx: plot.x(threshold), cy: at, r: 4, fill: colour })}/>`,
  ];
}

/** The histogram with each method's range, and below it the curve of the entropy search. */
export function explanationPicture(explanation: Explanation, options: PictureOptions = {}): string {
  const { methods, entropy, histogram, bits, scheme } = explanation;
  const width = checkInteger("options.width", options.width ?? 900, 480, 10000);
  const left = LEFT;
  const right = width - LEGEND;
  const reach = methods.length * ROW;
  const top = TOP + reach + 10;
  const low = Math.min(histogram.min, 0);
  const high = Math.max(histogram.max, 0);
  const margin = 0.02 * (high - low) || 1;
  const [from, to] = [low - margin, high + margin];
  const x = (value: number): number =>
    left + ((Math.min(Math.max(value, from), to) - from) / (to - from)) * (right - left);
  const plot: Plot = { x, left, right, top, bottom: top + COUNTS };
  const colourOf = (i: number): string => COLOURS[i % COLOURS.length];

  const lines = [
    text(left, 22, options.title ?? "Calibration", { "font-size": 15, "font-weight": "bold" }),
    text(right + 12, TOP - 8, "range, SQNR, clipped", { fill: FAINT }),
    text(left, TOP - 8, `${bits} bits, ${scheme}; ${histogram.total} values`, { fill: FAINT }),
    ...bars(explanation, plot, from, to),
    ...horizontalAxis(plot, ticks(from, to, 8), "value"),
  ];
  methods.forEach((each, i) => {
    const y = TOP + i * ROW + ROW / 2;
    const colour = colourOf(i);
    const ends = [each.min, each.max].map((end) => x(end));
    lines.push(
      line(ends[0], y, ends[1], y, colour, { "stroke-width": 3 }),
      ...ends.flatMap((end) => [
        line(end, y - 5, end, y + 5, colour, { "stroke-width": 2 }),
        line(end, y + 5, end, plot.bottom, colour, {
          "stroke-dasharray": "3 4",
          "stroke-opacity": 0.7,
        }),
      ]),
      `<rect${attributes({ x: right + 12, y: y - 5, width: 10, height: 10, fill: colour })}/>`,
      text(right + 28, y + 4, each.name),
      text(width - 74, y + 4, `${decibels(each.sqnr, 1)} dB`, { "text-anchor": "end" }),
      text(width - 8, y + 4, `${(100 * each.clipped).toFixed(3)} %`, { "text-anchor": "end" }),
    );
  });
  let bottom = plot.bottom;
  if (entropy && entropy.divergences.length > 0) {
    const most = entropy.bins.length * entropy.width;
    const below: Plot = {
      ...{ left, right, top: bottom + GAP, bottom: bottom + GAP + CURVE },
      x: (value) => left + (Math.min(value / most, 1) * (right - left)) / 1.02,
    };
    const at = methods.findIndex(({ name }) => name.startsWith("entropy"));
    lines.push(
      ...entropyPlot(entropy, below, colourOf(Math.max(at, 0))),
      ...horizontalAxis(below, ticks(0, most, 8), "threshold T"),
      text(right + 12, below.top + 14, "divergence of the distribution", { fill: FAINT }),
      text(
        right + 12,
        below.top + 32,
        `least at i = ${entropy.chosen} of ${entropy.bins.length} bins`,
      ),
      text(right + 12, below.top + 50, `T = ${short(entropy.threshold)}`),
    );
    bottom = below.bottom;
  }
  const height = bottom + 44;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...lines,
    "</svg>",
    "",
  ].join("\n");
}
