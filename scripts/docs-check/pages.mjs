/** The pages that are checked, and what is prose, code and links in them. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const read = (name) => readFileSync(path.join(ROOT, name), "utf8");

const markdownIn = (folder) =>
  readdirSync(path.join(ROOT, folder))
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => `${folder}/${name}`);

/** What a reader learns from: every block of code runs, every word is linked before it is used. */
export const guides = () => ["README.md", ...markdownIn("site/guide")];

/** All pages whose links must resolve. */
export const pages = () => [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "examples/README.md"],
  ...markdownIn("docs"),
  ...markdownIn("docs/api"),
  ...markdownIn("site"),
  ...markdownIn("site/guide"),
  ...markdownIn("site/play"),
];

const FENCE = /(?:<!-- setup\n([\s\S]*?)-->\n+)?^```(\w*)[^\n]*\n([\s\S]*?)^```/gm;

/**
 * Blocks of code: language, text, line, the code of a comment `<!-- setup … -->` before it, and the
 * text that follows as its output.
 */
export function blocksOf(text) {
  return [...text.matchAll(FENCE)].map(
    ({ 0: whole, 1: setup = "", 2: language, 3: code, index }) => {
      const rest = text.slice(index + whole.length);
      const printed = language === "js" ? /^\n+```text\n([\s\S]*?)^```/m.exec(rest) : null;
      return {
        ...{ language, code, setup },
        line: text.slice(0, index).split("\n").length,
        printed: printed?.index === 0 ? printed[1] : undefined,
      };
    },
  );
}

/** The text without blocks of code, comments and front matter; lines keep their numbers. */
export function proseOf(text) {
  const blank = (part) => part.replaceAll(/[^\n]/g, " ");
  return text
    .replace(/^---\n[\s\S]*?\n---\n/, blank)
    .replaceAll(/^```[\s\S]*?^```/gm, blank)
    .replaceAll(/<!--[\s\S]*?-->/g, blank);
}

/** Links of a text: [target, line]. */
export function linksOf(text) {
  const prose = proseOf(text).replaceAll(/`[^`\n]*`/g, (code) => " ".repeat(code.length));
  return [...prose.matchAll(/\]\(<?([^)>\s]+)>?(?: "[^"]*")?\)/g)].map(({ 1: target, index }) => ({
    ...{ target, line: prose.slice(0, index).split("\n").length },
  }));
}

/** Anchors of a page as GitHub and the site make them, and those that it sets itself. */
export function anchorsOf(text) {
  const plain = text.replaceAll(/^```[\s\S]*?^```/gm, "");
  const anchors = new Set([...plain.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, id]) => id));
  for (const [, heading] of plain.matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll(/[*`\\]/g, "");
    const slug = words
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
      .replaceAll(" ", "-");
    let unique = slug;
    for (let n = 1; anchors.has(unique); n++) unique = `${slug}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}
