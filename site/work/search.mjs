/** The worker of the search playground: the encoder, the index, recall over held-out queries. */
import { createBytelane } from "bytelane";
import { loadLayers } from "bytelane/formats";
import { openIndex, topK } from "bytelane/search";
import { createQuantizedOps } from "../../eval/search/quantized.mjs";
import { openEncoder } from "../../eval/search/saved.mjs";
import { createTokenizer } from "../../eval/search/tokenizer.mjs";
import { serveCalls } from "./calls.mjs";

const MOST_TOKENS = 128;

let state;

const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1];

/** Fetches a file of the data folder, and says how far the bytes are. */
async function load(base, name) {
  const response = await fetch(`${base}${name}`);
  if (!response.ok) throw new Error(`${name} is missing here (${response.status})`);
  return new Uint8Array(await response.arrayBuffer());
}

serveCalls({
  async open(base) {
    const text = (bytes) => new TextDecoder().decode(bytes);
    const instance = await createBytelane();
    const names = ["encoder.safetensors", "vocabulary.json", "index.safetensors", "glosses.txt"];
    const files = await Promise.all(
      [...names, "queries.f32", "queries.json"].map((name) => load(base, name)),
    );
    const [encoderFile, vocabulary, indexFile, glosses, queries, truth] = files;
    const ops = createQuantizedOps(instance, () => 8);
    const encoder = openEncoder(loadLayers(instance, encoderFile), ops);
    const tokenizer = createTokenizer(JSON.parse(text(vocabulary)));
    const index = await openIndex(instance, indexFile);
    state = {
      ...{ encoder, tokenizer, index },
      glosses: text(glosses)
        .split("\n")
        .map((line) => line.split("\t")),
      queries: new Float32Array(queries.buffer),
      truth: JSON.parse(text(truth)),
    };
    const { count, dimensions, byteLength } = index;
    return { result: { count, dimensions, byteLength, encoderBytes: encoderFile.length } };
  },

  /** The best glosses for a text, and how long the two parts of the answer took. */
  async find({ text, k, bits, oversample }) {
    const { encoder, tokenizer, index, glosses } = state;
    const start = performance.now();
    const ids = Int32Array.from(tokenizer.encode(text).slice(0, MOST_TOKENS));
    const vector = encoder.encode(ids);
    const encoded = performance.now();
    const found = topK(index, vector, k, { bits, oversample });
    const end = performance.now();
    const rows = Array.from(found.ids, (id, i) => {
      const [word, gloss] = glosses[id];
      return { id, word, gloss, score: found.scores[i] };
    });
    return { result: { rows, encoding: encoded - start, searching: end - encoded } };
  },

  /** Recall of float32's best over the held-out queries, and the median time of a search. */
  async judge({ bits, oversample }) {
    const { index, queries, truth } = state;
    const { dimensions, best } = truth;
    const times = [];
    let hits = 0;
    truth.truth.forEach((expected, i) => {
      const query = queries.subarray(i * dimensions, (i + 1) * dimensions);
      const start = performance.now();
      const { ids } = topK(index, query, best, { bits, oversample });
      times.push(performance.now() - start);
      const found = new Set(ids);
      hits += expected.filter((id) => found.has(id)).length;
    });
    const bytes = (index.count * dimensions * bits) / 8;
    const rescored = Math.ceil(best * oversample) * dimensions;
    return {
      result: {
        ...{ recall: hits / (truth.truth.length * best), milliseconds: median(times) },
        ...{ bytes: bytes + rescored, queries: truth.truth.length },
      },
    };
  },
});
