import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { textTable } from "../../tools/table.mjs";
import { machine, runtime } from "../machine.mjs";
import { nodeOf } from "../runtimes.mjs";
import { openRoof } from "./roof/index.mjs";

const HELP = `What V8's optimizing compiler makes of the inner loops that multiply, on x64.

  --list          also prints the loops
  --node 24       by this version of Node, installed from npm into .cache/ on first use
  --revectorize   with V8's --experimental-wasm-revectorize
  --json FILE     also writes the counts as one JSON object`;

const path = (file) => fileURLToPath(new URL(file, import.meta.url));
const MODULES = {
  roof: path("../../build/bench/roof.relaxed.wasm"),
  simd: path("../../dist/wasm/bytelane.simd.wasm"),
  relaxed: path("../../dist/wasm/bytelane.relaxed.wasm"),
};

/**
 * Compiles a module at once, and says which exports its functions have: a function's name is its
 * index.
 */
const COMPILE = `
  const { readFileSync } = require("node:fs");
  const { exports } = new WebAssembly.Instance(
    new WebAssembly.Module(readFileSync(process.argv[1])), {});
  const functions = Object.entries(exports).filter(([, f]) => typeof f === "function");
  console.log("exports " + JSON.stringify(functions.map(([name, f]) => [f.name, name])));`;

const KINDS = {
  products: /^v(pmadd|pdp|fmadd|mulps)/,
  sums: /^v(p?add|p?sub)/,
  loads: /^v(mov|pmov|broadcast|pbroadcast|insert).*\[/,
  vector: /^v/,
  wide: /^v.*ymm/,
};

/** `{ index, lines: [{ address, operation }] }` of every function that the compiler printed. */
function functionsOf(printed) {
  return printed
    .split("--- WebAssembly code ---")
    .slice(1)
    .map((part) => ({
      index: part.match(/^index: (\d+)/m)?.[1],
      lines: [...part.matchAll(/^0x([0-9a-f]+) +[0-9a-f]+ +[0-9a-f]+ +(.+)$/gm)].map(
        ([, address, operation]) => ({ address: Number.parseInt(address, 16), operation }),
      ),
    }));
}

/** The loops that have no loop within: from the target of a jump back to the jump. */
function innerLoops(lines) {
  const loops = [];
  for (const [end, { address, operation }] of lines.entries()) {
    const target = Number.parseInt(operation.match(/^j\w+ 0x([0-9a-f]+)/)?.[1] ?? "", 16);
    if (!(target <= address)) continue;
    const start = lines.findIndex((line) => line.address === target);
    if (start < 0 || loops.some((loop) => loop.start >= start)) continue;
    loops.push({ start, end });
  }
  return loops.map(({ start, end }) => lines.slice(start, end + 1));
}

async function loopsOf(binary, flags, [module, file]) {
  const options = ["--print-wasm-code", "--no-liftoff", "--no-wasm-lazy-compilation", ...flags];
  const child = spawn(binary, [...options, "-e", COMPILE, file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const printed = await text(child.stdout);
  const names = printed.match(/^exports (.+)$/m);
  if (!names) throw new Error(`"${module}" expected a module that compiles, got none`);
  const exported = new Map(JSON.parse(names[1]));
  const functions = functionsOf(printed).sort((a, b) => a.index - b.index);
  return functions.flatMap(({ index, lines }) =>
    innerLoops(lines)
      .map((loop) => loop.map(({ operation }) => operation))
      .filter((loop) => loop.some((operation) => KINDS.products.test(operation)))
      .map((loop) => {
        const counts = Object.fromEntries(
          Object.entries(KINDS).map(([kind, pattern]) => [
            kind,
            loop.filter((operation) => pattern.test(operation)).length,
          ]),
        );
        const name = exported.get(index) ?? `function ${index}`;
        return { module, function: name, ...counts, all: loop.length, loop };
      }),
  );
}

const OPTIONS = {
  list: { type: "boolean", default: false },
  node: { type: "string" },
  revectorize: { type: "boolean", default: false },
};

async function main({ list, node, revectorize, json }) {
  const { arch } = machine();
  if (arch !== "x64") throw new Error(`"bench/lab/code.mjs" expected x64, got ${arch}`);
  await openRoof();
  const major = node ?? process.versions.node.split(".")[0];
  const binary = await nodeOf(major);
  const flags = revectorize ? ["--experimental-wasm-revectorize"] : [];
  if (Number(major) < 22) flags.push("--experimental-wasm-relaxed-simd");
  const loops = [];
  for (const module of Object.entries(MODULES)) {
    loops.push(...(await loopsOf(binary, flags, module)));
  }
  const kinds = [...Object.keys(KINDS), "all"];
  const rows = loops.map((loop) => [
    `${loop.module} ${loop.function}`,
    ...kinds.map((kind) => String(loop[kind])),
  ]);
  const head = ["inner loop", ...kinds.map((kind) => (kind === "wide" ? "256 bits" : kind))];
  console.log(textTable([head, ...rows]));
  if (list) {
    for (const { module, function: name, loop } of loops) {
      console.log(`\n${module} ${name}\n  ${loop.join("\n  ")}`);
    }
  }
  const where = { machine: machine(), runtime: runtime(), node: major, flags };
  writeJson(json, { ...where, figures: { loops: loops.length }, loops });
}

await runCommand({ help: HELP, options: OPTIONS }, main);
