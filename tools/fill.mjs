import { readFileSync, writeFileSync } from "node:fs";

/**
 * A page with `body` between its marks `<!-- name -->` and `<!-- /name -->`.
 *
 * @param {string} page the text of the page
 * @param {string} name of the marks
 * @param {string} body without the marks
 * @param {string} [file] for the error: the name of the page
 * @returns {string}
 */
export function fill(page, name, body, file = "page") {
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const from = page.indexOf(start);
  const to = page.indexOf(end);
  if (from < 0 || to < from) {
    throw new RangeError(`"${file}" expected marks ${start} and ${end}, got none`);
  }
  return `${page.slice(0, from + start.length)}\n\n${body.trim()}\n\n${page.slice(to)}`;
}

/** Fills the marks of a file: `sections` are bodies by name. Says whether the file has changed. */
export function fillFile(file, sections, { write = true } = {}) {
  const before = readFileSync(file, "utf8");
  let text = before;
  for (const [name, body] of Object.entries(sections)) text = fill(text, name, body, String(file));
  if (write && text !== before) writeFileSync(file, text);
  return text !== before;
}
