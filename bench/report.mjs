import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  bestOf,
  contendersOf,
  figure,
  microsecondsOf,
  nameOf,
  opsOf,
  percent,
  ratioOf,
  setsOf,
  shapesOf,
  shareOf,
  spreadOf,
  table,
  times,
  unique,
} from "./figures.mjs";
import { FORMAT } from "./harness.mjs";
import { GEMM_SHAPES, INT4_SHAPES, SMALL_LAYER, shapeName } from "./shapes.mjs";
import { START_STEPS } from "./starts.mjs";
import { summaryTable } from "./summary.mjs";

const HELP = `Writes the figures of the benches into the documentation: those of the files that are given,
otherwise all that lie in build/bench/.

  --bench FILE    what \`npm run bench -- --json FILE\` wrote; again for each runtime
  --peers FILE    what \`npm run bench:peers -- --json FILE\` wrote; again for each runtime
  --threads FILE  what \`npm run bench:threads -- --json FILE\` wrote
  --runtime NAME  whose tables are open, and the plot's, such as "Node 24" [the last one]
  --docs FILE     the page whose figures are replaced [docs/performance.md]
  --plot FILE     also draws GOPS over size [docs/performance.svg], "" for none`;

const MARKS = ["<!-- figures -->", "<!-- /figures -->"];

const ROOFS = {
  clock: "GHz",
  dot: "dot + add",
  two_step: "two-step relaxed",
  fused: "fused relaxed",
};
const STREAMS = {
  load4: "read",
  load4_store1: "f32 → i8 traffic",
  divide4_store1: "with divisions",
  load1_store4: "i8 → f32 traffic",
  copy: "memory.copy",
};

const PLAIN = "plain JS";
const PRODUCTS = /^(gemm|linear|top_k)/;
const isProduct = (op) => PRODUCTS.test(op);

const FIGURES = fileURLToPath(new URL("../build/bench/", import.meta.url));

async function readRuns(files = []) {
  const runs = [];
  for (const file of files) {
    const more = runsIn(JSON.parse(await readFile(file, "utf8")));
    if (!more) throw new TypeError(`"${file}" expected figures of a bench, format ${FORMAT}`);
    runs.push(...more);
  }
  return runs;
}

/** The runs of a file, or undefined for the files of other commands. */
function runsIn(file) {
  if (file.command === "bench:threads") return [file];
  return file.format === FORMAT ? file.runs : undefined;
}

/** The runs in the usual folder, by the names of their files. */
async function readAllRuns() {
  const names = await readdir(FIGURES).catch(() => []);
  const files = names.filter((name) => name.endsWith(".json")).sort();
  const read = files.map(async (name) => JSON.parse(await readFile(`${FIGURES}${name}`, "utf8")));
  const all = await Promise.all(read);
  return all.flatMap((file) => runsIn(file) ?? []);
}

function chooseSet(sets, wanted) {
  if (!wanted) return sets.at(-1);
  const found = sets.find(({ name }) => name.startsWith(wanted));
  if (!found) {
    const names = sets.map(({ name }) => name).join(", ");
    throw new RangeError(`"--runtime" expected one of ${names}, got ${wanted}`);
  }
  return found;
}

const networks = new Map(
  [SMALL_LAYER, ...INT4_SHAPES, ...GEMM_SHAPES].map((shape) => [shapeName(shape), shape.from]),
);

/** The columns of an operation: Bytelane's builds one by one, every other contender at its best. */
function columnsOf(run, op) {
  return contendersOf(run, op).flatMap((contender) =>
    contender === "Bytelane"
      ? unique(
          run.rows
            .filter((row) => row.op === op && row.contender === contender)
            .map((row) => row.build),
        ).map((build) => ({ contender, build, label: `Bytelane ${build}` }))
      : [{ contender, label: contender }],
  );
}

function isWrong(run, op, contender) {
  const rows = run.rows.filter((row) => row.op === op && row.contender === contender);
  return rows.some(({ differs }) => differs > 0);
}

function productsTable(run, op) {
  const columns = columnsOf(run, op);
  const head = columns.map(({ contender, label }) =>
    isWrong(run, op, contender) ? `${label} (wrong values)` : label,
  );
  const rows = shapesOf(run, op).map((shape) => {
    const rates = columns.map(({ contender, build }) =>
      bestOf(run, op, shape, contender, { build }),
    );
    const share = percent(shareOf(run, op, shape));
    return [shape, networks.get(shape) ?? "", ...rates.map(figure), share];
  });
  return table(["GOPS", "from", ...head, "of the dot + add roof"], rows, 2);
}

function streamsTable(run, ops) {
  const contenders = unique(ops.flatMap((op) => contendersOf(run, op)));
  const rows = ops.flatMap((op) =>
    shapesOf(run, op).map((shape) => [
      `\`${op}\` ${shape}`,
      ...contenders.map((contender) => figure(bestOf(run, op, shape, contender))),
      figure(bestOf(run, op, shape, "Bytelane", { mode: "call" })),
    ]),
  );
  return table(["GB/s", ...contenders, "Bytelane, as called"], rows);
}

/** Mean and least advantage over a contender, a row an operation, a column a set. */
function advantagesTable(sets, kind, contender, mode) {
  const runs = sets.filter((set) => set[kind]);
  const ops = unique(runs.flatMap((set) => opsOf(set[kind])));
  const rows = ops
    .map((op) => [
      `\`${op}\``,
      ...runs.map((set) => {
        const run = set[kind];
        const spread = spreadOf(
          shapesOf(run, op).map((shape) => ratioOf(run, op, shape, contender, mode)),
        );
        return spread ? `${times(spread.mean)} (${times(spread.least)})` : "–";
      }),
    ])
    .filter(([, ...cells]) => cells.some((cell) => cell !== "–"));
  return table(["", ...runs.map(({ name }) => name)], rows);
}

function roofsTables(sets) {
  const runs = sets.map(({ name, bench, peers }) => ({ name, roofs: (bench ?? peers).roofs }));
  const registers = table(
    ["GOPS", ...Object.values(ROOFS)],
    runs.map(({ name, roofs }) => [
      name,
      ...Object.keys(ROOFS).map((key) => figure(roofs.registers[key])),
    ]),
  );
  const rows = runs.flatMap(({ name, roofs }) =>
    Object.entries(roofs.memory).map(([bytes, rates]) => [
      `${name}, ${bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MB` : `${bytes / 2 ** 10} KB`}`,
      ...Object.keys(STREAMS).map((stream) => figure(rates[stream])),
    ]),
  );
  return [registers, table(["GB/s", ...Object.values(STREAMS)], rows)];
}

/** Columns of the table of calls: [head, operation, shape, mode]. */
const CALLS = [
  ["product 1 × 8 × 8, in place", "gemm_u8_i8_i32", "1 × 8 × 8", "kernel"],
  ["as called", "gemm_u8_i8_i32", "1 × 8 × 8", "call"],
  ["layer 1 × 32 × 32, in place", "linear_dynamic_f32", "1 × 32 × 32", "kernel"],
  ["as called", "linear_dynamic_f32", "1 × 32 × 32", "call"],
  ["quantize 16, in place", "quantize_f32_i8", "16", "kernel"],
  ["as called", "quantize_f32_i8", "16", "call"],
  ["32³, as called", "gemm_u8_i8_i32", "32³", "call"],
  ["quantize 1 K, as called", "quantize_f32_i8", "1 K", "call"],
];

function callsTable(sets) {
  const rows = sets.flatMap(({ name, bench, peers }) => {
    const run = peers ?? bench;
    return unique(run.rows.map(({ contender }) => contender))
      .map((contender) => [
        `${contender}, ${name}`,
        ...CALLS.map(([, op, shape, mode]) =>
          figure(microsecondsOf(run, op, shape, contender, mode)),
        ),
      ])
      .filter(([, ...cells]) => cells.some((cell) => cell !== "–"));
  });
  return table(["µs a call", ...CALLS.map(([head]) => head)], rows);
}

function startsTable(sets) {
  const rows = sets.flatMap(({ name, bench, peers }) =>
    (peers?.starts ?? bench?.starts ?? []).map((result) => [
      `${result.contender}, ${name}`,
      ...Object.keys(START_STEPS).map((step) => figure(result[step])),
    ]),
  );
  return table(["ms", ...Object.values(START_STEPS)], rows);
}

/** Products under a flag of the engine beside those without: shares of the roof, whatever the clock. */
function flaggedParts(sets, flagged) {
  return flagged.flatMap((run) => {
    const base = sets.find(({ name, bench }) => bench && name === nameOf(run))?.bench;
    if (!base) return [];
    const rows = opsOf(run)
      .filter(isProduct)
      .flatMap((op) =>
        shapesOf(run, op).map((shape) => [
          `\`${op}\` ${shape}`,
          ...["simd", "relaxed"].flatMap((build) =>
            [base, run].map((each) => percent(shareOf(each, op, shape, { build }))),
          ),
        ]),
      );
    const flags = run.runtime.flags.map((flag) => `\`${flag}\``).join(" ");
    const head = ["simd", "simd, flag", "relaxed", "relaxed, flag"];
    return [`### ${nameOf(run)} with ${flags}`, table(["of the dot + add roof", ...head], rows)];
  });
}

/** What belongs to a runtime that is not the chosen one is folded up. */
const folded = (isOpen, title, parts) =>
  isOpen
    ? [`### ${title}`, ...parts]
    : [`<details><summary>${title}</summary>`, ...parts, "</details>"];

function productParts(run) {
  return opsOf(run)
    .filter(isProduct)
    .flatMap((op) => [`\`${op}\``, productsTable(run, op)]);
}

function streamParts(run) {
  const ops = opsOf(run).filter((op) => !isProduct(op));
  return ops.length > 0 ? [streamsTable(run, ops)] : [];
}

/** Times as fast as one thread: the median of rounds in which the machine had the cores, and the quartiles. */
function threadsParts(runs) {
  return runs.flatMap(({ runtime, pool, tier, rows, trips }) => {
    const cell = (shape, kind) => {
      const row = rows.find((each) => each.shape === shape && each.kind === kind);
      if (!row) return "–";
      const spread = `${row.low.toFixed(2)} – ${row.high.toFixed(2)}`;
      return `${row.ratio.toFixed(2)} × (${spread})${row.isSteady ? "" : ", machine busy"}`;
    };
    const lines = unique(rows.map(({ shape }) => shape)).map((shape) => [
      shape,
      cell(shape, "shared"),
      cell(shape, "plain"),
    ]);
    const trip = ({ first, warm }) =>
      `${first.toFixed(0)} µs at first and ${warm.toFixed(0)} µs later`;
    return [
      `${pool} workers over one thread, ${runtime.name} ${runtime.version}, build ${tier}: medians and quartiles.`,
      table(["m × n × depth", "on one memory", "each its own memory"], lines),
      `A call with nothing to multiply takes ${trip(trips.shared)} on one memory, ${trip(trips.plain)} where each worker has its own.`,
    ];
  });
}

function figures(sets, flagged, chosen, plot, threads) {
  const runs = sets.flatMap(({ bench, peers }) => [bench, peers]).filter(Boolean);
  const { cpu, arch, os } = runs[0].machine;
  const withPeers = sets.filter(({ peers }) => peers);
  const withBench = sets.filter(({ bench }) => bench);
  const parts = [
    `Measured on one core of ${cpu} (${arch}, ${os}), ` +
      `${unique(runs.map(({ date }) => date)).join(", ")}, under ` +
      `${sets.map(({ name }) => name).join(", ")}. Best of interleaved samples; ratios compare ` +
      "the best with the best of the same run.",
    "### In short",
    "“Over” is how many times as fast: the geometric mean over the shapes, and the least in " +
      "parentheses.",
    summaryTable(sets),
    "### Roofs of this machine",
    ...roofsTables(sets),
  ];
  if (plot) {
    parts.push("### Products over size", `![GOPS over the size of square products](${plot})`);
  }
  parts.push("### The cost of a call", callsTable(sets));
  if (runs.some(({ starts }) => starts)) {
    parts.push("### A fresh process", startsTable(sets));
  }
  if (threads.length > 0) parts.push("### Workers of a pool", ...threadsParts(threads));
  const rivals = unique(
    withPeers.flatMap(({ peers }) => peers.rows.map(({ contender }) => contender)),
  ).filter((contender) => contender !== "Bytelane");
  for (const rival of rivals) {
    parts.push(
      `### Times as fast as ${rival}`,
      "In the kernel:",
      advantagesTable(withPeers, "peers", rival, "kernel"),
      "As called, with typed arrays:",
      advantagesTable(withPeers, "peers", rival, "call"),
    );
  }
  if (withBench.length > 0) {
    parts.push(
      "### Times as fast as plain JavaScript",
      advantagesTable(withBench, "bench", PLAIN, "kernel"),
    );
  }
  parts.push(...flaggedParts(sets, flagged));
  for (const set of withPeers) {
    const isOpen = set === chosen;
    const title = (what) => `${what} beside other runtimes, ${set.name}, in the kernel`;
    parts.push(
      ...folded(isOpen, title("Products"), productParts(set.peers)),
      ...folded(isOpen, title("Element-wise work"), streamParts(set.peers)),
    );
  }
  for (const set of withBench) {
    const isOpen = set === chosen;
    const title = (what) => `${what} beside plain JavaScript, ${set.name}`;
    parts.push(
      ...folded(isOpen, title("Products"), productParts(set.bench)),
      ...folded(isOpen, title("Element-wise work"), streamParts(set.bench)),
    );
  }
  return parts.join("\n\n");
}

/** GOPS of the square products, a series a contender, for the plot. */
function squares({ name, bench, peers }) {
  const run = peers ?? bench;
  const points = [];
  const add = (source, op, contender, build, label) => {
    for (const shape of GEMM_SHAPES.filter(({ m, n, k }) => m === n && n === k)) {
      const gops = source && bestOf(source, op, shapeName(shape), contender, { build });
      if (gops) points.push({ size: shape.m, gops, series: label });
    }
  };
  add(run, "gemm_u8_i8_i32", "Bytelane", undefined, "Bytelane u8·i8");
  add(run, "gemm_u8_i8_i32", "Bytelane", "direct", "Bytelane u8·i8, direct tier");
  add(run, "gemm_i8_w7_i32", "Bytelane", "relaxed", "Bytelane 7-bit weights, relaxed");
  add(run, "gemm_u8_i8_i32", "onnxruntime-web", undefined, "onnxruntime-web u8·i8");
  add(run, "gemm_i8_i8_i32", "onnxruntime-web", undefined, "onnxruntime-web i8·i8");
  add(run, "gemm_i8_i8_i8", "LiteRT.js", undefined, "LiteRT.js i8·i8");
  add(bench, "gemm_u8_i8_i32", PLAIN, undefined, "plain JavaScript");
  return { points, roof: run.roofs.registers.dot, title: `${name}, ${run.machine.cpu}` };
}

async function main() {
  const { values } = parseArgs({
    options: {
      bench: { type: "string", multiple: true },
      peers: { type: "string", multiple: true },
      threads: { type: "string", multiple: true },
      docs: {
        type: "string",
        default: fileURLToPath(new URL("../docs/performance.md", import.meta.url)),
      },
      plot: {
        type: "string",
        default: fileURLToPath(new URL("../docs/performance.svg", import.meta.url)),
      },
      runtime: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const isGiven = values.bench || values.peers || values.threads;
  const all = isGiven ? [] : await readAllRuns();
  const runsOf = (command, files) =>
    isGiven ? readRuns(files) : all.filter((run) => run.command === command);
  const bench = await runsOf("bench", values.bench);
  const isFlagged = ({ runtime }) => runtime.flags.length > 0;
  const sets = setsOf(
    bench.filter((run) => !isFlagged(run)),
    await runsOf("bench:peers", values.peers),
  );
  if (sets.length === 0) {
    throw new TypeError(
      '"--bench" expected a file with figures, or some in build/bench/, got none',
    );
  }
  const page = await readFile(values.docs, "utf8");
  const [start, end] = MARKS.map((mark) => page.indexOf(mark));
  if (start < 0 || end < start) {
    throw new RangeError(
      `"--docs" expected a page with ${MARKS.join(" and ")}, got ${values.docs}`,
    );
  }
  const chosen = chooseSet(sets, values.runtime);
  if (values.plot) {
    const { drawSizes } = await import("./peers/plot.mjs");
    await writeFile(values.plot, await drawSizes(squares(chosen)));
  }
  const plot = values.plot ? path.relative(path.dirname(values.docs), values.plot) : "";
  const threads = await runsOf("bench:threads", values.threads);
  const body = figures(sets, bench.filter(isFlagged), chosen, plot, threads);
  const head = page.slice(0, start + MARKS[0].length);
  await writeFile(values.docs, `${head}\n\n${body}\n\n${page.slice(end)}`);
}

try {
  await main();
} catch (fault) {
  console.error(fault.message);
  process.exitCode = 1;
}
