// Stochastic gradient descent with momentum, softmax and cross entropy, in plain JavaScript.
//
// The weights come out of + − × ÷ and Math.sqrt on doubles and the rounding of a store to float32,
// which IEEE 754 defines to the last bit, in an order that this code fixes. (ECMAScript would let
// Math.sqrt differ; every engine uses the processor's, which is exact.) Math.exp, Math.sin and
// their like are each engine's own approximation, so they are not used.

import { createRandom, shuffle } from "../../tools/random.mjs";
import { imageAt } from "./data.mjs";
import { distort } from "./distort.mjs";

/**
 * @typedef {object} Settings
 * @property {number} seed
 * @property {number} epochs
 * @property {number} batch samples between two updates of the weights
 * @property {number} rate learning rate of the first update; it falls in a straight line to 0
 * @property {number} momentum
 * @property {number} decay share of each weight that is taken back, times the rate
 * @property {{ shift: number, bend: number }} distortion of the images, see distort
 */

/**
 * @param {number[]} sizes numbers of neurons, from the input to the output
 * @param {import("./data.mjs").Samples} samples
 * @param {Settings} settings
 * @param {(epoch: number, right: number) => void} [progress] called after each epoch with the share
 *   of its distorted images that were told right when they were met
 * @returns {import("./model.mjs").Layer[]}
 */
export function learn(sizes, samples, settings, progress) {
  const random = createRandom(settings.seed);
  const layers = createLayers(sizes, settings.batch, random);
  const order = Uint32Array.from({ length: samples.count }, (_, i) => i);
  const updates = settings.epochs * Math.ceil(samples.count / settings.batch);
  let update = 0;
  for (let epoch = 1; epoch <= settings.epochs; epoch++) {
    shuffle(order, random);
    let right = 0;
    for (let start = 0; start < samples.count; start += settings.batch) {
      const chosen = order.subarray(start, start + settings.batch);
      const labels = chosen.map((index) => samples.labels[index]);
      chosen.forEach((index, row) => {
        const copy = imageAt({ images: layers[0].input }, row);
        distort(copy, imageAt(samples, index), settings.distortion, random);
      });
      predict(layers, labels.length);
      right += crossEntropySlopes(layers[layers.length - 1], labels);
      improve(layers, labels.length, settings, settings.rate * (1 - update++ / updates));
    }
    progress?.(epoch, right / samples.count);
  }
  return layers.map(({ name, inputs, outputs, relu, weights, bias }) => {
    return { name, inputs, outputs, relu, weights: weights.values, bias: bias.values };
  });
}

// Weights uniform in ±sqrt(6 / inputs): He et al., "Delving Deep into Rectifiers", 2015.
function createLayers(sizes, batch, random) {
  return sizes.slice(1).map((outputs, index) => {
    const inputs = sizes[index];
    const limit = Math.sqrt(6 / inputs);
    const weights = createParameter(inputs * outputs);
    for (let i = 0; i < weights.values.length; i++) {
      weights.values[i] = (2 * random() - 1) * limit;
    }
    return {
      name: `dense${index + 1}`,
      inputs,
      outputs,
      relu: index < sizes.length - 2,
      weights,
      bias: createParameter(outputs),
      input: new Float32Array(batch * inputs),
      // First what the neurons add up to, then the slope of the loss there.
      sums: new Float32Array(batch * outputs),
    };
  });
}

function createParameter(length) {
  return { values: new Float32Array(length), speeds: new Float32Array(length) };
}

function predict(layers, rows) {
  layers.forEach(({ inputs, outputs, weights, bias, input, sums }, index) => {
    const terms = createTerms(inputs);
    for (let row = 0; row < rows; row++) {
      sums.set(bias.values, row * outputs);
      collectTerms(terms, input, row * inputs, inputs, 1);
      addRows(sums, row * outputs, outputs, weights.values, terms);
    }
    const next = layers[index + 1]?.input;
    for (let i = 0; next && i < rows * outputs; i++) {
      next[i] = Math.max(0, sums[i]);
    }
  });
}

// From the last layer back to the first: the slopes at the neurons before, then the new weights.
function improve(layers, rows, { momentum, decay }, rate) {
  const step = { share: rate / rows, decay: rate * decay, momentum };
  for (let index = layers.length - 1; index >= 0; index--) {
    const { inputs, outputs, weights, bias, input, sums } = layers[index];
    if (index > 0) passBack(layers[index - 1].sums, layers[index], rows);

    const terms = createTerms(rows);
    const slopes = new Float32Array(outputs);
    for (let i = 0; i < inputs; i++) {
      slopes.fill(0);
      collectTerms(terms, input, i, rows, inputs);
      addRows(slopes, 0, outputs, sums, terms);
      descend(weights, i * outputs, slopes, step);
    }
    slopes.fill(0);
    for (let i = 0; i < rows * outputs; i++) {
      slopes[i % outputs] += sums[i];
    }
    descend(bias, 0, slopes, { ...step, decay: 0 });
  }
}

// Where the ReLU has silenced a neuron, its slope is 0.
function passBack(slopesBefore, { inputs, outputs, weights, input, sums }, rows) {
  const values = weights.values;
  for (let row = 0; row < rows; row++) {
    const slopes = sums.subarray(row * outputs, (row + 1) * outputs);
    for (let i = 0; i < inputs; i++) {
      let sum = 0;
      for (let j = 0; j < outputs && input[row * inputs + i] > 0; j++) {
        sum += values[i * outputs + j] * slopes[j];
      }
      slopesBefore[row * inputs + i] = sum;
    }
  }
}

// Replaces the scores by the slope of the loss: softmax(scores) − [one at the label]. Returns how
// many rows have their highest score at the label.
function crossEntropySlopes({ outputs, sums }, labels) {
  let right = 0;
  labels.forEach((label, row) => {
    const scores = sums.subarray(row * outputs, (row + 1) * outputs);
    const highest = Math.max(...scores);
    if (scores[label] === highest) right++;
    let total = 0;
    for (let j = 0; j < outputs; j++) {
      scores[j] = exponential(scores[j] - highest);
      total += scores[j];
    }
    for (let j = 0; j < outputs; j++) {
      scores[j] /= total;
    }
    scores[label] -= 1;
  });
  return right;
}

// e^x for x ≤ 0: (e^(x / 1024))^1024, the inner power by its series. Relative error under 1e-9 down
// to x = −30; what lies below is taken for −30.
function exponential(x) {
  const r = Math.max(x, -30) / 1024;
  let power = 1 + r * (1 + (r / 2) * (1 + (r / 3) * (1 + (r / 4) * (1 + r / 5))));
  for (let i = 0; i < 10; i++) {
    power *= power;
  }
  return power;
}

function createTerms(most) {
  return { count: 0, factors: new Float32Array(most), rows: new Uint32Array(most) };
}

// The numbers that are not 0 among from[at], from[at + stride] … Four pixels of five are paper and
// half of the neurons are silent, so most products would be 0.
function collectTerms(terms, from, at, n, stride) {
  terms.count = 0;
  for (let i = 0; i < n; i++) {
    const factor = from[at + i * stride];
    if (factor !== 0) {
      terms.factors[terms.count] = factor;
      terms.rows[terms.count++] = i;
    }
  }
}

// target[at + j] += Σ factor · matrix[row][j] over the terms. Four terms a turn halve the time of
// one a turn (Node 20).
function addRows(target, at, width, matrix, { count, factors, rows }) {
  let term = 0;
  for (; term + 4 <= count; term += 4) {
    const f0 = factors[term];
    const f1 = factors[term + 1];
    const f2 = factors[term + 2];
    const f3 = factors[term + 3];
    const r0 = rows[term] * width;
    const r1 = rows[term + 1] * width;
    const r2 = rows[term + 2] * width;
    const r3 = rows[term + 3] * width;
    for (let j = 0; j < width; j++) {
      target[at + j] +=
        f0 * matrix[r0 + j] + f1 * matrix[r1 + j] + f2 * matrix[r2 + j] + f3 * matrix[r3 + j];
    }
  }
  for (; term < count; term++) {
    const factor = factors[term];
    const row = rows[term] * width;
    for (let j = 0; j < width; j++) {
      target[at + j] += factor * matrix[row + j];
    }
  }
}

function descend({ values, speeds }, at, slopes, { share, decay, momentum }) {
  for (let j = 0, i = at; j < slopes.length; j++, i++) {
    const speed = momentum * speeds[i] - share * slopes[j] - decay * values[i];
    speeds[i] = speed;
    values[i] += speed;
  }
}
