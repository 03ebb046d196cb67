/** The worker of the reading playground: one recogniser in 8 bits and one in f32. */
import { createBytelane } from "bytelane";
import { openNn } from "bytelane/nn";
import { createFloatOperations, openKernel } from "../../eval/ocr/float.mjs";
import { createOperations } from "../../eval/ocr/operations.mjs";
import { createRecogniser } from "../../eval/ocr/recogniser.mjs";
import { openSaved } from "../../eval/ocr/saved.mjs";
import { serveCalls } from "./calls.mjs";
import { inputOf, readSigns } from "./line.mjs";

const TURNS = 10;
const FILES = { int8: "recogniser.int8.safetensors", f32: "recogniser.f32.safetensors" };

const ready = createBytelane().then(async (instance) => {
  await openNn(instance);
  return instance;
});
const recognisers = {};
let signs;

async function load(base, name) {
  const response = await fetch(`${base}${name}`);
  if (!response.ok) throw new Error(`${name} is missing here (${response.status})`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The signs by their numbers: 0 is none, the last one a space. */
async function loadSigns(base) {
  const text = new TextDecoder().decode(await load(base, "signs.txt"));
  return ["", ...text.trimEnd().split("\n"), " "];
}

/** Runs once before it is timed, since engines compile what they run. */
function warm(recognise) {
  const pixels = new Float32Array(3 * 48 * 96).fill(1);
  recognise(pixels, [1, 3, 48, 96]).dispose();
}

async function operationsOf(format, base, instance) {
  if (format === "int8") return createOperations(instance);
  const module = await WebAssembly.compile(await load(base, "gemm-f32.wasm"));
  return createFloatOperations(instance, openKernel(instance, module));
}

/** What a recogniser reads, and how long it took. */
function run(format, { data, dims }) {
  const start = performance.now();
  const result = recognisers[format](data, dims);
  const milliseconds = performance.now() - start;
  const read = readSigns(result.data, result.shape, signs);
  result.dispose();
  return { ...read, milliseconds };
}

const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1];

serveCalls({
  /** Loads the recogniser of a format. */
  async open({ base, format }) {
    const instance = await ready;
    const file = load(base, FILES[format]);
    signs ??= await loadSigns(base);
    const operations = await operationsOf(format, base, instance);
    const saved = openSaved(instance, await file);
    recognisers[format] = createRecogniser(operations, saved);
    saved.dispose();
    warm(recognisers[format]);
    return { result: { bytes: (await file).length } };
  },

  /** Reads pixels of a canvas: dark on white. */
  async read({ buffer, width, height, format }) {
    const input = inputOf(new Uint8ClampedArray(buffer), width, height);
    return { result: input && run(format, input) };
  },

  /** The median times of both in turns. */
  async time({ buffer, width, height }) {
    const input = inputOf(new Uint8ClampedArray(buffer), width, height);
    const times = { int8: [], f32: [] };
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [format, list] of Object.entries(times)) {
        list.push(run(format, input).milliseconds);
      }
    }
    return { result: { int8: median(times.int8), f32: median(times.f32) } };
  },
});
