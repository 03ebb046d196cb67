/** Builds everything that is published: the wasm modules, their inlined form, the bundle, the declarations. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const at = (...parts) => path.join(root, ...parts);

const TIERS = ["simd", "relaxed"];

/** A tool of node_modules, run with this Node. */
function run(packageName, bin, ...args) {
  const manifest = require.resolve(`${packageName}/package.json`);
  const { bin: bins } = JSON.parse(readFileSync(manifest, "utf8"));
  const script = path.join(path.dirname(manifest), typeof bins === "string" ? bins : bins[bin]);
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: "inherit" });
}

/** The binaries as a module of base64 strings, so that the default entry has nothing to find. */
function inline() {
  const lines = TIERS.map((tier) => {
    const base64 = readFileSync(at("build", `bytelane.${tier}.wasm`)).toString("base64");
    return `export const ${tier}: string =\n  "${base64}";\n`;
  });
  writeFileSync(
    at("src", "binaries.ts"),
    `/** The builds in base64. Written by scripts/build.mjs. */\n${lines.join("")}`,
  );
}

mkdirSync(at("build"), { recursive: true });
rmSync(at("dist"), { recursive: true, force: true });
mkdirSync(at("dist", "wasm"), { recursive: true });
for (const tier of TIERS) {
  run("assemblyscript", "asc", "--config", "asconfig.json", "--target", tier);
  for (const ending of ["wasm", "wat", "wasm.map"]) {
    copyFileSync(
      at("build", `bytelane.${tier}.${ending}`),
      at("dist", "wasm", `bytelane.${tier}.${ending}`),
    );
  }
}
inline();
await build({
  entryPoints: [at("src", "index.ts")],
  outfile: at("dist", "index.js"),
  bundle: true,
  format: "esm",
  target: "es2022",
  platform: "neutral",
  minify: true,
  sourcemap: true,
  legalComments: "none",
});
run("typescript", "tsc", "--project", "tsconfig.build.json");
