/** Pictures to enlarge: drawn ones, and the photograph that the model's package has. */
import { createRequire } from "node:module";
import { random } from "../files/lines.mjs";

const require = createRequire(new URL("../files/package.json", import.meta.url));
const WORDS = ["quantize", "the", "lane", "37.5", "Water", "&", "north", "Qj", "1961", "kite"];

const colour = (pick) => `rgb(${pick(256)},${pick(256)},${pick(256)})`;

/** One figure of a drawing: a disc, a polygon, a curve, or a word. */
function drawFigure(context, pick, size) {
  const at = () => pick(size);
  context.fillStyle = colour(pick);
  context.strokeStyle = colour(pick);
  context.lineWidth = 1 + pick(5);
  context.beginPath();
  const kind = pick(4);
  if (kind === 0) {
    context.arc(at(), at(), 4 + pick(size >> 2), 0, 2 * Math.PI);
    context.fill();
  } else if (kind === 1) {
    for (let corner = 0; corner < 3 + pick(4); corner++) context.lineTo(at(), at());
    context.fill();
  } else if (kind === 2) {
    context.moveTo(at(), at());
    context.bezierCurveTo(at(), at(), at(), at(), at(), at());
    context.stroke();
  } else {
    const faces = ["DejaVuSans", "DejaVuSerif", "DejaVuSans-Bold"];
    context.font = `${12 + pick(20)}px ${faces[pick(faces.length)]}`;
    context.fillText(WORDS[pick(WORDS.length)], at() - 16, at());
  }
}

/** The red, green and blue of an image's pixels. */
export function pixelsOf({ data, width, height }) {
  return Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    return data[4 * Math.floor(i / 3) + (i % 3)];
  });
}

/** The mean of each square of two by two pixels, as 8-bit values. */
function halve(pixels, size) {
  const half = size / 2;
  return Uint8Array.from({ length: half * half * 3 }, (_, i) => {
    const [pixel, c] = [Math.floor(i / 3), i % 3];
    const from = (2 * Math.floor(pixel / half) * size + 2 * (pixel % half)) * 3 + c;
    const row = from + 3 * size;
    return (pixels[from] + pixels[from + 3] + pixels[row] + pixels[row + 3] + 2) >> 2;
  });
}

/** Pixels as the network takes them: planes [1, 3, height, width] from 0 to 255. */
export function inputOf(pixels, width, height) {
  const count = width * height;
  const data = Float32Array.from({ length: 3 * count }, (_, i) => {
    return pixels[(i % count) * 3 + Math.floor(i / count)];
  });
  return { data, dims: [1, 3, height, width], type: "float32" };
}

/**
 * A drawing of figures on a ground that fades from one colour to another, at half its size, beside
 * the original.
 */
export function drawPicture(seed, size) {
  const { createCanvas } = require("@napi-rs/canvas");
  const pick = random(seed * 7919 + 1);
  for (let i = 0; i < 8; i++) pick(2);
  const context = createCanvas(size, size).getContext("2d");
  const ground = context.createLinearGradient(0, 0, pick(size), size);
  ground.addColorStop(0, colour(pick));
  ground.addColorStop(1, colour(pick));
  context.fillStyle = ground;
  context.fillRect(0, 0, size, size);
  for (let figure = 0; figure < 14; figure++) drawFigure(context, pick, size);
  const original = pixelsOf(context.getImageData(0, 0, size, size));
  return { ...inputOf(halve(original, size), size / 2, size / 2), original };
}

/** The pixels of an image file. */
export async function readPicture(file) {
  const { createCanvas, loadImage } = require("@napi-rs/canvas");
  const image = await loadImage(file);
  const context = createCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}
