/** What lies between the products, against onnxruntime-web and plain JavaScript. */
import { createBytelane } from "bytelane";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { onnxModel } from "../../tools/models/onnx.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";
import { machine, runtime } from "../machine.mjs";
import { createCases } from "./cases.mjs";
import { importPeer } from "./peer.mjs";

/** Nodes of the longer model: the difference of two is what a node costs. */
const NODES = 9;
/** Calls of a turn: all but the first find their data in the cache, whoever came before. */
const CALLS = 4;

const HELP = `Convolutions, softmax, norms and activations on one thread.

  npm run bench:nn [-- --json FILE] [-- --rounds N] [-- --only WORD]

Compares with onnxruntime-web (npm --prefix bench/peers ci) and with plain JavaScript.
Contenders take turns of ${CALLS} calls, and the least time of each counts. Of onnxruntime-web it is
the lesser of a call and of one more node in a call.

  --rounds N    turns of each contender (default 40)
  --only WORD   cases whose names contain it
  --tier NAME   simd or relaxed (default: what createBytelane chooses)
  --json FILE   also writes { figures, rows }`;

const TENSOR = { f32: "float32", u8: "uint8", i8: "int8" };

/** Runs one node, and a model of NODES of them. */
async function openNode(ort, { op, inputs, initializers, attributes, output }) {
  const sessions = [];
  const feeds = {};
  for (const [name, { type, dims, data }] of Object.entries(inputs)) {
    feeds[name] = new ort.Tensor(TENSOR[type], data, dims);
  }
  const order = op === "QLinearConv" ? ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"] : undefined;
  const operands = order ?? [...Object.keys(inputs), ...Object.keys(initializers)];
  for (const count of [1, NODES]) {
    const nodes = Array.from({ length: count }, (_, i) => ({
      ...{ op, inputs: operands, outputs: [`y${i}`], attributes },
    }));
    const version = op === "Gelu" ? 20 : 19;
    const model = onnxModel({ nodes, inputs, outputs: { y0: output }, initializers, version });
    const session = await ort.InferenceSession.create(model, {
      executionProviders: ["wasm"],
      // equal nodes must not be merged: they are there to be timed
      graphOptimizationLevel: count === 1 ? "all" : "disabled",
      intraOpNumThreads: 1,
    });
    sessions.push(() => session.run(feeds));
  }
  return sessions;
}

async function timeOf(run) {
  const start = performance.now();
  const result = run();
  if (result instanceof Promise) await result;
  return performance.now() - start;
}

/** The least times of one case, in milliseconds. */
async function measure(ort, item, rounds) {
  const contenders = { ours: item.run };
  if (item.gemm) contenders.gemm = item.gemm;
  if (item.js) contenders.js = item.js;
  if (item.other) contenders.other = item.other;
  if (ort && item.node) [contenders.once, contenders.many] = await openNode(ort, item.node);
  const best = Object.fromEntries(Object.keys(contenders).map((name) => [name, Infinity]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(contenders)) {
      for (let call = 0; call < CALLS; call++) {
        best[name] = Math.min(best[name], await timeOf(run));
      }
    }
  }
  const { ours, gemm, js, other, once, many } = best;
  const peer = once && Math.min(once, Math.max((many - once) / (NODES - 1), once / 1000));
  return { ours, gemm, js, other, peer };
}

/** Ratios by the names of the figures; of several cases with one name the least. */
function figuresOf(results) {
  const figures = {};
  const note = (key, value) => {
    if (Number.isFinite(value)) figures[key] = Math.min(figures[key] ?? Infinity, value);
  };
  for (const { item, ours, gemm, js, other, peer } of results) {
    if (other) note(item.key, item.isShare ? ours / other : other / ours);
    if (gemm) note("conv3OfGemm", gemm / ours);
    if (item.js) {
      note(`${item.key}OverJs`, js / ours);
      if (peer) note(`${item.key}OverOrtWeb`, peer / ours);
    } else if (peer) note(item.key, peer / ours);
  }
  return figures;
}

await runCommand(
  {
    help: HELP,
    options: {
      rounds: { type: "string", default: "40" },
      only: { type: "string", default: "" },
      tier: { type: "string", default: "auto" },
    },
  },
  async ({ rounds, only, tier, json }) => {
    const turns = integerOption("rounds", rounds, 1, 1e6);
    const instance = await createBytelane({ tier });
    const ort = await importPeer();
    const cases = createCases(instance).filter(({ name }) => name.includes(only));
    const progress = createProgress("bench:nn", cases.length);
    const results = [];
    for (const [i, item] of cases.entries()) {
      progress(i, item.name);
      results.push({ item, ...(await measure(ort, item, turns)) });
    }
    progress(cases.length);
    const time = (ms) => (ms === undefined ? "" : (ms * 1000).toFixed(0));
    const ratio = (other, ours) => (other === undefined ? "" : (other / ours).toFixed(2));
    const rows = results.map(({ item, ours, gemm, js, other, peer }) => [
      ...[item.name, time(ours), (item.work / ours / 1e6).toFixed(1), ratio(peer, ours)],
      ...[ratio(js, ours), ratio(gemm ?? other, ours)],
    ]);
    const head = ["", "µs", "G/s", "× ort-web", "× JS", "× gemm, other"];
    console.log(textTable([head, ...rows]));
    const figures = figuresOf(results);
    console.log(JSON.stringify(figures, null, 1));
    writeJson(json, {
      ...{ figures, machine: machine(), runtime: runtime(), tier: instance.tier },
      rows: results.map(({ item, ...times }) => ({ name: item.name, ...times })),
    });
  },
);
