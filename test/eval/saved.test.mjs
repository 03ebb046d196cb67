/** The encoder that was saved gives the vectors of the one that was quantized. */
import { createBytelaneSync } from "bytelane";
import { loadLayers, saveLayers } from "bytelane/formats";
import { expect, it } from "vitest";
import { loadTokenizer } from "../../eval/search/corpus.mjs";
import { createEncoder } from "../../eval/search/encoder.mjs";
import { createQuantizedOps } from "../../eval/search/quantized.mjs";
import { metadataOf, openEncoder, recordOps } from "../../eval/search/saved.mjs";
import { loadWeights } from "../../eval/search/weights.mjs";

it("gives the same vectors, to the bit", () => {
  const instance = createBytelaneSync();
  const weights = loadWeights();
  const { ops, storable } = recordOps(createQuantizedOps(instance, () => 8));
  const made = createEncoder(weights, ops);
  const file = saveLayers(instance, storable, metadataOf(weights));
  expect(file.length).toBeLessThan(weights.bytes / 3.5);
  const fresh = createBytelaneSync();
  const opened = openEncoder(
    loadLayers(fresh, file),
    createQuantizedOps(fresh, () => 8),
  );
  const { encode } = loadTokenizer();
  for (const text of ["", "a table", "how do I add a column to a table of many rows?"]) {
    expect(opened.encode(encode(text))).toEqual(made.encode(encode(text)));
  }
  instance.dispose();
  fresh.dispose();
});
