/** Runs the rule of sentence-transformers in numpy. */
import * as cases from "./cases.mjs";
import { ask } from "./python.mjs";

export async function run({ progress }) {
  progress("sentence-transformers");
  const requests = ["i8", "u8"].map((dtype) => ({
    operation: "embeddings",
    item: { name: `embeddings to ${dtype}`, dtype, ...cases.embeddings },
  }));
  const { versions, answers } = ask("sentence_transformers_reference.py", requests, {
    packages: "Debian's python3-numpy",
  });
  const vectors = requests.map(({ operation, item }, i) => {
    // what is kept are the ranges, not the embeddings that they came from
    const { min, max, start, scale, q } = answers[i];
    const { calibration, ...rest } = item;
    return {
      ...{ operation, profile: "sentence-transformers", ran: [versions.ran] },
      item: { ...rest, min, max },
      outputs: { start, scale, q },
    };
  });
  return { reference: "sentence-transformers", vectors };
}
