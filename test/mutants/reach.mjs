/** Which exports of a module of kernels run code of a file of assembly/, by what it imports. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseSync } from "vite";
import { root } from "./bundle.mjs";
import { moduleOf } from "./compile.mjs";

const bodies = new Map();
function bodyOf(file) {
  if (!bodies.has(file)) {
    const text = readFileSync(path.join(root, file), "utf8");
    bodies.set(file, parseSync(file, text, { lang: "ts" }).program.body);
  }
  return bodies.get(file);
}

/** The file that an import or export of `file` names. */
function target(file, { source }) {
  const place = path.posix.join(path.posix.dirname(file), source.value);
  return [`${place}.ts`, `${place}/index.ts`].find((name) => existsSync(path.join(root, name)));
}

/** A file and all that it imports, directly or not: what it only exports again runs elsewhere. */
function closureOf(file, found = new Set()) {
  if (!file || found.has(file)) return found;
  found.add(file);
  for (const node of bodyOf(file)) {
    if (node.type === "ImportDeclaration") closureOf(target(file, node), found);
  }
  return found;
}

/** What an entry exports: `[name, file]`. Functions without parameters only tell addresses. */
function exportsOf(entry) {
  return bodyOf(entry).flatMap((node) => {
    if (node.type !== "ExportNamedDeclaration") return [];
    const file = node.source ? target(entry, node) : entry;
    const names = node.specifiers.map(({ exported }) => exported.name);
    if (node.declaration?.params?.length > 0) names.push(node.declaration.id.name);
    return names.map((name) => [name, file]);
  });
}

const reached = new Map();
/**
 * @returns {string[]} the names of the exports of a file's module whose files import it or are it:
 *   only this module is compiled with a mutant
 */
export function kernelsThrough(file) {
  const { entry } = moduleOf(file);
  if (!reached.has(entry)) {
    reached.set(
      entry,
      exportsOf(entry).map(([name, from]) => [name, closureOf(from)]),
    );
  }
  return reached.get(entry).flatMap(([name, files]) => (files.has(file) ? [name] : []));
}
