/** The last touches to the pages: a list of what is on each, and no marks that nothing leads to. */

const MARK = /<a id="([^"]+)"><\/a> ?/g;

/** Everything that a link of any page leads to, as "page.md#mark". */
function targetsOf(pages) {
  const targets = new Set();
  for (const [name, text] of pages) {
    for (const [, page, mark] of text.matchAll(/\]\(([\w.-]*)#([^)]+)\)/g)) {
      targets.add(`${page || name}#${mark}`);
    }
  }
  return targets;
}

/** A line for each section, with links to its names. */
function contentsOf(text) {
  const sections = text.split(/^## /m).slice(1);
  return sections.map((section) => {
    const [heading] = section.split("\n", 1);
    const names = section.matchAll(/^<a id="([^"]+)"><\/a>\n\n### (\w+)/gm);
    return `* ${heading}: ${Array.from(names, ([, mark, name]) => `[${name}](#${mark})`).join(", ")}`;
  });
}

function arrangePage(text) {
  const plain = text
    .replaceAll("\n***\n\n", "\n")
    .replace(/^#### (Properties|Methods)\n\n/gm, "")
    .replaceAll(/\| - (?=\|)/g, "| ");
  const [top, ...sections] = plain.split(/^(?=## )/m);
  return `${top}${contentsOf(plain).join("\n")}\n\n${sections.join("")}`;
}

/** The pages by name, arranged. Fails where a link leads nowhere. */
export function arrangePages(rendered) {
  const pages = Array.from(rendered, ([name, text]) => [name, arrangePage(text)]);
  const targets = targetsOf(pages);
  const found = new Set();
  const done = pages.map(([name, text]) => {
    const kept = text.replace(MARK, (mark, id) => {
      const target = `${name}#${id}`;
      if (!targets.has(target)) return "";
      found.add(target);
      return mark;
    });
    return [name, `${kept.replaceAll(/\n{3,}/g, "\n\n").trim()}\n`];
  });
  const lost = [...targets].filter((target) => !found.has(target));
  if (lost.length > 0)
    throw new Error(`"docs/api" expected links that lead somewhere, got ${lost}`);
  return new Map(done);
}

/** The page that leads to all others. */
export function indexOf(entries, pages) {
  const rows = entries.map(({ specifier, page }) => {
    const [, about] = pages.get(`${page}.md`).split("\n\n");
    return `| [\`${specifier}\`](${page}.md) | ${about.replaceAll("\n", " ")} |`;
  });
  return `# API reference

What each entry of the package exports, written by \`npm run api\` from the docstrings in its declarations: an editor
shows the same. Errors read \`"<argument>" expected <what>, got <what>\`: a TypeError for the kind of an argument, a
RangeError for its value.

| entry | |
| --- | --- |
${rows.join("\n")}
`;
}
