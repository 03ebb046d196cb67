/** Pages of lines for the detector, drawn with the packages of eval/files. */
import { createRequire } from "node:module";
import { random } from "../files/lines.mjs";

const require = createRequire(new URL("../files/package.json", import.meta.url));
const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

/** A square page as the detector takes it: [1, 3, size, size], blue first, normalized. */
export function paintPage(lines, seed, size) {
  const { createCanvas } = require("@napi-rs/canvas");
  const pick = random(seed);
  const canvas = createCanvas(size, size);
  const context = canvas.getContext("2d");
  const ground = 215 + pick(40);
  context.fillStyle = `rgb(${ground},${ground},${ground - pick(20)})`;
  context.fillRect(0, 0, size, size);
  context.textBaseline = "top";
  let y = 10 + pick(20);
  for (const line of lines) {
    const height = 14 + pick(14);
    if (y + height > size) break;
    context.font = `${height}px ${["DejaVuSans", "DejaVuSerif"][pick(2)]}`;
    context.fillStyle = `rgb(${pick(90)},${pick(90)},${pick(90)})`;
    context.fillText(line, 8 + pick(30), y);
    y += height + 12 + pick(20);
  }
  const pixels = context.getImageData(0, 0, size, size).data;
  const count = size * size;
  const data = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) {
      data[c * count + i] = (pixels[i * 4 + 2 - c] / 255 - MEAN[c]) / DEVIATION[c];
    }
  }
  return { dims: [1, 3, size, size], data, type: "float32" };
}
