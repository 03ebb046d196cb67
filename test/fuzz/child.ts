/** Fuzzed calls in a process of their own: fails at the first finding. For test/mutants. */
import v8 from "node:v8";
import { fuzz } from "./run.ts";

if (Number(process.versions.node.split(".")[0]) < 22) {
  v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
}
const { findings, figures } = await fuzz({
  ...{ calls: Number(process.argv[2]), seed: 1, only: [] },
  onProgress() {},
});
// a build that an instance refuses leaves fewer tiers
process.exit(findings.length > 0 || figures.leakedBytes !== 0 || figures.tiers < 2 ? 1 : 0);
