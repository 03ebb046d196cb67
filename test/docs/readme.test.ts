/** The README's first program: it runs as it stands, and prints what its comments say. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

it("the first program of the README runs as it stands", () => {
  const readme = readFileSync(`${ROOT}README.md`, "utf8");
  const program = readme.match(/```js\n([\s\S]*?)```/)?.[1] ?? "";
  expect(program).toContain('from "bytelane"');
  // within the package its own name resolves to dist
  mkdirSync(`${ROOT}build/readme`, { recursive: true });
  const file = `${ROOT}build/readme/first.mjs`;
  writeFileSync(file, program);
  const printed = execFileSync(process.execPath, [file], { encoding: "utf8" });
  const codes = program.match(/Int8Array (\[[^\]]*\])/)?.[1] ?? "missing";
  expect(printed.replace(/\[\s+/g, "[").replace(/\s+\]/g, "]")).toContain(`Int8Array(4) ${codes}`);
  expect(printed).toContain("Float32Array(2) [ 2.49");
});
