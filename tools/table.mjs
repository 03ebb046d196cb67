/** Tables of text: columns aligned for a terminal, or as Markdown. */

/**
 * Lines of a table for a terminal. Cells are strings; a missing one is empty.
 *
 * @param {readonly (readonly (string | undefined)[])[]} rows the first is the head
 * @param {{ left?: readonly number[], rule?: boolean }} [options] columns that align to the left,
 *   the first by default; `rule` draws a line under the head
 * @returns {string}
 */
export function textTable(rows, { left = [0], rule = false } = {}) {
  const columns = Math.max(...rows.map((cells) => cells.length));
  const indices = Array.from({ length: columns }, (_, i) => i);
  const widths = indices.map((i) => Math.max(...rows.map((cells) => (cells[i] ?? "").length)));
  const pad = (text, i) => (left.includes(i) ? text.padEnd(widths[i]) : text.padStart(widths[i]));
  const lines = rows.map((cells) =>
    indices
      .map((i) => pad(cells[i] ?? "", i))
      .join("  ")
      .trimEnd(),
  );
  if (rule) lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return lines.join("\n");
}

/**
 * A table in Markdown.
 *
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 * @param {{ left?: readonly number[] }} [options] columns that align to the left
 * @returns {string}
 */
export function markdownTable(head, rows, { left = [0] } = {}) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => (left.includes(i) ? "---" : "--:"));
  return [head, rule, ...rows].map(line).join("\n");
}
