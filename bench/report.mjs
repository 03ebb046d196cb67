import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { FORMAT } from "./harness.mjs";
import { GEMM_SHAPES, INT4_SHAPES, shapeName } from "./shapes.mjs";

const HELP = `Writes the figures of the benches into the documentation.

  --bench FILE    what \`npm run bench -- --json FILE\` wrote
  --peers FILE    what \`npm run bench:peers -- --json FILE\` wrote
  --docs FILE     the page whose figures are replaced [docs/performance.md]
  --plot FILE     also draws GOPS over size [docs/performance.svg], "" for none
  --runtime NAME  whose full tables are shown, such as "Node 24" [the last run]`;

const MARKS = ["<!-- figures -->", "<!-- /figures -->"];
const SKELETON = `# Performance\n\n${MARKS.join("\n")}\n`;

const ROOFS = {
  clock: "GHz",
  dot: "dot + add",
  two_step: "two-step relaxed",
  fused: "fused relaxed",
};
const STREAMS = {
  load4: "read",
  load4_store1: "f32 → i8 traffic",
  load1_store4: "i8 → f32 traffic",
  copy: "memory.copy",
};

const figure = (value) => {
  if (value === null || value === undefined) return "–";
  if (value >= 99.95) return value.toFixed(0);
  return value.toFixed(value >= 9.995 ? 1 : 2);
};
const times = (value) => (value === null ? "–" : `${figure(value)} ×`);
const percent = (value) => `${(100 * value).toFixed(0)} %`;

/** A table in Markdown: the first columns to the left, numbers to the right. */
function table(head, rows, leftColumns = 1) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => (i < leftColumns ? "---" : "--:"));
  return [head, rule, ...rows].map(line).join("\n");
}

const unique = (values) => [...new Set(values)];

async function readRuns(file) {
  if (!file) return [];
  const { format, runs } = JSON.parse(await readFile(file, "utf8"));
  if (format !== FORMAT) throw new TypeError(`"${file}" expected format ${FORMAT}, got ${format}`);
  return runs;
}

const nameOf = ({ runtime }) =>
  [`${runtime.name} ${runtime.version}`, ...runtime.flags.map((flag) => `\`${flag}\``)].join(" ");

function chooseRun(runs, wanted) {
  if (!wanted) return runs.at(-1);
  const found = runs.find((run) => nameOf(run).startsWith(wanted));
  if (!found) {
    const names = runs.map(nameOf).join(", ");
    throw new RangeError(`"--runtime" expected one of ${names}, got ${wanted}`);
  }
  return found;
}

/** The best figure of a contender for one case, over its builds, or of one build. */
function bestOf(run, op, shape, contender, { mode = "kernel", build } = {}) {
  const rates = run.rows
    .filter(
      (row) =>
        row.op === op &&
        row.shape === shape &&
        row.contender === contender &&
        row.mode === mode &&
        (build === undefined || row.build === build) &&
        row.best !== null,
    )
    .map(({ best }) => best);
  return rates.length > 0 ? Math.max(...rates) : null;
}

const shapesOf = (run, op) =>
  unique(run.rows.filter((row) => row.op === op).map(({ shape }) => shape));

const contendersOf = (run, op) =>
  unique(run.rows.filter((row) => row.op === op).map(({ contender }) => contender));

const networks = new Map(
  [...INT4_SHAPES, ...GEMM_SHAPES].map((shape) => [shapeName(shape), shape.from]),
);

/** The columns of an operation: Bytelane's builds one by one, every other contender at its best. */
function columnsOf(run, op) {
  return contendersOf(run, op).flatMap((contender) =>
    contender === "Bytelane"
      ? unique(
          run.rows
            .filter((row) => row.op === op && row.contender === contender)
            .map((r) => r.build),
        ).map((build) => ({ contender, build, label: `Bytelane ${build}` }))
      : [{ contender, label: contender }],
  );
}

function wrongOf(run, op, contender) {
  const rows = run.rows.filter((row) => row.op === op && row.contender === contender);
  return rows.some(({ differs }) => differs > 0);
}

function productsTable(run, op) {
  const columns = columnsOf(run, op);
  const head = columns.map(({ contender, label }) =>
    wrongOf(run, op, contender) ? `${label} (wrong values)` : label,
  );
  const shapes = shapesOf(run, op);
  const rows = shapes.map((shape) => {
    const rates = columns.map(({ contender, build }) =>
      bestOf(run, op, shape, contender, { build }),
    );
    const own = bestOf(run, op, shape, "Bytelane");
    const { roof } = run.rows.find((row) => row.op === op && row.shape === shape);
    const share = own === null ? "–" : percent(own / roof);
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
    ]),
  );
  return table(["GB/s", ...contenders], rows);
}

function geometricMean(values) {
  if (values.length === 0) return null;
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Bytelane's advantage over a contender in one operation: mean and least over the shapes. */
function advantage(run, op, contender, mode) {
  const baseline = run.rows.some((row) => row.contender === contender && row.mode === mode)
    ? mode
    : "kernel";
  const ratios = shapesOf(run, op)
    .map((shape) => {
      const own = bestOf(run, op, shape, "Bytelane", { mode });
      const other = bestOf(run, op, shape, contender, { mode: baseline });
      return own && other ? own / other : null;
    })
    .filter((ratio) => ratio !== null);
  return ratios.length > 0 ? { mean: geometricMean(ratios), least: Math.min(...ratios) } : null;
}

function advantagesTable(runs, contenders, mode) {
  const ops = unique(runs.flatMap((run) => run.rows.map(({ op }) => op)));
  const columns = runs.flatMap((run) => contenders.map((contender) => ({ run, contender })));
  const rows = ops
    .map((op) => [op, columns.map(({ run, contender }) => advantage(run, op, contender, mode))])
    .filter(([, cells]) => cells.some((cell) => cell !== null))
    .map(([op, cells]) => [
      `\`${op}\``,
      ...cells.map((cell) => (cell ? `${times(cell.mean)} (${times(cell.least)})` : "–")),
    ]);
  const head = columns.map(({ run, contender }) =>
    contenders.length > 1 ? `${contender}, ${nameOf(run)}` : nameOf(run),
  );
  return table(["", ...head], rows);
}

function roofsTables(runs) {
  const registers = table(
    ["GOPS", ...Object.values(ROOFS)],
    runs.map((run) => [
      nameOf(run),
      ...Object.keys(ROOFS).map((k) => figure(run.roofs.registers[k])),
    ]),
  );
  const rows = runs.flatMap((run) =>
    Object.entries(run.roofs.memory).map(([bytes, rates]) => [
      `${nameOf(run)}, ${bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MB` : `${bytes / 2 ** 10} KB`}`,
      ...Object.keys(STREAMS).map((stream) => figure(rates[stream])),
    ]),
  );
  return [registers, table(["GB/s", ...Object.values(STREAMS)], rows)].join("\n\n");
}

function callsTable(runs) {
  const rows = runs.flatMap((run) =>
    unique(run.rows.map(({ contender }) => contender))
      .filter((contender) => contender !== "plain JS")
      .map((contender) => {
        const of = (op, shape, mode) =>
          run.rows
            .filter((row) => row.contender === contender && row.op === op)
            .filter((row) => row.shape === shape && row.mode === mode)
            .map(({ microseconds }) => microseconds);
        const least = (values) => (values.length > 0 ? Math.min(...values) : null);
        return [
          `${contender}, ${nameOf(run)}`,
          figure(least(of("gemm_u8_i8_i32", "1 × 8 × 16", "kernel"))),
          figure(least(of("gemm_u8_i8_i32", "1 × 8 × 16", "call"))),
          figure(least(of("quantize_f32_i8", "16", "kernel"))),
          figure(least(of("quantize_f32_i8", "16", "call"))),
          figure(least(of("gemm_u8_i8_i32", "32³", "call"))),
          figure(least(of("quantize_f32_i8", "1 K", "call"))),
        ];
      }),
  );
  const head = ["product 1 × 8 × 16, in place", "as called", "quantize 16, in place", "as called"];
  return table(["µs a call", ...head, "32³, as called", "quantize 1 K, as called"], rows);
}

function firstResultsTable(runs) {
  const rows = runs
    .filter(({ firstResults }) => firstResults)
    .flatMap((run) =>
      run.firstResults.map((result) => [
        `${result.contender}, ${nameOf(run)}`,
        ...["import", "create", "run", "best", "median", "first512", "warm512"].map((key) =>
          figure(result[key]),
        ),
      ]),
    );
  const head = ["import", "create", "first 64³", "in all", "median", "first 512³", "warm 512³"];
  return table(["ms in a fresh process", ...head], rows);
}

const PRODUCTS = /^(gemm|linear|top_k)/;

function figures(bench, peers, { runtime, plot }) {
  const all = [...bench, ...peers];
  const { machine } = all[0];
  const dates = unique(all.map(({ date }) => date)).join(", ");
  const parts = [
    `Measured on one core of ${machine.cpu} (${machine.arch}, ${machine.os}), ${dates}, under ` +
      `${unique(all.map(nameOf)).join(", ")}. Best of interleaved samples; ratios compare the best ` +
      "with the best of the same run.",
    "### Roofs of this machine",
    roofsTables(bench.length > 0 ? bench : peers),
  ];
  if (plot)
    parts.push("### Products over size", `![GOPS over the size of square products](${plot})`);
  if (peers.length > 0) {
    const run = chooseRun(peers, runtime);
    const ops = unique(run.rows.map(({ op }) => op));
    parts.push(`### Products beside other runtimes, ${nameOf(run)}, in the kernel`);
    for (const op of ops.filter((name) => PRODUCTS.test(name))) {
      parts.push(`\`${op}\``, productsTable(run, op));
    }
    const streams = ops.filter((name) => !PRODUCTS.test(name));
    if (streams.length > 0) {
      parts.push(
        `### Element-wise work beside other runtimes, ${nameOf(run)}, in the kernel`,
        streamsTable(run, streams),
      );
    }
    const rivals = unique(run.rows.map(({ contender }) => contender)).filter(
      (contender) => contender !== "Bytelane",
    );
    for (const rival of rivals) {
      parts.push(
        `### Times faster than ${rival}: geometric mean over the shapes, and the least`,
        "In the kernel:",
        advantagesTable(peers, [rival], "kernel"),
        "As called, with typed arrays:",
        advantagesTable(peers, [rival], "call"),
      );
    }
    parts.push("### The cost of a call", callsTable(peers));
    parts.push("### Import to first result", firstResultsTable(peers));
  }
  if (bench.length > 0) {
    const run = chooseRun(bench, runtime);
    const ops = unique(run.rows.map(({ op }) => op));
    parts.push(
      "### Times faster than plain JavaScript: geometric mean over the shapes, and the least",
      advantagesTable(bench, ["plain JS"], "kernel"),
      `### Products beside plain JavaScript, ${nameOf(run)}`,
    );
    for (const op of ops.filter((name) => PRODUCTS.test(name))) {
      parts.push(`\`${op}\``, productsTable(run, op));
    }
    const streams = ops.filter((name) => !PRODUCTS.test(name));
    parts.push(
      `### Element-wise work beside plain JavaScript, ${nameOf(run)}`,
      streamsTable(run, streams),
    );
  }
  return parts.join("\n\n");
}

/** GOPS of the square products, a series a contender, for the plot. */
function squares(bench, peers, runtime) {
  const run = chooseRun(peers.length > 0 ? peers : bench, runtime);
  const plain = bench.length > 0 ? chooseRun(bench, runtime) : null;
  const points = [];
  const add = (source, op, contender, build, label) => {
    for (const shape of GEMM_SHAPES.filter(({ m, n, k }) => m === n && n === k)) {
      const gops = source && bestOf(source, op, shapeName(shape), contender, { build });
      if (gops) points.push({ size: shape.m, gops, series: label });
    }
  };
  add(run, "gemm_u8_i8_i32", "Bytelane", undefined, "Bytelane u8·i8");
  add(run, "gemm_i8_w7_i32", "Bytelane", "relaxed", "Bytelane 7-bit weights, relaxed");
  add(run, "gemm_u8_i8_i32", "onnxruntime-web", undefined, "onnxruntime-web u8·i8");
  add(run, "gemm_i8_i8_i32", "onnxruntime-web", undefined, "onnxruntime-web i8·i8");
  add(run, "gemm_i8_i8_i8", "LiteRT.js", undefined, "LiteRT.js i8·i8");
  add(plain, "gemm_u8_i8_i32", "plain JS", undefined, "plain JavaScript");
  return { points, roof: run.roofs.registers.dot, title: `${nameOf(run)}, ${run.machine.cpu}` };
}

async function main() {
  const { values } = parseArgs({
    options: {
      bench: { type: "string" },
      peers: { type: "string" },
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
  const bench = await readRuns(values.bench);
  const peers = await readRuns(values.peers);
  if (bench.length + peers.length === 0) {
    throw new TypeError('"--bench" or "--peers" expected a file with figures, got none');
  }
  const page = await readFile(values.docs, "utf8").catch(() => SKELETON);
  const [start, end] = MARKS.map((mark) => page.indexOf(mark));
  if (start < 0 || end < start) {
    throw new RangeError(
      `"--docs" expected a page with ${MARKS.join(" and ")}, got ${values.docs}`,
    );
  }
  if (values.plot) {
    const { drawSizes } = await import("./peers/plot.mjs");
    await writeFile(values.plot, await drawSizes(squares(bench, peers, values.runtime)));
  }
  const body = figures(bench, peers, {
    runtime: values.runtime,
    plot: values.plot ? path.relative(path.dirname(values.docs), values.plot) : "",
  });
  const head = page.slice(0, start + MARKS[0].length);
  await writeFile(values.docs, `${head}\n\n${body}\n\n${page.slice(end)}`);
}

try {
  await main();
} catch (fault) {
  console.error(fault.message);
  process.exitCode = 1;
}
