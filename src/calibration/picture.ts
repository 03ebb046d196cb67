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
import { checkInteger } from "../core/check.ts";
import type { EntropyCurve } from "./entropy.ts";
import { decibels, type Explanation } from "./explain.ts";
import {
  attributes,
  BARS,
  COLOURS,
  FAINT,
  horizontalAxis,
  line,
  type Plot,
  picture,
  short,
  text,
  ticks,
  verticalAxis,
} from "./svg.ts";

/** How an SVG picture is drawn. Its height follows from what it shows. */
export interface PictureOptions {
  /** A line above the picture. Default "Calibration", of a plan "Mixed precision". */
  readonly title?: string;
  /** Width in pixels, at least 480. Default 900. */
  readonly width?: number;
}

const LEFT = 56;
const LEGEND = 280;
const ROW = 20;
const TOP = 46;
const COUNTS = 220;
const CURVE = 150;
const GAP = 52;

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
  return picture(width, bottom + 44, lines);
}
