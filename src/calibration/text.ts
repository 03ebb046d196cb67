/**
 * Numbers and tables as text.
 *
 * @category Explanations
 */

/** Formats a number in few characters. */
export function short(x: number): string {
  if (!Number.isFinite(x) || x === 0) return String(x);
  const magnitude = Math.abs(x);
  return magnitude >= 1e5 || magnitude < 1e-3
    ? x.toExponential(2)
    : String(Number(x.toPrecision(5)));
}

/** Formats a signal-to-noise ratio, which is infinite without noise. */
export function decibels(sqnr: number, digits: number): string {
  return Number.isFinite(sqnr) ? sqnr.toFixed(digits) : "∞";
}

/** Lines of a table: the first `left` columns align to the left, numbers to the right. */
export function alignRows(rows: readonly (readonly string[])[], left: number): string[] {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((cells) => cells[i].length)));
  return rows.map((cells) =>
    cells
      .map((cell, i) => (i < left ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join("  ")
      .trimEnd(),
  );
}
