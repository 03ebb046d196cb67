/** Words of the glossary, and pages that use one before they link to it. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { guides, proseOf, ROOT, read } from "./pages.mjs";

/** Words that mean something else in most sentences. */
const EVERYDAY = new Set(["call", "part", "plan"]);

/** The words that docs/glossary.md defines, in lower case, with their anchors. */
export function glossary(text = read("docs/glossary.md")) {
  return [...text.matchAll(/^- <a id="([\w-]+)"><\/a>\*\*(.+?)\.\*\*/gm)].map(([, id, word]) => ({
    ...{ id, word: word.toLowerCase() },
  }));
}

const patternOf = (word) => {
  const plural = `${word.replace(/y$/, "(?:y|ie)")}(?:s|es)?`;
  return new RegExp(`(?<![\\w/.-])${plural}(?![\\w/-])`, "i");
};

/**
 * What is read in order. Not headings, pictures, names in code, and what scripts write between
 * marks.
 */
function readable(text) {
  const blank = (part) => part.replaceAll(/[^\n]/g, " ");
  return proseOf(text.replaceAll(/<!-- (\w+) -->[\s\S]*?<!-- \/\1 -->/g, blank))
    .replaceAll(/^#+ .*$/gm, blank)
    .replaceAll(/!\[[^\]]*\]\([^)]*\)/g, blank)
    .replaceAll(/`[^`\n]*`/g, blank)
    .replaceAll(/^\|[-:| ]+\|$/gm, blank);
}

/** The places where a page uses a word before its link: { id, word, at, length }. */
function usesOf(page) {
  const text = readable(page);
  const prose = text.replaceAll(/\]\([^)]*\)/g, (part) => `]${" ".repeat(part.length - 1)}`);
  return glossary().flatMap(({ id, word }) => {
    if (EVERYDAY.has(word)) return [];
    const link = text.indexOf(`glossary.md#${id})`);
    const use = patternOf(word).exec(prose);
    if (!use || (link >= 0 && text.lastIndexOf("[", link) <= use.index)) return [];
    return [{ id, word, at: use.index, length: use[0].length }];
  });
}

/** `page:line uses word` for every word that is used before its link. */
export function unlinkedWords() {
  return guides().flatMap((name) => {
    const page = read(name);
    return usesOf(page).map(({ id, word, at }) => {
      const line = page.slice(0, at).split("\n").length;
      return `${name}:${line} uses "${word}" before its link to glossary.md#${id}`;
    });
  });
}

/** Whether a place is in the text of a link, in a cell's head, or in a word of code. */
function isInLink(page, at) {
  const line = page.slice(page.lastIndexOf("\n", at) + 1, at);
  return line.lastIndexOf("[") > line.lastIndexOf("]");
}

/** Makes the first use of each word a link. What stands in another link is left for a person. */
export function linkWords() {
  for (const name of guides()) {
    const target = path.posix.relative(path.posix.dirname(name), "docs/glossary.md");
    let page = read(name);
    for (const { id, at, length } of usesOf(page).toSorted((a, b) => b.at - a.at)) {
      if (isInLink(page, at)) continue;
      const word = page.slice(at, at + length);
      page = `${page.slice(0, at)}[${word}](${target}#${id})${page.slice(at + length)}`;
    }
    writeFileSync(path.join(ROOT, name), page);
  }
}
