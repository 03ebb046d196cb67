import { fileURLToPath } from "node:url";
import { selectCases } from "../cases.mjs";
import { runBench } from "../command.mjs";
import { BYTELANE_START, openBytelane } from "../contenders/bytelane.mjs";
import { LITERT_OPS, LITERT_START, openLiteRt } from "./litert.mjs";
import { ONNX_OPS, ONNX_STARTS, openOnnxRuntime } from "./onnxruntime.mjs";

// Weights of 7 bits have no rival: they are here for the plot.
const OPS = [...ONNX_OPS, ...LITERT_OPS, "gemm_i8_w7_i32"];

await runBench(fileURLToPath(import.meta.url), {
  name: "bench:peers",
  about: "Bytelane against onnxruntime-web, LiteRT.js and onnxruntime-node, one thread each.",
  cases: (options) => selectCases({ ...options, ops: OPS }),
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
  starters: [BYTELANE_START, LITERT_START, ...ONNX_STARTS],
});
