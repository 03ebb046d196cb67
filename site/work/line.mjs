/** A canvas as the recogniser takes it, and its probabilities as text. */

/** Rows of pixels that the recogniser takes. */
const HEIGHT = 48;
const MOST_COLUMNS = 1280;
/** Darker than this is ink. */
const INK = 200;

/** The rectangle of ink with a margin around it, or undefined for a clean sheet. */
function inkOf(pixels, width, height) {
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (pixels[(y * width + x) * 4 + 1] >= INK) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  if (right < 0) return;
  const margin = Math.ceil(0.25 * (bottom - top + 1)) + 4;
  return {
    ...{ left: left - margin, top: top - margin },
    ...{ columns: right - left + 1 + 2 * margin, rows: bottom - top + 1 + 2 * margin },
  };
}

/** The mean of a channel over a rectangle; outside the canvas is white. */
function meanOf(pixels, width, height, channel, [x0, x1, y0, y1]) {
  let sum = 0;
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const inside = x >= 0 && x < width && y >= 0 && y < height;
      sum += inside ? pixels[(y * width + x) * 4 + channel] : 255;
    }
  }
  return sum / ((x1 - x0) * (y1 - y0));
}

/**
 * What is written on a white canvas, 48 pixels high: { data: [1, 3, 48, columns], blue first, in
 * [−1, 1], dims }, or undefined for a clean sheet.
 *
 * @param {Uint8ClampedArray} pixels red, green, blue and alpha of each pixel
 */
export function inputOf(pixels, width, height) {
  const ink = inkOf(pixels, width, height);
  if (!ink) return;
  const scale = ink.rows / HEIGHT;
  const columns = Math.min(Math.max(Math.round(ink.columns / scale), HEIGHT), MOST_COLUMNS);
  const data = new Float32Array(3 * HEIGHT * columns);
  const range = (start, i, step) => {
    const from = start + Math.floor(i * step);
    return [from, Math.max(from + 1, start + Math.floor((i + 1) * step))];
  };
  const step = Math.max(scale, ink.columns / columns);
  for (let i = 0; i < HEIGHT * columns; i++) {
    const across = range(ink.left, i % columns, step);
    const down = range(ink.top, Math.floor(i / columns), scale);
    for (let channel = 0; channel < 3; channel++) {
      const mean = meanOf(pixels, width, height, 2 - channel, [...across, ...down]);
      data[channel * HEIGHT * columns + i] = mean / 127.5 - 1;
    }
  }
  return { data, dims: [1, 3, HEIGHT, columns] };
}

/**
 * The likeliest sign of each step, repeated ones once and 0 not at all: the text, the probability
 * of each of its signs, and their mean.
 *
 * @param {Float32Array} probabilities [steps, classes]
 */
export function readSigns(probabilities, [steps, classes], signs) {
  const read = [];
  let before = 0;
  for (let step = 0; step < steps; step++) {
    const first = step * classes;
    let best = 0;
    for (let k = 1; k < classes; k++) {
      if (probabilities[first + k] > probabilities[first + best]) best = k;
    }
    const probability = probabilities[first + best];
    if (best !== 0 && best !== before) read.push({ sign: signs[best], probability });
    before = best;
  }
  const sum = read.reduce((total, { probability }) => total + probability, 0);
  return {
    ...{ read, text: read.map(({ sign }) => sign).join("") },
    confidence: read.length > 0 ? sum / read.length : 0,
  };
}
