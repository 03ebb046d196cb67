/** The upscaler of eval/upscale: its program, its ONNX graph, and how pictures are judged. */
import { createBytelaneSync } from "bytelane";
import { openOnnx } from "bytelane/onnx";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeGraph } from "../../eval/upscale/graph.mjs";
import { psnr, samePixels } from "../../eval/upscale/judge.mjs";
import { observeInputs } from "../../eval/upscale/observe.mjs";
import { BLOCKS, createUpscaler } from "../../eval/upscale/upscaler.mjs";
import { createRandom } from "../../tools/random.mjs";

const SIDE = 6;
const WIDTH = 4;
const random = createRandom(11);
const reals = (length, size = 1) => Float32Array.from({ length }, () => size * (2 * random() - 1));

/** A convolution's weights [height, width, in, out], small enough that results stay in range. */
function layer(kernel, inputs, outputs) {
  const shape = [kernel, kernel, inputs, outputs];
  const count = kernel * kernel * inputs;
  return { weights: reals(count * outputs, 1.5 / Math.sqrt(count)), shape, bias: reals(outputs) };
}

/** Weights of the network, with four channels instead of 64. */
function makeWeights() {
  const layers = {
    ...{ F_m1: layer(3, 3, WIDTH), F_0: layer(3, WIDTH, WIDTH) },
    ...{ GFF_1: layer(1, BLOCKS * WIDTH, WIDTH), GFF_2: layer(3, WIDTH, WIDTH) },
    ...{ UPN1: layer(5, WIDTH, WIDTH), UPN2: layer(3, WIDTH, 2) },
    ...{ UPN3: layer(3, 2, 3), SR: layer(3, 3, 3) },
  };
  for (let i = 1; i <= BLOCKS; i++) {
    layers[`F_${i}_1`] = layer(3, WIDTH, WIDTH);
    layers[`LFF_${i}`] = layer(1, 2 * WIDTH, WIDTH);
  }
  return { layers, convolution: (name) => layers[name] };
}

const weights = makeWeights();
const picture = () => ({
  data: Float32Array.from({ length: 3 * SIDE * SIDE }, () => Math.floor(256 * random())),
  dims: [1, 3, SIDE, SIDE],
});

/** An image [side, side, channels] through a convolution by its definition. */
function convolve({ x, side, channels }, { weights: w, shape, bias }) {
  const [kernel, , , outputs] = shape;
  const y = new Float64Array(side * side * outputs);
  for (let at = 0; at < y.length; at++) {
    const [pixel, o] = [Math.floor(at / outputs), at % outputs];
    y[at] = bias[o];
    for (let tap = 0; tap < kernel * kernel; tap++) {
      const row = Math.floor(pixel / side) + Math.floor(tap / kernel) - (kernel >> 1);
      const column = (pixel % side) + (tap % kernel) - (kernel >> 1);
      if (row < 0 || row >= side || column < 0 || column >= side) continue;
      for (let c = 0; c < channels; c++) {
        const from = (row * side + column) * channels + c;
        y[at] += x[from] * w[(tap * channels + c) * outputs + o];
      }
    }
  }
  return { x: y, side, channels: outputs };
}

const relu = (image) => ({ ...image, x: image.x.map((value) => Math.max(value, 0)) });
const add = (a, b) => ({ ...a, x: a.x.map((value, i) => value + b.x[i]) });

function concat(images) {
  const { side } = images[0];
  const channels = images.reduce((sum, image) => sum + image.channels, 0);
  const x = Array.from({ length: side * side }, (_, pixel) =>
    images.map((image) => [...image.x.slice(pixel * image.channels, (pixel + 1) * image.channels)]),
  );
  return { side, channels, x: Float64Array.from(x.flat(2)) };
}

function double({ x, side, channels }) {
  const y = Float64Array.from({ length: 4 * side * side * channels }, (_, at) => {
    const [pixel, c] = [Math.floor(at / channels), at % channels];
    const row = Math.floor(Math.floor(pixel / (2 * side)) / 2);
    return x[(row * side + Math.floor((pixel % (2 * side)) / 2)) * channels + c];
  });
  return { x: y, side: 2 * side, channels };
}

/** The network by its definition. */
function reference({ data }) {
  const count = SIDE * SIDE;
  const pixels = data.map((_, i) => data[(i % 3) * count + Math.floor(i / 3)]);
  const run = (name, image) => convolve(image, weights.layers[name]);
  const first = run("F_m1", { x: pixels, side: SIDE, channels: 3 });
  let x = run("F_0", first);
  const results = [];
  for (let i = 1; i <= BLOCKS; i++) {
    x = add(run(`LFF_${i}`, concat([x, relu(run(`F_${i}_1`, x))])), x);
    results.push(x);
  }
  const features = run("GFF_2", run("GFF_1", concat(results)));
  const hidden = relu(run("UPN2", relu(run("UPN1", add(features, first)))));
  return run("SR", double(run("UPN3", hidden))).x;
}

describe("the upscaler", () => {
  let instance;
  beforeAll(() => {
    instance = createBytelaneSync();
  });
  afterAll(() => instance.dispose());

  /** Signal over noise in dB. */
  function near(wanted, got) {
    const noise = wanted.reduce((sum, value, i) => sum + (value - got[i]) ** 2, 0);
    return 10 * Math.log10(wanted.reduce((sum, value) => sum + value * value, 0) / noise);
  }

  it("computes the network, dynamic and calibrated", () => {
    const pictures = [picture(), picture(), picture()];
    const observed = observeInputs(instance, weights, pictures);
    expect([...observed.keys()].toSorted()).toEqual(Object.keys(weights.layers).toSorted());
    for (const options of [{}, { observed }]) {
      const { upscale, bytes } = createUpscaler(instance, weights, options);
      expect(bytes).toBeGreaterThan(0);
      for (const { data, dims } of pictures) {
        const y = upscale(data, dims);
        expect(y.shape).toEqual([2 * SIDE, 2 * SIDE, 3]);
        expect(near(reference({ data }), y.data)).toBeGreaterThan(25);
        y.dispose();
      }
    }
  });

  it("is written as ONNX, weights of channels first", async () => {
    const file = await openOnnx(makeGraph(weights));
    expect(file.tensors.size).toBe(2 * Object.keys(weights.layers).length + 1);
    const { values, shape } = await file.reals("UPN2.w");
    expect(shape).toEqual([2, WIDTH, 3, 3]);
    const { weights: from } = weights.layers.UPN2;
    for (const [o, i, tap] of [
      [0, 0, 0],
      [1, 3, 8],
      [0, 2, 5],
    ]) {
      expect(values[(o * WIDTH + i) * 9 + tap]).toBe(from[(tap * WIDTH + i) * 2 + o]);
    }
  });
});

describe("judging pictures", () => {
  it("counts noise as pixels show it", () => {
    expect(psnr([0, 255, 100, 10], [-50, 300, 100, 15])).toBeCloseTo(
      10 * Math.log10((255 * 255) / (25 / 4)),
      9,
    );
    expect(samePixels([0, 10, 20, 30], [-3, 10.4, 21.2, 33])).toEqual({ same: 0.5, near: 0.75 });
  });
});
