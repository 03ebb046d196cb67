/** Output of the command: tables for people, JSON for programs. */

/**
 * Rows as aligned columns; the first row is the head. Columns of numbers are aligned at the right.
 */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((cells) => cells[i].length)));
  const isNumeric = rows[0].map((_, i) =>
    rows.slice(1).every((cells) => /^[-+]?[\d.,]*(e[-+]?\d+)?[∞%]?$/.test(cells[i])),
  );
  return rows
    .map((cells) =>
      cells
        .map((cell, i) => (isNumeric[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Formats a number of bytes for people. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = count / 1000;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

export function decibels(value: number): string {
  return Number.isFinite(value) ? value.toFixed(1) : "∞";
}

/** JSON, with numbers that JSON lacks, such as Infinity, as strings. */
export function json(value: unknown): string {
  const replace = (_: string, each: unknown): unknown =>
    typeof each === "number" && !Number.isFinite(each) ? String(each) : each;
  return JSON.stringify(value, replace, 2);
}

const BARS = "▁▂▃▄▅▆▇█";

/** A histogram in one line: 16 bars between the least and the greatest value. */
export function sparkline(values: Float32Array): string {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (!(max > min)) return "";
  const bins = new Float64Array(16);
  for (const value of values) {
    if (Number.isFinite(value)) {
      bins[Math.min(Math.floor(((value - min) / (max - min)) * 16), 15)]++;
    }
  }
  const most = Math.max(...bins);
  const height = (count: number): number =>
    count === 0 ? 0 : 1 + Math.floor((count / most) * 6.99);
  return Array.from(bins, (count) => BARS[height(count)]).join("");
}
