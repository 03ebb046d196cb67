/**
 * The quantized encoder as one file: layers and table as saveLayers writes them, and what lies
 * between them as JSON. Loading needs neither the float weights nor a calibration, and nothing of
 * Node, so that a page does it too.
 */
import { createEncoder } from "./encoder.mjs";

const DENSE = ["qkv", "output", "residual", "expand", "contract"];
const NORMS = ["inputNorm", "feedForwardNorm"];

const shapeOf = (dense) => dense && { weight: { shape: dense.weight.shape } };
const listOf = ({ data }) => ({ data: [...data] });

/** What `createEncoder` reads of the weights besides those that the ops prepare. */
function describe({ embedding, heads, normEpsilon, lengthFloor, projection, ...rest }) {
  return {
    ...{ heads, normEpsilon, lengthFloor },
    inverseTimescales: [...rest.inverseTimescales],
    embedding: { shape: embedding.shape },
    layers: rest.layers.map((layer) => ({
      queryScale: layer.queryScale,
      ...Object.fromEntries(DENSE.map((name) => [name, shapeOf(layer[name])])),
      ...Object.fromEntries(
        NORMS.map((name) => {
          const { gain, bias } = layer[name];
          return [name, { gain: listOf(gain), bias: listOf(bias) }];
        }),
      ),
    })),
    projection: shapeOf(projection),
  };
}

/** Ops that also note what they prepare: `storable` is all of it, named in order. */
export function recordOps(ops) {
  const storable = {};
  let count = 0;
  return {
    storable,
    ops: {
      ...ops,
      // a getter, which a copy would have read too early
      get weightBytes() {
        return ops.weightBytes;
      },
      prepareTable(weight) {
        storable.table = ops.prepareTable(weight);
        return storable.table;
      },
      prepareDense(...given) {
        const layer = ops.prepareDense(...given);
        storable[`dense.${count++}`] = layer;
        return layer;
      },
    },
  };
}

/** The metadata that goes with them into the file. */
export const metadataOf = (weights) => ({ encoder: JSON.stringify(describe(weights)) });

/**
 * The encoder of a file that has been loaded.
 *
 * @param {import("bytelane/formats").LoadedLayers} loaded
 * @param {import("./encoder.mjs").Ops} ops those of `createQuantizedOps`
 */
export function openEncoder({ layers, metadata }, ops) {
  const weights = JSON.parse(metadata.get("encoder"));
  for (const layer of weights.layers) {
    for (const { gain, bias } of NORMS.map((name) => layer[name])) {
      gain.data = Float32Array.from(gain.data);
      bias.data = Float32Array.from(bias.data);
    }
  }
  let count = 0;
  return createEncoder(weights, {
    ...ops,
    prepareTable: () => layers.get("table"),
    prepareDense: () => layers.get(`dense.${count++}`),
  });
}
