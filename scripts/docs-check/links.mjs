/** Links that lead nowhere. */
import { existsSync } from "node:fs";
import path from "node:path";
import { anchorsOf, linksOf, pages, ROOT, read } from "./pages.mjs";

/** `page:line links to target` for every link to a file or a heading that is not there. */
export function brokenLinks() {
  const anchors = new Map();
  const has = (name, anchor) => {
    if (!anchors.has(name)) anchors.set(name, anchorsOf(read(name)));
    return anchors.get(name).has(anchor);
  };
  const faults = [];
  let count = 0;
  for (const name of pages()) {
    for (const { target, line } of linksOf(read(name))) {
      if (/^[a-z]+:/i.test(target)) continue;
      count++;
      const [file, anchor] = decodeURI(target).split("#");
      const found = file ? path.posix.join(path.posix.dirname(name), file) : name;
      if (!existsSync(path.join(ROOT, found))) faults.push(`${name}:${line} links to ${target}`);
      else if (anchor && found.endsWith(".md") && !has(found, anchor)) {
        faults.push(`${name}:${line} links to ${target}, which has no such heading`);
      }
    }
  }
  return { count, faults };
}
