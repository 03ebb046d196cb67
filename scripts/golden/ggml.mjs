/**
 * Runs ggml on blocks of 32: the reference that weights are quantized by, and the code for this
 * processor.
 */
import path from "node:path";
import * as cases from "./cases.mjs";
import { ask } from "./python.mjs";

const FORMATS = ["q8_0", "q4_0", "q4_1"];
const EVEN = "for AVX2 ggml multiplies by 127/amax and takes ties to even";

export async function run({ load, progress }) {
  progress("ggml");
  const { folder } = await load("@node-llama-cpp/linux-x64");
  const requests = FORMATS.flatMap((format) => [
    { operation: "blocks", item: { name: format, format, by: "reference", x: cases.blocks } },
  ]);
  requests.push({
    operation: "blocks",
    item: {
      name: "q8_0 by the processor's code",
      format: "q8_0",
      by: "processor",
      x: cases.blocks,
    },
  });
  const { versions, answers } = ask("ggml_reference.py", requests, {
    packages: "Debian's python3-numpy",
    environment: { GGML_FOLDER: path.join(folder, "bins", "linux-x64") },
  });
  const vectors = requests.map(({ item }, i) => {
    const { by, ...rest } = item;
    const variant = by === "processor";
    return {
      ...{ operation: "blocks", profile: "ggml", item: rest, outputs: answers[i] },
      ran: [variant ? `${versions.ran}, ${versions.processor}` : versions.ran],
      refusal: variant ? EVEN : undefined,
    };
  });
  return { reference: "ggml", vectors };
}
