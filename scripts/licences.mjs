/** The licences of the libraries that dist/ bundles, in one file beside them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Packages among the inputs of esbuild's metafiles, by name. */
function packagesOf(metafiles) {
  const names = new Set();
  for (const { inputs } of metafiles) {
    for (const input of Object.keys(inputs)) {
      const found = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
      if (found) names.add(found[1]);
    }
  }
  return [...names].sort();
}

/** The comment of lines that heads a file. */
function headComment(file) {
  const lines = [];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (!line.startsWith("//")) break;
    lines.push(line.replace(/^\/\/ ?/, ""));
  }
  return lines.join("\n");
}

/** The terms of a package: its licence file, or what its sources say. */
function termsOf(name, folder) {
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  if (file) return readFileSync(path.join(folder, file), "utf8");
  if (name === "@bufbuild/protobuf") {
    const varint = path.join(folder, "dist", "esm", "wire", "varint.js");
    const apache = readFileSync(path.join(root, "LICENSE"), "utf8");
    return `Its decoder of varints:\n\n${headComment(varint)}\n\nThe rest:\n\n${apache}`;
  }
  throw new Error(`${name} has no licence file`);
}

/** The text of dist/third-party-licenses.txt. */
export function licences(metafiles) {
  return packagesOf(metafiles)
    .map((name) => {
      // a worktree may find its packages in a folder above
      let from = root;
      while (!existsSync(path.join(from, "node_modules", name))) from = path.dirname(from);
      const folder = path.join(from, "node_modules", name);
      const { version, license } = JSON.parse(
        readFileSync(path.join(folder, "package.json"), "utf8"),
      );
      return `${name} ${version} (${license})\n\n${termsOf(name, folder).trim()}\n`;
    })
    .join(`\n${"-".repeat(80)}\n\n`);
}
