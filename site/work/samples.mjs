/** Tensors to look at without a file, from a seeded stream of numbers. */
import { createRandom } from "../../tools/random.mjs";

const MILLION = 1_000_000;

/** Box and Muller: two normal numbers of two uniform ones. */
function normals(random, length, deviation = 1) {
  const x = new Float32Array(length);
  for (let i = 0; i < length; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    x[i] = radius * Math.cos(angle);
    if (i + 1 < length) x[i + 1] = radius * Math.sin(angle);
  }
  return x;
}

function activations() {
  const random = createRandom(1);
  const x = normals(random, MILLION);
  // a ReLU, and a few inputs that are far larger than the rest
  for (let i = 0; i < x.length; i++) x[i] = Math.max(0, x[i]);
  for (let i = 0; i < 40; i++) x[Math.floor(random() * x.length)] = 12 + 20 * random();
  return x;
}

function heavyTails() {
  const random = createRandom(2);
  const x = new Float32Array(MILLION);
  for (let i = 0; i < x.length; i++) {
    const u = random() - 0.5;
    x[i] = -Math.sign(u) * Math.log(1 - 2 * Math.abs(u));
  }
  return x;
}

/** A small network: layers that bear few bits beside layers that do not. */
function network() {
  const random = createRandom(3);
  const layer = (name, rows, columns, deviation, outliers) => {
    const x = normals(random, rows * columns, deviation);
    for (let i = 0; i < outliers; i++) x[Math.floor(random() * x.length)] *= 15;
    return { name, shape: [rows, columns], values: x };
  };
  return [
    layer("embedding", 1000, 64, 0.3, 0),
    layer("attention.query", 64, 192, 0.12, 4),
    layer("attention.output", 64, 64, 0.1, 40),
    layer("mlp.expand", 256, 64, 0.08, 0),
    layer("mlp.contract", 64, 256, 0.08, 120),
    layer("head", 10, 64, 0.5, 2),
  ];
}

const SAMPLES = {
  activations: () => [
    { name: "activations after a ReLU", shape: [MILLION], values: activations() },
  ],
  laplace: () => [{ name: "a Laplace distribution", shape: [MILLION], values: heavyTails() }],
  network,
};

/** As `openFile` gives them. */
export function openSample(kind) {
  return SAMPLES[kind]().map(({ name, shape, values }) => ({
    ...{ name, shape, length: values.length, read: async () => values },
  }));
}
