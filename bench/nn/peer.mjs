/** onnxruntime-web as an optional peer of the benches. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** The package on one thread; undefined, with a line on stderr, where it is not installed. */
export async function importPeer() {
  const require = createRequire(new URL("../peers/package.json", import.meta.url));
  try {
    const ort = await import(pathToFileURL(require.resolve("onnxruntime-web")).href);
    const module = ort.InferenceSession ? ort : ort.default;
    module.env.wasm.numThreads = 1;
    module.env.logLevel = "error";
    return module;
  } catch (fault) {
    process.stderr.write(`without onnxruntime-web: ${fault.message.split("\n")[0]}\n`);
    return undefined;
  }
}
