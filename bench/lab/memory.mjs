import { runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";
import { machine, runtime } from "../machine.mjs";

const HELP = `What a layer takes of memory while it is made, and how long it takes to save it.

  saveLayer4096OverCreate   time of saveLayers over createLinear, a layer of 4096 x 4096 in 8 bits
  layerPeakOverFinal        the memory that a layer has left behind over the layer's bytes: the
                            largest of all ways to make one; a tensor of weights is not counted

  --size N      inputs and outputs of the layers. Default 4096
  --json FILE   also writes the figures as one JSON object`;

const ORIENTATIONS = ["in-out", "out-in"];

/** Reals that differ from row to row. */
function weightsOf(length) {
  const weights = new Float32Array(length);
  for (let i = 0, x = 1; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    weights[i] = x / 2 ** 32;
  }
  return weights;
}

/** Ways to make a layer: from an array or a tensor of reals, from codes, from a matrix. */
function waysOf({ createLinear, quantizeInt4, tensor }, size, weights) {
  const shape = [size, size];
  const codes = Int8Array.from(weights, (w) => Math.round(w * 254));
  const layer = (b, data, orientation, format = "int8") =>
    createLinear(b, { weights: data, shape, orientation, format, ...scaleOf(data) });
  const scaleOf = (data) => (data === codes ? { scale: 0.004 } : {});
  const ways = [];
  for (const orientation of ORIENTATIONS) {
    for (const format of ["int8", "int4"]) {
      ways.push([
        `${format} from an array, ${orientation}`,
        0,
        (b) => layer(b, weights, orientation, format),
      ]);
      ways.push([
        `${format} from a tensor, ${orientation}`,
        weights.byteLength,
        (b) => layer(b, tensor(b, "f32", shape, weights), orientation, format),
      ]);
    }
    ways.push([`int8 from codes, ${orientation}`, 0, (b) => layer(b, codes, orientation)]);
  }
  let matrix;
  ways.push([
    "int4 from a matrix",
    0,
    (b, other) => {
      matrix ??= quantizeInt4(other, weights, { shape });
      return createLinear(b, { format: "int4", weights: matrix });
    },
  ]);
  return ways;
}

/** The bytes that an instance has reserved beside the weights, over the layer's bytes. */
function peakOf(api, [name, given, make]) {
  const instance = api.createBytelaneSync({ initialMemory: 0 });
  const other = api.createBytelaneSync();
  const before = instance.bytesReserved;
  const layer = make(instance, other);
  const peak = instance.bytesReserved - before - given;
  const row = { name, bytes: layer.byteLength, peak, ratio: peak / layer.byteLength };
  instance.dispose();
  other.dispose();
  return row;
}

/** Least times of making and saving one layer, in turns. */
function timesOf({ createBytelaneSync, createLinear, saveLayers }, size, weights) {
  const instance = createBytelaneSync();
  const least = { create: Infinity, save: Infinity };
  for (let round = 0; round < 4; round++) {
    const start = performance.now();
    const fc = createLinear(instance, { weights, shape: [size, size] });
    const made = performance.now();
    saveLayers(instance, { fc });
    const saved = performance.now();
    least.create = Math.min(least.create, made - start);
    least.save = Math.min(least.save, saved - made);
    fc.dispose();
  }
  instance.dispose();
  return least;
}

async function main({ size: text, json }) {
  const size = Number(text);
  if (!Number.isInteger(size) || size < 8 || size > 8192) {
    throw new RangeError(`"--size" expected an integer in [8, 8192], got ${text}`);
  }
  const api = {
    ...(await import("../../dist/index.js")),
    ...(await import("../../dist/formats.js")),
  };
  const weights = weightsOf(size * size);
  const ways = waysOf(api, size, weights);
  const progress = createProgress("ways", ways.length + 1);
  const rows = ways.map((way, i) => {
    progress(i, way[0]);
    return peakOf(api, way);
  });
  progress(ways.length, "times");
  const times = timesOf(api, size, weights);
  progress.clear();
  const mb = (bytes) => (bytes / 1e6).toFixed(1);
  console.log(
    textTable([
      ["layer", "MB", "memory, MB", "ratio"],
      ...rows.map(({ name, bytes, peak, ratio }) => [name, mb(bytes), mb(peak), ratio.toFixed(3)]),
    ]),
  );
  console.log(`create ${times.create.toFixed(0)} ms, save ${times.save.toFixed(0)} ms`);
  const figures = {
    [`saveLayer${size}OverCreate`]: times.save / times.create,
    layerPeakOverFinal: Math.max(...rows.map(({ ratio }) => ratio)),
  };
  for (const [key, value] of Object.entries(figures)) console.log(`${key} ${value.toFixed(3)}`);
  writeJson(json, { machine: machine(), runtime: runtime(), figures, rows, times });
}

await runCommand({ help: HELP, options: { size: { type: "string", default: "4096" } } }, main);
