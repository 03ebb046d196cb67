/**
 * The declarations as they are published, in projects of users: each program of this folder is
 * compiled by three compilers in every project of compile.mjs, and runs. A line that must not
 * compile stands under @ts-expect-error.
 */
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { transform } from "esbuild";
import { describe, expect, it } from "vitest";

const here = fileURLToPath(new URL(".", import.meta.url));
const built = fileURLToPath(new URL("../../build/types/", import.meta.url));
const run = promisify(execFile);

describe("programs of users", () => {
  it.concurrent.each(["typescript-5.4", "typescript-5.9", "typescript"])(
    "compile by %s",
    async (compiler) => {
      const { stdout } = await run(process.execPath, [path.join(here, "compile.mjs"), compiler]);
      expect(stdout).toBe("");
    },
    180_000,
  );

  const programs = readdirSync(here).filter((name) => /\.[cm]ts$/.test(name));
  it.concurrent.each(programs)("%s runs", async (name) => {
    const format = name.endsWith(".cts") ? "cjs" : "esm";
    const text = readFileSync(path.join(here, name), "utf8");
    const { code } = await transform(text, { loader: "ts", format, target: "es2022" });
    mkdirSync(built, { recursive: true });
    const file = path.join(built, name.replace(/ts$/, "js"));
    writeFileSync(file, code);
    await run(process.execPath, [file]);
  });
});
