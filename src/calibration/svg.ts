/** The little SVG that the pictures are made of. */

/** Colours that people with any colour vision tell apart (Okabe and Ito, 2008). */
export const COLOURS = [
  "#000000",
  "#e69f00",
  "#d55e00",
  "#0072b2",
  "#009e73",
  "#cc79a7",
  "#56b4e9",
];
export const INK = "#333333";
export const FAINT = "#999999";
export const BARS = "#c8d3de";

/** Where a plot lies, and where a value lies in it. */
export interface Plot {
  readonly x: (value: number) => number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

export function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => {
      const shown = typeof value === "number" ? Number(value.toFixed(2)) : escaped(value);
      return ` ${name}="${shown}"`;
    })
    .join("");
}

export function line(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  stroke: string,
  more: Readonly<Record<string, string | number>> = {},
): string {
  return `<line${attributes({ x1, y1, x2, y2, stroke, ...more })}/>`;
}

export function text(
  x: number,
  y: number,
  content: string,
  more: Readonly<Record<string, string | number>> = {},
): string {
  return `<text${attributes({ x, y, fill: INK, ...more })}>${escaped(content)}</text>`;
}

/** About `count` round numbers from low to high. */
export function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) as number;
  const first = Math.ceil(low / step);
  const last = Math.floor(high / step);
  return Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}

export function powerOfTen(exponent: number, factor = 1): string {
  if (factor !== 1) {
    const value = factor * 10 ** exponent;
    return Math.abs(exponent) <= 2 ? short(value) : `${factor}·${powerOfTen(exponent)}`;
  }
  if (exponent === 0) return "1";
  const digits = String(Math.abs(exponent)).replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(d)]);
  return `10${exponent < 0 ? "⁻" : ""}${exponent === 1 ? "" : digits}`;
}

export function horizontalAxis(
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
export function verticalAxis(
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

/** A number in five digits, or in powers of ten where that would not fit. */
export function short(x: number): string {
  if (!Number.isFinite(x) || x === 0) return String(x);
  const magnitude = Math.abs(x);
  return magnitude >= 1e5 || magnitude < 1e-3
    ? x.toExponential(2)
    : String(Number(x.toPrecision(5)));
}

/** The whole picture. */
export function picture(width: number, height: number, lines: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...lines,
    "</svg>",
    "",
  ].join("\n");
}
