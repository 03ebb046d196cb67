import { fileURLToPath } from "node:url";
import { selectCases } from "../cases.mjs";
import { runCommand } from "../command.mjs";
import { openBytelane } from "../contenders/bytelane.mjs";
import { measureFirstResults } from "./first-result.mjs";
import { openLiteRt } from "./litert.mjs";
import { ONNX_OPS, openOnnxRuntime } from "./onnxruntime.mjs";

await runCommand(fileURLToPath(import.meta.url), {
  name: "bench:peers",
  about: "Bytelane against onnxruntime-web, LiteRT.js and onnxruntime-node, one thread each.",
  cases: (options) => selectCases({ ...options, ops: ONNX_OPS }),
  open: async () => {
    const runtimes = [
      await openBytelane(),
      await openOnnxRuntime("web"),
      await openLiteRt(),
      await openOnnxRuntime("node"),
    ];
    return async (item) => {
      const contenders = [];
      for (const contend of runtimes) contenders.push(...(await contend(item)));
      return contenders;
    };
  },
  after: async (run, { quick }) => {
    run.firstResults = await measureFirstResults({ rounds: quick ? 3 : 11 });
  },
});
