/**
 * Holds Bytelane's codecs against ggml's library: a file that it wrote, golden vectors of a few
 * blocks per type, and as many random blocks as asked for, of which any difference is counted.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createRandom } from "../../tools/random.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(path.dirname(here));

/** Elements and bytes of a block, and where it has scales in f16. */
const TYPES = {
  F16: { elements: 1, bytes: 2, scales: [] },
  BF16: { elements: 1, bytes: 2, scales: [] },
  Q4_0: { elements: 32, bytes: 18, scales: [0] },
  Q4_1: { elements: 32, bytes: 20, scales: [0, 2] },
  Q5_0: { elements: 32, bytes: 22, scales: [0] },
  Q5_1: { elements: 32, bytes: 24, scales: [0, 2] },
  Q8_0: { elements: 32, bytes: 34, scales: [0] },
  Q2_K: { elements: 256, bytes: 84, scales: [80, 82] },
  Q3_K: { elements: 256, bytes: 110, scales: [108] },
  Q4_K: { elements: 256, bytes: 144, scales: [0, 2] },
  Q5_K: { elements: 256, bytes: 176, scales: [0, 2] },
  Q6_K: { elements: 256, bytes: 210, scales: [208] },
  IQ4_NL: { elements: 32, bytes: 18, scales: [0] },
  MXFP4: { elements: 32, bytes: 17, scales: [] },
};
const ENCODED = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q6_K"];

/** Blocks that go through the pipe at a time. */
const CHUNK = 4096;
const GOLDEN_BLOCKS = 6;

/** ggml in a process of its own: gives what it makes of one chunk after the other. */
function openGgml(folder, operation, type, blocks) {
  const script = path.join(here, "ggml_stream.py");
  const args = [script, operation, type, String(blocks)];
  const child = spawn("/usr/bin/python3", args, {
    env: { ...process.env, GGML_FOLDER: folder },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise((_, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => code && reject(new Error(`ggml_stream.py ended with ${code}`)));
  });
  ended.catch(() => {});
  // why it ended is in `ended`
  child.stdin.on("error", () => {});
  const { elements, bytes } = TYPES[type];
  const size = blocks * (operation === "decode" ? elements * 4 : bytes);
  const chunks = child.stdout[Symbol.asyncIterator]();
  let rest = Buffer.alloc(0);
  const run = async (input) => {
    child.stdin.write(input);
    const parts = [rest];
    let length = rest.length;
    while (length < size) {
      const { value, done } = await chunks.next();
      if (done) throw new Error("ggml_stream.py ended early");
      parts.push(value);
      length += value.length;
    }
    const all = Buffer.concat(parts);
    rest = all.subarray(size);
    return new Uint8Array(all.buffer, all.byteOffset, size).slice();
  };
  return {
    run: (input) => Promise.race([run(input), ended]),
    close: () => child.stdin.end(),
  };
}

/** Random bytes as blocks whose scales are finite; for types of 16 bits each value in its turn. */
function randomBlocks(type, count, random, first) {
  const { bytes, scales } = TYPES[type];
  const blocks = new Uint8Array(count * bytes);
  const words = new Uint32Array(Math.ceil(blocks.length / 4));
  for (let i = 0; i < words.length; i++) words[i] = random() * 2 ** 32;
  blocks.set(new Uint8Array(words.buffer, 0, blocks.length));
  for (let b = 0; b < count; b++) {
    const at = b * bytes;
    if (bytes === 2) {
      blocks[at] = first + b;
      blocks[at + 1] = (first + b) >> 8;
    }
    for (const scale of scales) {
      if ((blocks[at + scale + 1] & 0x7c) === 0x7c) blocks[at + scale + 1] ^= 4;
    }
    if (type === "MXFP4" && blocks[at] === 255) blocks[at] = 254;
  }
  return blocks;
}

/**
 * Blocks of reals of many kinds: magnitudes from 1e-6 to 1e4, some with an offset, sparse, equal or
 * zero.
 */
function randomReals(type, count, random) {
  const { elements } = TYPES[type];
  const x = new Float32Array(count * elements);
  for (let b = 0; b < count; b++) {
    const kind = Math.floor(random() * 12);
    const size = 10 ** (random() * 10 - 6);
    const offset = kind < 3 ? (random() * 4 - 2) * size : 0;
    for (let i = 0; i < elements; i++) {
      let value = (random() + random() + random() - 1.5) * size + offset;
      if (kind === 3 && random() < 0.9) value = 0;
      if (kind === 4) value = size;
      if (kind === 5) value = Math.round(random() * 8 - 4) * size;
      if (kind === 6) value *= 10 ** -(i >> 4);
      if (kind === 7) value = Math.abs(value);
      if (kind === 8 && i < elements / 2) value = 0;
      x[b * elements + i] = value;
    }
  }
  return x;
}

const bytesOf = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Blocks that differ, bit for bit. */
function differing(got, wanted, size) {
  if (Buffer.compare(got, wanted) === 0) return 0;
  let count = 0;
  for (let at = 0; at < wanted.length; at += size) {
    const [a, b] = [got.subarray(at, at + size), wanted.subarray(at, at + size)];
    if (Buffer.compare(a, b) !== 0) count++;
  }
  return count;
}

/** Runs `blocks` random blocks of one type through both; gives how many differ. */
async function compare({ folder, codecs, operation, type, blocks, progress }) {
  const { elements, bytes } = TYPES[type];
  const ggml = openGgml(folder, operation, type, CHUNK);
  const random = createRandom(blocks + type.length * 1000 + type.charCodeAt(1));
  let differ = 0;
  for (let done = 0; done < blocks; done += CHUNK) {
    progress(`${operation} ${type}, ${done} of ${blocks} blocks`);
    if (operation === "decode") {
      const input = randomBlocks(type, CHUNK, random, done);
      const got = bytesOf(codecs.decodeGgml(input, type));
      differ += differing(got, await ggml.run(input), elements * 4);
    } else {
      const input = randomReals(type, CHUNK, random);
      const got = codecs.encodeGgml(input, type);
      differ += differing(got, await ggml.run(bytesOf(input)), bytes);
    }
  }
  ggml.close();
  return differ;
}

const base64 = (bytes) => Buffer.from(bytes).toString("base64");

/** A few blocks per type and what ggml makes of them. */
async function goldenVectors(folder) {
  const vectors = [];
  for (const [operation, types] of [
    ["decode", Object.keys(TYPES)],
    ["encode", ENCODED],
  ]) {
    for (const type of types) {
      const blocks = TYPES[type].bytes === 2 ? 2048 : GOLDEN_BLOCKS;
      const random = createRandom(type.length * 77 + type.charCodeAt(1));
      const ggml = openGgml(folder, operation, type, blocks);
      const input =
        operation === "decode"
          ? randomBlocks(type, blocks, random, 0)
          : bytesOf(randomReals(type, blocks, random));
      if (blocks === 2048) for (let i = 0; i < blocks; i++) input[2 * i + 1] = random() * 256;
      const expected = await ggml.run(input);
      ggml.close();
      vectors.push({ operation, type, input: base64(input), expected: base64(expected) });
    }
  }
  return vectors;
}

/**
 * Writes test/golden/gguf/ggml.golden.json, and compares `blocks` random blocks per type (a tenth
 * of them encoded).
 */
export async function run({ load, progress, blocks }) {
  const entry = path.join(root, "dist", "gguf.js");
  if (!existsSync(entry)) throw new Error(`"${entry}" expected a build, got none: npm run build`);
  const codecs = await import(pathToFileURL(entry).href);
  const { folder: at } = await load("@node-llama-cpp/linux-x64");
  const folder = path.join(at, "bins", "linux-x64");
  const vectors = await goldenVectors(folder);
  const target = path.join(root, "test", "golden", "gguf");
  mkdirSync(target, { recursive: true });
  const lines = vectors.map((vector) => `    ${JSON.stringify(vector)}`).join(",\n");
  const script = path.join(here, "gguf_write.py");
  const file = execFileSync("/usr/bin/python3", [script], {
    env: { ...process.env, GGML_FOLDER: folder },
  });
  const head = `{\n  "reference": "ggml",\n  "file": "${base64(file)}",\n`;
  const text = `${head}  "vectors": [\n${lines}\n  ]\n}\n`;
  writeFileSync(path.join(target, "ggml.golden.json"), text);

  const figures = { ggufDiffer: 0 };
  for (const type of Object.keys(TYPES)) {
    // every value of a type of 16 bits is seen in 2^16 blocks
    const count = TYPES[type].bytes === 2 ? 2 ** 16 : blocks;
    const options = { folder, codecs, type, progress };
    const decoded = await compare({ ...options, operation: "decode", blocks: count });
    figures[`decodeDiffer${type}`] = decoded;
    figures.ggufDiffer += decoded;
    if (!ENCODED.includes(type)) continue;
    const encoded = await compare({
      ...options,
      operation: "encode",
      blocks: Math.ceil(blocks / 10),
    });
    figures[`encodeDiffer${type}`] = encoded;
    figures.ggufDiffer += encoded;
  }
  return {
    reference: "ggml (GGUF)",
    vectors: vectors.length,
    bytes: Buffer.byteLength(text),
    figures,
  };
}
