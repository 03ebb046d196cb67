/** Errors of GELU, softmax and norms against f64, beside onnxruntime-web's. HELP says how. */
import { createBytelane } from "bytelane";
import { activate, layerNorm, logSoftmax, rmsNorm, softmax } from "bytelane/nn";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { hostileRows } from "../../tools/hostile-rows.mjs";
import { onnxModel } from "../../tools/models/onnx.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { createRandom } from "../../tools/random.mjs";
import { textTable } from "../../tools/table.mjs";
import * as exact from "./exact.mjs";
import { importPeer } from "./peer.mjs";

const HELP = `
The largest errors of GELU, softmax, log-softmax, layer norm and RMS norm over rows.

  node bench/nn/errors.mjs

An error is |y - f64| in units of 2^-24 of the row's largest magnitude: of the result, for GELU of
the input, and at least 2^-126, since f32 has no finer steps below. Results that f32 cannot hold
count as right where they are infinite; NaN counts as the whole magnitude.

"ordinary" are 500 rows of 1 to 1024 values in [-4, 4). "hostile" are the rows of
tools/hostile-rows.mjs: far from zero, equal, denormal, of 1e-30 to 1e38.
onnxruntime-web comes from bench/peers (npm --prefix bench/peers ci).

  --tier NAME   simd, relaxed or direct (default: what createBytelane chooses)
  --json FILE   also writes { figures }`;

const UNIT = 2 ** -24;
const LEAST_NORMAL = 2 ** -126;
const EPSILON = Math.fround(1e-5);
const [ORDINARY_ROWS, ORDINARY_LENGTH] = [500, 1024];

const normNode = (op) => ({ op, attributes: { axis: -1, epsilon: { f: EPSILON } }, gained: true });
const lastAxis = (op) => ({ op, attributes: { axis: -1 } });

/** Each by name: the f64 formula, ours, and the node of ONNX. */
const FUNCTIONS = {
  gelu: {
    ...{ ofInput: true, exact: (row) => row.map(exact.gelu), node: { op: "Gelu" } },
    ours: (instance, row) => activate(instance, row, "gelu"),
  },
  geluTanh: {
    ...{ ofInput: true, exact: (row) => row.map(exact.geluTanh) },
    ours: (instance, row) => activate(instance, row, "gelu-tanh"),
    node: { op: "Gelu", attributes: { approximate: "tanh" } },
  },
  softmax: { exact: exact.softmax, ours: softmax, node: lastAxis("Softmax") },
  logSoftmax: { exact: exact.logSoftmax, ours: logSoftmax, node: lastAxis("LogSoftmax") },
  layerNorm: {
    exact: (row) => exact.norm(row, EPSILON, true),
    ours: (instance, row) => layerNorm(instance, row, { epsilon: EPSILON }),
    node: normNode("LayerNormalization"),
  },
  rmsNorm: {
    exact: (row) => exact.norm(row, EPSILON, false),
    ours: (instance, row) => rmsNorm(instance, row, { epsilon: EPSILON }),
    node: normNode("SimplifiedLayerNormalization"),
  },
};

/** A function that runs one node of ONNX on a row; a session per length is kept. */
function peerOf(ort, { op, attributes = {}, gained }) {
  const sessions = new Map();
  const open = (n) => {
    const shape = { type: "f32", dims: [1, n] };
    const gain = { type: "f32", dims: [n], data: new Float32Array(n).fill(1) };
    const model = onnxModel({
      nodes: [{ op, attributes, inputs: gained ? ["x", "gain"] : ["x"], outputs: ["y"] }],
      ...{ inputs: { x: shape }, outputs: { y: shape } },
      ...{ initializers: gained ? { gain } : {}, version: op === "Gelu" ? 20 : 19 },
    });
    return ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  };
  return async (row) => {
    const n = row.length;
    if (!sessions.has(n)) sessions.set(n, await open(n));
    const { y } = await sessions.get(n).run({ x: new ort.Tensor("float32", row, [1, n]) });
    return y.data;
  };
}

const largest = (row) => row.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

/** The largest error of a row in units. A NaN or an infinity is wrong by the whole magnitude. */
function errorOf(got, right, magnitude) {
  const whole = Math.max(magnitude, LEAST_NORMAL);
  let worst = 0;
  for (let i = 0; i < right.length; i++) {
    if (Object.is(Math.fround(right[i]) + 0, got[i] + 0)) continue;
    const error = Math.abs(got[i] - right[i]);
    worst = Math.max(worst, Number.isFinite(error) ? error : whole);
  }
  return worst / (UNIT * whole);
}

function* ordinaryRows() {
  const random = createRandom(24);
  for (let i = 0; i < ORDINARY_ROWS; i++) {
    const n = 1 + Math.floor(random() * ORDINARY_LENGTH);
    yield { name: `ordinary, ${n}`, row: Float32Array.from({ length: n }, () => random() * 8 - 4) };
  }
}

const finite = (x) => Number.isFinite(Math.fround(x));

await runCommand(
  { help: HELP, options: { tier: { type: "string", default: "auto" } } },
  async ({ tier, json }) => {
    const instance = await createBytelane({ tier });
    const ort = await importPeer();
    const kinds = { Ordinary: [...ordinaryRows()], Hostile: [...hostileRows()] };
    const all = Object.values(kinds).flat().length * Object.keys(FUNCTIONS).length;
    const progress = createProgress("rows", all);
    const figures = {};
    let done = 0;
    for (const [key, { exact: formula, ours, node, ofInput }] of Object.entries(FUNCTIONS)) {
      const peer = ort && peerOf(ort, node);
      const note = (name, error) => {
        figures[name] = Math.max(figures[name] ?? 0, error);
      };
      for (const [kind, rows] of Object.entries(kinds)) {
        for (const { row } of rows) {
          const right = formula(Float64Array.from(row));
          const magnitude = largest(ofInput ? row : right.filter(finite));
          note(`${key}${kind}`, errorOf(ours(instance, row), right, magnitude));
          if (peer) note(`${key}${kind}OrtWeb`, errorOf(await peer(row), right, magnitude));
          progress(++done, key);
        }
      }
    }
    const text = (error) => (error === undefined ? "" : error.toFixed(2));
    const columns = ["Ordinary", "OrdinaryOrtWeb", "Hostile", "HostileOrtWeb"];
    const lines = Object.keys(FUNCTIONS).map((key) => [
      ...[key, ...columns.map((column) => text(figures[key + column]))],
    ]);
    const head = ["2^-24 of the row", "ordinary", "ort-web", "hostile", "ort-web"];
    console.log(textTable([head, ...lines]));
    writeJson(json, { figures, tier: instance.tier });
  },
);
