/**
 * The same work in plain JavaScript, as well as it can be written: what a page does without
 * WebAssembly, and the oracle that every other contender of the bench is held against.
 */

// 1.5 · 2^52: adding and subtracting it rounds a double to the nearest integer, ties to even
const MAGIC = 6755399441055744;

const roundEven = (x) => x + MAGIC - MAGIC;

/** The depth of a panel: 4 columns of it as doubles are 8 KB, a quarter of a first-level cache. */
const DEPTH = 256;

/**
 * Weights [k, n] as panels of 4 columns, depth by depth: [k / 256][n / 4][256][4].
 * Doubles because they multiply and add in two pipes, integers in one: 2.5 against 1.7 GOPS.
 */
export function packWeights(weights, n, k, zeroPoint = 0) {
  const panels = Math.ceil(n / 4);
  const packed = new Float64Array(panels * 4 * k);
  let o = 0;
  for (let depth = 0; depth < k; depth += DEPTH) {
    const end = Math.min(k, depth + DEPTH);
    for (let column = 0; column < panels * 4; column += 4) {
      for (let row = depth; row < end; row++) {
        for (let c = column; c < column + 4; c++) {
          packed[o++] = c < n ? weights[row * n + c] - zeroPoint : 0;
        }
      }
    }
  }
  return packed;
}

/**
 * 4 × 4 sums of one block of depth, added to out. lhs and rhs are packed:
 *
 *     lhs  [k][4 rows]     rhs  [k][4 columns]
 */
function tile(lhs, x, rhs, y, depth, out, o, width) {
  let s00 = 0;
  let s01 = 0;
  let s02 = 0;
  let s03 = 0;
  let s10 = 0;
  let s11 = 0;
  let s12 = 0;
  let s13 = 0;
  let s20 = 0;
  let s21 = 0;
  let s22 = 0;
  let s23 = 0;
  let s30 = 0;
  let s31 = 0;
  let s32 = 0;
  let s33 = 0;
  for (const end = x + depth * 4; x < end; x += 4, y += 4) {
    const a0 = lhs[x];
    const a1 = lhs[x + 1];
    const a2 = lhs[x + 2];
    const a3 = lhs[x + 3];
    const b0 = rhs[y];
    const b1 = rhs[y + 1];
    const b2 = rhs[y + 2];
    const b3 = rhs[y + 3];
    s00 += a0 * b0;
    s01 += a0 * b1;
    s02 += a0 * b2;
    s03 += a0 * b3;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s12 += a1 * b2;
    s13 += a1 * b3;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s22 += a2 * b2;
    s23 += a2 * b3;
    s30 += a3 * b0;
    s31 += a3 * b1;
    s32 += a3 * b2;
    s33 += a3 * b3;
  }
  out[o] += s00;
  out[o + 1] += s01;
  out[o + 2] += s02;
  out[o + 3] += s03;
  o += width;
  out[o] += s10;
  out[o + 1] += s11;
  out[o + 2] += s12;
  out[o + 3] += s13;
  o += width;
  out[o] += s20;
  out[o + 1] += s21;
  out[o + 2] += s22;
  out[o + 3] += s23;
  o += width;
  out[o] += s30;
  out[o + 1] += s31;
  out[o + 2] += s32;
  out[o + 3] += s33;
}

/** out[m, n] = Σ (lhs − zeroPoint) · weights over weights from `packWeights`, 4 × 4 at a time. */
export function createBlockedGemm({ m, n, k }) {
  const height = Math.ceil(m / 4) * 4;
  const width = Math.ceil(n / 4) * 4;
  const packed = new Float64Array(height * Math.min(k, DEPTH));
  const padded = height === m && width === n ? null : new Int32Array(height * width);
  return (lhs, zeroPoint, weights, out) => {
    const sums = padded ?? out;
    sums.fill(0);
    let y = 0;
    for (let start = 0; start < k; start += DEPTH) {
      const depth = Math.min(DEPTH, k - start);
      let o = 0;
      for (let row = 0; row < height; row += 4) {
        for (let i = start; i < start + depth; i++) {
          for (let r = row; r < row + 4; r++) {
            packed[o++] = r < m ? lhs[r * k + i] - zeroPoint : 0;
          }
        }
      }
      for (let column = 0; column < width; column += 4, y += depth * 4) {
        for (let row = 0; row < height; row += 4) {
          tile(packed, row * depth, weights, y, depth, sums, row * width + column, width);
        }
      }
    }
    if (padded) {
      for (let row = 0; row < m; row++) {
        out.set(padded.subarray(row * width, row * width + n), row * n);
      }
    }
  };
}

/** Σ of each of n rows of weights [n, k]: zeroPoint · Σ leaves Σ (lhs − zeroPoint) · weights. */
export function rowSums(transposed, n, k) {
  const sums = new Int32Array(n);
  for (let row = 0, x = 0; row < n; row++) {
    let sum = 0;
    for (let i = 0; i < k; i++) sum += transposed[x++];
    sums[row] = sum;
  }
  return sums;
}

/**
 * The same in integers from int8 as they are, for few rows: weights transposed, [n, k], 4 columns
 * at a time. Packing doubles would read 8 bytes per weight where this reads one. The zero point
 * stays outside: with it, the engine no longer knows that a product fits an integer.
 */
export function gemmRows(lhs, zeroPoint, transposed, sums, { m, n, k }, out) {
  const whole = n - (n % 4);
  for (let row = 0; row < m; row++) {
    const x = row * k;
    const o = row * n;
    for (let column = 0; column < whole; column += 4) {
      const y0 = column * k;
      const y1 = y0 + k;
      const y2 = y1 + k;
      const y3 = y2 + k;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let i = 0; i < k; i++) {
        const a = lhs[x + i];
        s0 = (s0 + a * transposed[y0 + i]) | 0;
        s1 = (s1 + a * transposed[y1 + i]) | 0;
        s2 = (s2 + a * transposed[y2 + i]) | 0;
        s3 = (s3 + a * transposed[y3 + i]) | 0;
      }
      out[o + column] = s0 - zeroPoint * sums[column];
      out[o + column + 1] = s1 - zeroPoint * sums[column + 1];
      out[o + column + 2] = s2 - zeroPoint * sums[column + 2];
      out[o + column + 3] = s3 - zeroPoint * sums[column + 3];
    }
    for (let column = whole; column < n; column++) {
      const y = column * k;
      let sum = 0;
      for (let i = 0; i < k; i++) sum = (sum + lhs[x + i] * transposed[y + i]) | 0;
      out[o + column] = sum - zeroPoint * sums[column];
    }
  }
}

/**
 * MatMulNBits: weights [n][k / block][block / 2], low nibble first, one scale per block, zero at 8.
 */
/** out[j] = x · row j of the weights; rows begin again where the weights end. */
export function multiplyRow(x, weights, k, out) {
  const rows = weights.length / k;
  for (let j = 0; j < out.length; j++) {
    const start = (j % rows) * k;
    let sum = 0;
    for (let i = 0; i < k; i++) sum += x[i] * weights[start + i];
    out[j] = sum;
  }
}

export function gemmInt4(lhs, weights, scales, { m, n, k, block }, out) {
  const half = block / 2;
  const blocks = k / block;
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      let sum = 0;
      let x = row * k;
      let y = column * blocks * half;
      for (let b = 0; b < blocks; b++) {
        let low = 0;
        let high = 0;
        for (const end = y + half; y < end; y++, x += 2) {
          const pair = weights[y];
          low += lhs[x] * ((pair & 15) - 8);
          high += lhs[x + 1] * ((pair >> 4) - 8);
        }
        sum += (low + high) * scales[column * blocks + b];
      }
      out[row * n + column] = sum;
    }
  }
}

/** f32 → i8 / u8: x / scale rounded to f32 as the f32 division has it, then to even. */
export function quantize(x, scale, zeroPoint, lowest, highest, out) {
  for (let i = 0; i < x.length; i++) {
    const q = roundEven(Math.fround(x[i] / scale)) + zeroPoint;
    out[i] = Math.max(lowest, Math.min(highest, q));
  }
}

/** A scale per channel. `inner` elements of a channel lie together, 1 when it is the last axis. */
export function quantizeChannels(x, scales, inner, lowest, highest, out) {
  const channels = scales.length;
  if (inner === 1) {
    for (let row = 0; row < x.length; row += channels) {
      for (let c = 0; c < channels; c++) {
        const q = roundEven(Math.fround(x[row + c] / scales[c]));
        out[row + c] = Math.max(lowest, Math.min(highest, q));
      }
    }
    return;
  }
  for (let i = 0, c = 0; i < x.length; i += inner, c = (c + 1) % channels) {
    quantize(x.subarray(i, i + inner), scales[c], 0, lowest, highest, out.subarray(i, i + inner));
  }
}

export function dequantize(q, scale, zeroPoint, out) {
  for (let i = 0; i < q.length; i++) out[i] = (q[i] - zeroPoint) * scale;
}

export function dequantizeChannels(q, scales, inner, out) {
  const channels = scales.length;
  if (inner === 1) {
    for (let row = 0; row < q.length; row += channels) {
      for (let c = 0; c < channels; c++) out[row + c] = q[row + c] * scales[c];
    }
    return;
  }
  for (let i = 0, c = 0; i < q.length; i += inner, c = (c + 1) % channels) {
    dequantize(q.subarray(i, i + inner), scales[c], 0, out.subarray(i, i + inner));
  }
}

export function clamp(x, low, high, out) {
  for (let i = 0; i < x.length; i++) out[i] = Math.max(low, Math.min(high, x[i]));
}

/** Without a branch: d & ~(d >> 31) is max(d, 0). Random data mispredict one value in two. */
export function clampIntegers(x, low, high, out) {
  for (let i = 0; i < x.length; i++) {
    const above = x[i] - low;
    const below = high - low - (above & ~(above >> 31));
    out[i] = high - (below & ~(below >> 31));
  }
}

/** out[0] and out[1]: the least and the greatest value, over 2 independent runs. */
export function minMax(x, out) {
  let low0 = Number.POSITIVE_INFINITY;
  let low1 = Number.POSITIVE_INFINITY;
  let high0 = Number.NEGATIVE_INFINITY;
  let high1 = Number.NEGATIVE_INFINITY;
  const last = x.length - 1;
  for (let i = 0; i < last; i += 2) {
    const a = x[i];
    const b = x[i + 1];
    low0 = Math.min(low0, a);
    high0 = Math.max(high0, a);
    low1 = Math.min(low1, b);
    high1 = Math.max(high1, b);
  }
  out[0] = Math.min(low0, low1, x[last]);
  out[1] = Math.max(high0, high1, x[last]);
}

/** One symmetric scale per row, amax / 127, as token-wise dynamic quantization has it. */
export function quantizeRows(x, width, scales, out) {
  for (let start = 0, row = 0; start < x.length; start += width, row++) {
    const end = start + width;
    let most = 0;
    for (let i = start; i < end; i++) {
      const magnitude = Math.abs(x[i]);
      if (magnitude > most) most = magnitude;
    }
    const scale = Math.fround(most / 127) || 1;
    scales[row] = scale;
    for (let i = start; i < end; i++) {
      const q = roundEven(Math.fround(x[i] / scale));
      out[i] = Math.max(-127, Math.min(127, q));
    }
  }
}

/** Rows of an int8 table, one scale per row, as f32. */
export function gather(table, width, scales, ids, out) {
  for (let i = 0, o = 0; i < ids.length; i++) {
    const scale = scales[ids[i]];
    for (let x = ids[i] * width, end = x + width; x < end; x++) out[o++] = table[x] * scale;
  }
}

const range = new Float32Array(2);

/** DynamicQuantizeLinear (ONNX), u8: the range, then the values. Returns scale and zero point. */
export function dynamicQuantize(x, out) {
  minMax(x, range);
  const low = Math.min(0, range[0]);
  const high = Math.max(0, range[1]);
  const scale = Math.fround(Math.fround(high - low) / 255) || 1;
  const zeroPoint = Math.max(0, Math.min(255, roundEven(Math.fround(-low / scale))));
  quantize(x, scale, zeroPoint, 0, 255, out);
  return { scale, zeroPoint };
}

/** i32 → i8: (sum + bias) · scale in f32, ties to even; one scale and one bias a column. */
export function requantizeColumns(sums, bias, scales, zeroPoint, out) {
  const columns = scales.length;
  for (let row = 0; row < sums.length; row += columns) {
    for (let c = 0; c < columns; c++) {
      const real = Math.fround(Math.fround(sums[row + c] + bias[c]) * scales[c]);
      const q = roundEven(real) + zeroPoint;
      out[row + c] = Math.max(-128, Math.min(127, q));
    }
  }
}

export function requantize(sums, scale, zeroPoint, out) {
  for (let i = 0; i < sums.length; i++) {
    const q = roundEven(Math.fround(Math.fround(sums[i]) * scale)) + zeroPoint;
    out[i] = Math.max(-128, Math.min(127, q));
  }
}

/** Counts of |x| in equal bins of [0, amax]; 4 tables, or equal neighbours wait for each other. */
export function histogram(x, amax, counts) {
  const bins = counts.length;
  const last = bins - 1;
  const perUnit = Math.fround(bins / amax);
  const tables = [counts.fill(0), ...Array.from({ length: 3 }, () => new Uint32Array(bins))];
  const [t0, t1, t2, t3] = tables;
  const whole = x.length - (x.length % 4);
  for (let i = 0; i < whole; i += 4) {
    t0[Math.min(last, (Math.abs(x[i]) * perUnit) | 0)]++;
    t1[Math.min(last, (Math.abs(x[i + 1]) * perUnit) | 0)]++;
    t2[Math.min(last, (Math.abs(x[i + 2]) * perUnit) | 0)]++;
    t3[Math.min(last, (Math.abs(x[i + 3]) * perUnit) | 0)]++;
  }
  for (let i = whole; i < x.length; i++) t0[Math.min(last, (Math.abs(x[i]) * perUnit) | 0)]++;
  for (let bin = 0; bin < bins; bin++) counts[bin] += t1[bin] + t2[bin] + t3[bin];
}

const word = new Uint32Array(1);
const real = new Float32Array(word.buffer);

/**
 * f32 bits → f16 bits, ties to even. Adding 0.5 puts a number below 2^-14 where its last bit is
 * the last bit of an f16 subnormal, so that the f32 addition does the rounding.
 */
export function halfFromFloat(bits, out) {
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i];
    const magnitude = x & 0x7fffffff;
    const sign = (x >>> 16) & 0x8000;
    if (magnitude >= 0x47800000) {
      out[i] = sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
    } else if (magnitude < 0x38800000) {
      word[0] = magnitude;
      real[0] += 0.5;
      out[i] = sign | (word[0] - 0x3f000000);
    } else {
      out[i] = sign | ((magnitude + 0xc8000fff + ((magnitude >>> 13) & 1)) >>> 13);
    }
  }
}

let halves = null;

/** f16 bits → f32: a table of all 65 536. */
export function floatFromHalf(half, out) {
  halves ??= Float32Array.from({ length: 65_536 }, (_, h) => {
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return exponent === 0
      ? sign * fraction * 2 ** -24
      : sign * (1024 + fraction) * 2 ** (exponent - 25);
  });
  for (let i = 0; i < half.length; i++) out[i] = halves[half[i]];
}

/** The k rows with the largest dot product with `query`, best first, ties to the lower row. */
export function topK(rows, query, k, out) {
  const width = query.length;
  const scores = new Int32Array(k).fill(-0x80000000);
  let filled = 0;
  for (let row = 0, x = 0; x < rows.length; row++, x += width) {
    let even = 0;
    let odd = 0;
    for (let i = 0; i < width; i += 2) {
      even = (even + rows[x + i] * query[i]) | 0;
      odd = (odd + rows[x + i + 1] * query[i + 1]) | 0;
    }
    const score = even + odd;
    if (filled === k && score <= scores[k - 1]) continue;
    let place = filled < k ? filled++ : k - 1;
    for (; place > 0 && scores[place - 1] < score; place--) {
      scores[place] = scores[place - 1];
      out[place] = out[place - 1];
    }
    scores[place] = score;
    out[place] = row;
  }
}
