/** What the reading playground is made of: the saved weights, the f32 program, the sheet. */
import { createBytelaneSync, tensor } from "bytelane";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createFloatOperations, openKernel } from "../../eval/ocr/float.mjs";
import { createOperations } from "../../eval/ocr/operations.mjs";
import { openSaved, recordWeights, saveWeights } from "../../eval/ocr/saved.mjs";
import { compileKernel } from "../../site/data/reading.mjs";
import { inputOf, readSigns } from "../../site/work/line.mjs";
import { createRandom } from "../../tools/random.mjs";

const random = createRandom(7);
const reals = (length) => Float32Array.from({ length }, () => 2 * random() - 1);
let instance;
let float;

beforeAll(async () => {
  instance = createBytelaneSync();
  const module = new WebAssembly.Module(await compileKernel());
  float = createFloatOperations(instance, openKernel(instance, module));
});
afterAll(() => instance.dispose());

function near(actual, expected, tolerance = 1e-5) {
  expect(actual.length).toBe(expected.length);
  const worst = expected.reduce((most, e, i) => Math.max(most, Math.abs(actual[i] - e)), 0);
  expect(worst).toBeLessThan(tolerance);
}

/** A convolution of an image [height, width, in] by its definition, weights [out, in, h, w]. */
function convolve(x, [height, width], weights, [outputs, inputs, h, w], bias, stride, padding) {
  const rows = Math.floor((height + 2 * padding[0] - h) / stride[0]) + 1;
  const columns = Math.floor((width + 2 * padding[1] - w) / stride[1]) + 1;
  return Float32Array.from({ length: rows * columns * outputs }, (_, i) => {
    const o = i % outputs;
    const [y, z] = [Math.floor(i / outputs / columns), Math.floor(i / outputs) % columns];
    let sum = bias[o];
    for (let c = 0; c < inputs; c++) {
      for (let tap = 0; tap < h * w; tap++) {
        const row = y * stride[0] - padding[0] + Math.floor(tap / w);
        const column = z * stride[1] - padding[1] + (tap % w);
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        sum += x[(row * width + column) * inputs + c] * weights[(o * inputs + c) * h * w + tap];
      }
    }
    return sum;
  });
}

describe("the recogniser's calls in f32", () => {
  it.each([
    { kernel: [1, 1], stride: 1, padding: 0 },
    { kernel: [3, 3], stride: 2, padding: 1 },
    { kernel: [1, 3], stride: 1, padding: [0, 1] },
    { kernel: [1, 1], stride: [2, 1], padding: 0 },
  ])("convolves with $kernel, stride $stride", ({ kernel, stride, padding }) => {
    for (const [inputs, outputs] of [
      [3, 8],
      [5, 9],
      [4, 1],
    ]) {
      const shape = [outputs, inputs, ...kernel];
      const weights = reals(outputs * inputs * kernel[0] * kernel[1]);
      const [bias, x] = [reals(outputs), reals(5 * 7 * inputs)];
      const run = float.convolution("", { weights, shape, bias, stride, padding });
      const y = run(tensor(instance, "f32", [5, 7, inputs], x));
      const [s, p] = [stride, padding].map((each) => [each].flat());
      const pairs = [s, p].map(([a, b = a]) => [a, b]);
      near(y.data, convolve(x, [5, 7], weights, shape, bias, ...pairs));
    }
  });

  it("activates, and multiplies dense layers of any width", () => {
    for (const outputs of [1, 7, 8, 13]) {
      const [weights, bias, x] = [reals(6 * outputs), reals(outputs), reals(9 * 6)];
      const run = float.dense("", { weights, shape: [6, outputs], bias });
      const y = run(tensor(instance, "f32", [9, 6], x));
      const expected = Float32Array.from({ length: 9 * outputs }, (_, i) => {
        const [row, o] = [Math.floor(i / outputs), i % outputs];
        let sum = bias[o];
        for (let k = 0; k < 6; k++) sum += x[row * 6 + k] * weights[k * outputs + o];
        return sum;
      });
      near(y.data, expected);
    }
    const options = { weights: Float32Array.of(1, -1), shape: [2, 1, 1, 1], activation: "relu" };
    const run = float.convolution("", options);
    expect([...run(tensor(instance, "f32", [1, 1, 1], Float32Array.of(3))).data]).toEqual([3, 0]);
  });

  it("attends as the library does, which rounds to 8 bits", () => {
    const qkv = reals(11 * 3 * 16);
    const of = (ops) => ops.attend(tensor(instance, "f32", [11, 48], qkv), 2).data.slice();
    near(of(float), of(createOperations(instance)), 0.03);
  });
});

describe("saved weights", () => {
  const shapes = { wide: [6, 4, 3, 3], deep: [4, 1, 3, 3] };
  const weightsOf = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, reals(shape.reduce((a, b) => a * b))]),
  );
  const source = {
    convolution: (name) => ({ weights: weightsOf[name], shape: shapes[name], bias: reals(2) }),
    half: (name) => ({
      options: { weights: weightsOf[name], shape: shapes[name], bias: reals(4) },
      rest: 0.1,
    }),
    dense: () => ({ weights: reals(20), shape: [4, 5], bias: reals(5) }),
    norm: () => ({ gain: reals(4), bias: reals(4) }),
    number: () => 1e-5,
  };

  it("gives back what was read of them, as f32 exactly and else as integers", () => {
    const { seen, weights } = recordWeights(source);
    weights.convolution("wide");
    weights.half("deep", 0, 0);
    weights.dense("dense");
    weights.norm("norm");
    weights.number("epsilon");
    const exact = openSaved(instance, saveWeights(instance, seen, "f32"));
    exact.dispose();
    const read = (from) => ({
      ...{ wide: from.convolution("wide"), deep: from.half("deep") },
      ...{ dense: from.dense("dense"), norm: from.norm("norm"), epsilon: from.number("epsilon") },
    });
    expect(read(exact)).toEqual(seen);

    const narrow = openSaved(instance, saveWeights(instance, seen, "int8"));
    const { wide, deep, dense, ...rest } = read(narrow);
    expect(deep).toEqual(seen.deep);
    expect(rest).toEqual({ norm: seen.norm, epsilon: 1e-5 });
    expect(wide.weights.values.dtype).toBe("i8");
    expect(wide.weights.axis).toBe(0);
    expect(dense.weights.axis).toBe(1);
    narrow.dispose();
  });

  it("makes the layer that quantizing the float weights makes", () => {
    const options = { weights: weightsOf.wide, shape: shapes.wide, padding: 1 };
    const { seen, weights } = recordWeights({ ...source, convolution: () => options });
    weights.convolution("wide");
    const saved = openSaved(instance, saveWeights(instance, seen, "int8"));
    const x = tensor(instance, "f32", [6, 6, 4], reals(144));
    const ops = createOperations(instance);
    const [made, opened] = [options, saved.convolution("wide")].map((each) =>
      ops.convolution("wide", each)(x).data.slice(),
    );
    expect(opened).toEqual(made);
    saved.dispose();
  });
});

describe("the sheet", () => {
  const [width, height] = [120, 60];
  const sheet = () => new Uint8ClampedArray(4 * width * height).fill(255);
  const black = (pixels, left, right, top, bottom) => {
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++)
        pixels.fill(0, 4 * (y * width + x), 4 * (y * width + x) + 3);
    }
    return pixels;
  };

  it("gives nothing when it is clean", () => {
    expect(inputOf(sheet(), width, height)).toBeUndefined();
  });

  it("is cut to its ink, with a margin, and made 48 pixels high", () => {
    const { data, dims } = inputOf(black(sheet(), 10, 110, 20, 40), width, height);
    // a margin of 5 + 4 around 100 × 20 pixels
    expect(dims).toEqual([1, 3, 48, Math.round((118 * 48) / 38)]);
    const [, , rows, columns] = dims;
    expect(data.length).toBe(3 * rows * columns);
    expect(data[0]).toBe(1);
    expect(data[(rows >> 1) * columns + (columns >> 1)]).toBe(-1);
    expect(data.every((value) => value >= -1 && value <= 1)).toBe(true);
  });

  it("takes blue first", () => {
    const pixels = black(sheet(), 10, 110, 20, 40);
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i] === 0) pixels[i + 2] = 255;
    const { data, dims } = inputOf(pixels, width, height);
    const middle = (dims[2] >> 1) * dims[3] + (dims[3] >> 1);
    const values = [0, 1, 2].map((channel) => data[channel * dims[2] * dims[3] + middle]);
    expect(values).toEqual([1, -1, -1]);
  });

  it("takes repeated signs once, and those that a blank divides twice", () => {
    const steps = [1, 1, 0, 1, 2, 0, 2, 2];
    const probabilities = new Float32Array(steps.length * 3).fill(0.1);
    steps.forEach((sign, step) => {
      probabilities[step * 3 + sign] = 0.75;
    });
    const found = readSigns(probabilities, [steps.length, 3], ["", "a", "b"]);
    expect(found.text).toBe("aabb");
    expect(found.confidence).toBe(0.75);
    expect(readSigns(probabilities.subarray(6, 9), [1, 3], ["", "a", "b"])).toEqual({
      ...{ read: [], text: "", confidence: 0 },
    });
  });
});
