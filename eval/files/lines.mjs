/** Lines of text as pictures, and what a recogniser of the PP-OCR family reads in them. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);
const HEIGHT = 48;
const FACES = [
  "DejaVuSans",
  "DejaVuSerif",
  "DejaVuSansMono",
  "DejaVuSans-Bold",
  "DejaVuSansCondensed",
];

/** A generator of integers below a bound, from a seed (xorshift). */
export function random(seed) {
  let state = seed >>> 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

/** Lines of 2 to 6 words, with numbers and marks between them, from the words of a text. */
export function makeLines(text, count, seed) {
  const words = [...new Set(text.match(/[A-Za-z]{2,12}/g))];
  const pick = random(seed);
  return Array.from({ length: count }, () => {
    const parts = Array.from({ length: 2 + pick(5) }, () => {
      const word = words[pick(words.length)];
      const kind = pick(10);
      if (kind === 0) return String(pick(100000));
      if (kind === 1) return `${word},`;
      if (kind === 2) return `(${word})`;
      if (kind === 3) return word.toUpperCase();
      return kind === 4 ? `${word}.` : word;
    });
    return parts.join(" ").slice(0, 44);
  });
}

/** Draws lines: black or coloured on light ground, in five faces and several sizes. */
export async function createPainter() {
  const { createCanvas, GlobalFonts } = await import("@napi-rs/canvas");
  const folder = path.join(path.dirname(require.resolve("dejavu-fonts-ttf/package.json")), "ttf");
  for (const face of FACES) GlobalFonts.registerFromPath(path.join(folder, `${face}.ttf`), face);
  return (line, seed) => {
    const pick = random(seed + 1);
    const size = 22 + pick(12);
    const font = `${size}px ${FACES[pick(FACES.length)]}`;
    const probe = createCanvas(8, 8).getContext("2d");
    probe.font = font;
    const width = Math.max(Math.ceil(probe.measureText(line).width) + 16 + pick(24), 64);
    const canvas = createCanvas(width, HEIGHT);
    const context = canvas.getContext("2d");
    const ground = 200 + pick(56);
    context.fillStyle = `rgb(${ground},${ground - pick(20)},${ground - pick(20)})`;
    context.fillRect(0, 0, width, HEIGHT);
    context.fillStyle = `rgb(${pick(90)},${pick(90)},${pick(90)})`;
    context.font = font;
    context.textBaseline = "middle";
    context.fillText(line, 8 + pick(8), HEIGHT / 2 + pick(5) - 2);
    const { data } = context.getImageData(0, 0, width, HEIGHT);
    return inputOf(data, width, HEIGHT);
  };
}

/** Pixels as the models take them: [1, 3, H, W], blue first, in [−1, 1]. */
function inputOf(pixels, width, height) {
  const count = width * height;
  const data = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) data[c * count + i] = pixels[i * 4 + 2 - c] / 127.5 - 1;
  }
  return { x: { dims: [1, 3, height, width], data, type: "float32" } };
}

/**
 * The text that the greatest scores say: repeated signs once, the blank not at all, without white
 * space.
 */
export function createReader(keys) {
  const signs = ["", ...readFileSync(keys, "utf8").trimEnd().split("\n"), " "];
  return ({ data, dims: [, steps, classes] }) => {
    let text = "";
    let before = 0;
    for (let t = 0; t < steps; t++) {
      let best = 0;
      for (let k = 1; k < classes; k++) {
        if (data[t * classes + k] > data[t * classes + best]) best = k;
      }
      if (best !== 0 && best !== before) text += signs[best];
      before = best;
    }
    return text.replaceAll(/\s/g, "");
  };
}
