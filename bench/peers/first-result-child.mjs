/**
 * Run by first-result.mjs in a fresh process, with the name of a contender: prints the
 * milliseconds of each step as JSON. Models and data are made before the clock starts.
 */
import { findCase } from "../cases.mjs";
import { importBytelane } from "../contenders/bytelane.mjs";
import { callModel, denseModel, flip, importLiteRt } from "./litert.mjs";
import { feedsOf, importOnnxRuntime, modelOf, nodesOf, openSession } from "./onnxruntime.mjs";

const WARM_CALLS = 40;

/** For ONNX Runtime: (item) → what the clock does not count, then import → create → run. */
const onnxRuntime = (kind) => ({
  op: "gemm_u8_i8_i32",
  prepare: (item) => {
    const [node] = nodesOf(item);
    return { node, bytes: modelOf(node, 1) };
  },
  load: () => importOnnxRuntime(kind),
  create: async (ort, { node, bytes }) => {
    const session = await openSession(ort, kind === "web", bytes);
    const feeds = feedsOf(ort, node);
    return () => session.run(feeds);
  },
});

const CONTENDERS = {
  Bytelane: {
    op: "gemm_u8_i8_i32",
    prepare: ({ data }) => data,
    load: async () => ({ api: await importBytelane(), lane: null }),
    create: async (loaded, data) => {
      const { api } = loaded;
      loaded.lane ??= await api.createBytelane();
      const { lhs, lhsZeroPoint, weights, m, n, k } = data;
      const { lane } = loaded;
      const left = { data: lhs, zeroPoint: lhsZeroPoint };
      const right = { data: api.packMatrix(lane, weights, { shape: [k, n] }) };
      return () => {
        const out = new Int32Array(m * n);
        return api.matmul(lane, left, right, { m, n, depth: k, out });
      };
    },
  },
  "onnxruntime-web": onnxRuntime("web"),
  "onnxruntime-node": onnxRuntime("node"),
  "LiteRT.js": {
    op: "gemm_i8_i8_i8",
    prepare: ({ data }) => ({
      bytes: denseModel(data, 1),
      values: flip(data.lhs, Uint8Array),
      dims: [data.m, data.k],
    }),
    load: importLiteRt,
    create: async (litert, { bytes, values, dims }) => {
      const model = await litert.open(bytes);
      const input = new litert.Tensor(values, dims);
      return () => callModel(model, input);
    },
  },
};

const { op, prepare, load, create } = CONTENDERS[process.argv[2]];
const small = prepare(findCase(op, "64³"));
const large = prepare(findCase(op, "512³"));

const start = performance.now();
const loaded = await load();
const imported = performance.now();
const call = await create(loaded, small);
const created = performance.now();
await call();
const end = performance.now();

const callLarge = await create(loaded, large);
const times = [];
for (let i = 0; i < WARM_CALLS; i++) {
  const before = performance.now();
  await callLarge();
  times.push(performance.now() - before);
}

console.log(
  JSON.stringify({
    import: imported - start,
    create: created - imported,
    run: end - created,
    total: end - start,
    first512: times[0],
    warm512: Math.min(...times),
  }),
);
process.exit(0);
