import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { allowRelaxedSimd } from "../../machine.mjs";

const SOURCE = fileURLToPath(new URL("streams.ts", import.meta.url));
const BUILD = fileURLToPath(new URL("../../../build/bench/", import.meta.url));
const TIERS = {
  simd: { enable: ["simd"], streams: { dot: ["i32x4.dot_i16x8_s"] } },
  relaxed: {
    enable: ["simd", "relaxed-simd"],
    streams: {
      dot: ["i32x4.dot_i16x8_s"],
      two_step: ["i16x8.relaxed_dot_i8x16_i7x16_s", "i32x4.dot_i16x8_s"],
      fused: ["i32x4.relaxed_dot_i8x16_i7x16_add_s"],
    },
  },
};

/**
 * Multiply-adds of one product: 8 of 16 bits, 16 of 8 bits; a stream's GOPS count two a product.
 */
const PRODUCTS = { dot: 8, two_step: 16, fused: 16 };

/** More multiplications a cycle than any core has: a stream above it was optimised away. */
const MOST_A_CYCLE = 4;

async function modified(path) {
  return stat(path).then(
    (found) => found.mtimeMs,
    () => 0,
  );
}

/** The body of a function in WebAssembly text, by the name that exports it. */
function functionText(text, name) {
  const symbol = text.match(new RegExp(`\\(export "${name}" \\(func (\\S+)\\)\\)`))?.[1];
  const start = text.indexOf(`(func ${symbol} `);
  const end = text.indexOf("\n )", start);
  return text.slice(start, end);
}

function assertStreams(text, { streams }) {
  const chains = Number(text.match(/\$roof\/streams\/CHAINS i32 \(i32\.const (\d+)\)/)?.[1]);
  for (const [name, instructions] of Object.entries(streams)) {
    const body = functionText(text, name);
    for (const instruction of instructions) {
      const count = body.split(`${instruction}\n`).length - 1;
      if (count !== chains) {
        throw new Error(
          `"${name}" expected ${chains} times ${instruction} after compiling, got ${count}`,
        );
      }
    }
  }
}

async function compile(tier) {
  const wasm = `${BUILD}roof.${tier}.wasm`;
  if ((await modified(wasm)) > (await modified(SOURCE))) return readFile(wasm);
  const { default: asc } = await import("assemblyscript/asc");
  const files = new Map();
  const { error, stderr } = await asc.main(
    [
      "roof/streams.ts",
      ...["--outFile", "roof.wasm", "--textFile", "roof.wat"],
      ...["-O3", "--noAssert", "--runtime", "stub", "--use", "abort=", "--initialMemory", "1"],
      ...TIERS[tier].enable.flatMap((feature) => ["--enable", feature]),
    ],
    {
      readFile: (name) => (name === "roof/streams.ts" ? readFile(SOURCE, "utf8") : null),
      writeFile: (name, contents) => void files.set(name, contents),
      listFiles: () => [],
    },
  );
  if (error) throw new Error(`roof/streams.ts does not compile: ${stderr.toString()}`);
  assertStreams(files.get("roof.wat"), TIERS[tier]);
  await mkdir(BUILD, { recursive: true });
  await writeFile(wasm, files.get("roof.wasm"));
  return readFile(wasm);
}

function best(call, units, { samples, turns }) {
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < samples; i++) {
    const start = performance.now();
    call(turns);
    shortest = Math.min(shortest, performance.now() - start);
  }
  return (units * turns) / shortest / 1e6;
}

/**
 * Compiles and opens the streams. `relaxed` is null where the engine has no relaxed SIMD.
 *
 *     guard()                      GOPS of a short dot stream, to be run beside every sample
 *     registers({ samples })       GOPS of each register stream, and the clock in GHz
 *     memory(bytes, { samples })   GB/s read and written of each memory stream over `bytes` of f32
 */
export async function openRoof() {
  allowRelaxedSimd();
  const open = async (tier) => {
    const bytes = await compile(tier);
    if (!WebAssembly.validate(bytes)) return null;
    return (await WebAssembly.instantiate(bytes, {})).instance.exports;
  };
  const simd = await open("simd");
  const relaxed = await open("relaxed");
  const chains = simd.CHAINS.value;

  const GUARD_TURNS = 10_000;
  // Past the tier-up of the engine, or the guard would call its own warming up a fast machine.
  for (let i = 0; i < 200; i++) simd.dot(GUARD_TURNS);

  const guard = () => {
    const start = performance.now();
    simd.dot(GUARD_TURNS);
    return (GUARD_TURNS * chains * 16) / (performance.now() - start) / 1e6;
  };

  const registers = ({ samples = 40 } = {}) => {
    const turns = 40_000;
    const gops = { dot: 0, two_step: null, fused: null };
    const measure = (exports, name) => {
      best(exports[name], 1, { samples: 30, turns: 3000 });
      const units = chains * 2 * PRODUCTS[name];
      gops[name] = Math.max(gops[name] ?? 0, best(exports[name], units, { samples, turns }));
    };
    best(simd.products, 1, { samples: 30, turns: 3000 });
    measure(simd, "dot");
    for (const name of relaxed ? ["dot", "two_step", "fused"] : []) measure(relaxed, name);
    const clock = best(simd.products, 8 * 3, { samples, turns });
    const aCycle = gops.dot / 16 / clock;
    if (aCycle > MOST_A_CYCLE) {
      throw new Error(
        `"dot" expected at most ${MOST_A_CYCLE} products per cycle, got ${aCycle.toFixed(1)}`,
      );
    }
    return { ...gops, clock };
  };

  const memory = (bytes, { samples = 20 } = {}) => {
    // src and dst keep clear of the constants in the first page, each `bytes` long.
    const src = 65_536;
    const dst = src + bytes;
    const missing = dst + bytes - simd.memory.buffer.byteLength;
    if (missing > 0) simd.memory.grow(Math.ceil(missing / 65_536));
    // Untouched pages are one and the same page of zeros: reading them would stay in the cache.
    new Uint8Array(simd.memory.buffer, src, 2 * bytes).fill(1);
    const quarter = bytes / 4;
    // At least 1 MB a sample, so that the timer's step does not show.
    const repeats = Math.max(1, Math.floor(2 ** 20 / bytes));
    const repeated = (call) => () => {
      for (let i = 0; i < repeats; i++) call();
    };
    const streams = {
      load4_store1: [() => simd.load4_store1(src, dst, bytes), bytes + quarter],
      divide4_store1: [() => simd.divide4_store1(src, dst, bytes), bytes + quarter],
      load1_store4: [() => simd.load1_store4(src, dst, quarter), bytes + quarter],
      load4: [() => simd.load4(src, bytes), bytes],
      copy: [() => simd.copy(src, dst, bytes), 2 * bytes],
    };
    const rates = {};
    for (let round = 0; round < samples; round++) {
      for (const [name, [call, traffic]] of Object.entries(streams)) {
        const rate = best(repeated(call), traffic * repeats, { samples: 1, turns: 1 });
        rates[name] = Math.max(rates[name] ?? 0, rate);
      }
    }
    return rates;
  };

  return { guard, registers, memory, tiers: relaxed ? ["simd", "relaxed"] : ["simd"] };
}
