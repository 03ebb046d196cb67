/** Models in onnxruntime-node and onnxruntime-web, one thread each. */
import { createRandom, normalOf } from "../../tools/random.mjs";

export async function openRuntimes() {
  const node = (await import("onnxruntime-node")).default;
  const web = await import("onnxruntime-web");
  web.env.wasm.numThreads = 1;
  web.env.logLevel = "fatal";
  return { node, web };
}

const OPTIONS = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 };

/** Input of a graph: reals near normal, or indices below a bound. */
export function inputOf({ dims, indices, input = "x" }, seed = 3) {
  const random = createRandom(seed);
  const count = dims.reduce((product, size) => product * size, 1);
  if (indices === undefined) {
    const data = Float32Array.from({ length: count }, () => normalOf(random));
    return { [input]: { dims, data, type: "float32" } };
  }
  const data = BigInt64Array.from({ length: count }, () => BigInt(Math.floor(random() * indices)));
  return { [input]: { dims, data, type: "int64" } };
}

/** A model that is ready: its first output for feeds, and the time of the fastest of a few runs. */
export async function openModel(runtime, model) {
  const session = await runtime.InferenceSession.create(model, OPTIONS);
  const run = async (feed) => {
    const feeds = {};
    for (const [name, { dims, data, type }] of Object.entries(feed)) {
      feeds[name] = new runtime.Tensor(type, data, dims);
    }
    const values = await session.run(feeds);
    return values[session.outputNames[0]];
  };
  const timed = async (feed, times = 3) => {
    let least = Number.POSITIVE_INFINITY;
    let output;
    for (let i = 0; i < times; i++) {
      const started = performance.now();
      output = await run(feed);
      least = Math.min(least, performance.now() - started);
    }
    return { data: Float32Array.from(output.data), milliseconds: least };
  };
  return { run, timed, release: () => session.release() };
}

/** Signal over noise in dB. */
export function sqnr(wanted, got) {
  let [signal, noise] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    signal += wanted[i] ** 2;
    noise += (wanted[i] - got[i]) ** 2;
  }
  return noise > 0 ? 10 * Math.log10(signal / noise) : Number.POSITIVE_INFINITY;
}
