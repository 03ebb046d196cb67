/*
 * The matrix products of the encoder in plain JavaScript, float32 in memory.
 *
 * Both sides of a product are packed into panels, so that the inner loop reads two streams in
 * order and feeds 8 sums that stay in registers:
 *
 *                  rhs panel: [columns / 4][depth][4]
 *                 | b0 b1 b2 b3 |
 *   lhs panel  ---+-------------+
 *   [rows / 2] a0 | 8 sums      |   one step of depth: 6 loads, 8 multiply-adds
 *   [depth][2] a1 |             |   edge panels are filled up with zeros
 *
 * Panels are Float64Array: JavaScript multiplies in double precision, and numbers that are
 * widened once while packing need not be widened at every use (5 to 10 % on Node 20; rounding
 * each sum to float32 with Math.fround makes it 2.5 times slower). Indices say `| 0`, else each
 * pays for an overflow check (2.7 → 2.9 GOPS). 4 × 4 sums spill (2.6); 3 × 3, 4 × 3 and 4 × 2
 * are ties; more than one step of depth a turn is slower.
 */
const ROWS = 2;
const COLUMNS = 4;

function panelLength(size, tile, depth) {
  return Math.ceil(size / tile) * tile * depth;
}

/** Rows of a matrix become panels of `tile` rows; so do the columns of a transposed rhs. */
function packRows(src, offset, stride, rows, depth, tile, dst) {
  for (let row = 0; row < rows; row += tile) {
    for (let lane = 0; lane < tile; lane++) {
      let to = row * depth + lane;
      if (row + lane < rows) {
        const from = offset + (row + lane) * stride;
        for (let k = 0; k < depth; k++, to += tile) dst[to] = src[from + k];
      } else {
        for (let k = 0; k < depth; k++, to += tile) dst[to] = 0;
      }
    }
  }
}

function packColumns(src, offset, stride, depth, columns, dst) {
  for (let column = 0; column < columns; column += COLUMNS) {
    const lanes = Math.min(COLUMNS, columns - column);
    for (let k = 0; k < depth; k++) {
      const from = offset + k * stride + column;
      const to = column * depth + k * COLUMNS;
      for (let lane = 0; lane < COLUMNS; lane++) {
        dst[to + lane] = lane < lanes ? src[from + lane] : 0;
      }
    }
  }
}

/** sums[4·i + j] = Σ_k lhs[i, k] · rhs[k, j] over one panel of each side. */
function multiplyPanels(lhs, lhsStart, rhs, rhsStart, depth, sums) {
  let c00 = 0;
  let c01 = 0;
  let c02 = 0;
  let c03 = 0;
  let c10 = 0;
  let c11 = 0;
  let c12 = 0;
  let c13 = 0;
  const end = rhsStart + depth * COLUMNS;
  for (let a = lhsStart, b = rhsStart; b < end; a = (a + ROWS) | 0, b = (b + COLUMNS) | 0) {
    const b0 = rhs[b];
    const b1 = rhs[(b + 1) | 0];
    const b2 = rhs[(b + 2) | 0];
    const b3 = rhs[(b + 3) | 0];
    const a0 = lhs[a];
    c00 += a0 * b0;
    c01 += a0 * b1;
    c02 += a0 * b2;
    c03 += a0 * b3;
    const a1 = lhs[(a + 1) | 0];
    c10 += a1 * b0;
    c11 += a1 * b1;
    c12 += a1 * b2;
    c13 += a1 * b3;
  }
  sums[0] = c00;
  sums[1] = c01;
  sums[2] = c02;
  sums[3] = c03;
  sums[4] = c10;
  sums[5] = c11;
  sums[6] = c12;
  sums[7] = c13;
}

const sums = new Float64Array(ROWS * COLUMNS);

/** dst[i, j] = max(floor, scale · Σ_k lhs[i, k] · rhs[k, j] + bias[j]), both sides packed. */
function multiplyPacked(lhs, rhs, rows, columns, depth, scale, bias, floor, dst, offset, stride) {
  for (let column = 0; column < columns; column += COLUMNS) {
    const lanes = Math.min(COLUMNS, columns - column);
    for (let row = 0; row < rows; row += ROWS) {
      multiplyPanels(lhs, row * depth, rhs, column * depth, depth, sums);
      const height = Math.min(ROWS, rows - row);
      for (let i = 0; i < height; i++) {
        const to = offset + (row + i) * stride + column;
        for (let j = 0; j < lanes; j++) {
          const value = scale * sums[i * COLUMNS + j] + bias[column + j];
          dst[to + j] = Math.max(value, floor);
        }
      }
    }
  }
}

/** The ops of the encoder (see encoder.mjs) as plain JavaScript; buffers are Float32Arrays. */
export function createFloatOps() {
  let lhsPanels = new Float64Array(0);
  let rhsPanels = new Float64Array(0);
  let noBias = new Float32Array(0);

  function reserve(rows, columns, depth) {
    const lhsLength = panelLength(rows, ROWS, depth);
    if (lhsPanels.length < lhsLength) lhsPanels = new Float64Array(lhsLength);
    const rhsLength = panelLength(columns, COLUMNS, depth);
    if (rhsPanels.length < rhsLength) rhsPanels = new Float64Array(rhsLength);
    if (noBias.length < columns) noBias = new Float32Array(columns);
  }

  function multiply(rows, columns, depth, scale, dst, offset, stride) {
    multiplyPacked(
      lhsPanels,
      rhsPanels,
      rows,
      columns,
      depth,
      scale,
      noBias,
      -Infinity,
      dst,
      offset,
      stride,
    );
  }

  return {
    name: "plain JavaScript, float32",
    createBuffer: (length) => new Float32Array(length),
    view: (buffer) => buffer,

    prepareTable: ({ shape, data }) => ({ width: shape[1], data }),

    gather({ width, data }, ids, dst) {
      for (let i = 0; i < ids.length; i++) {
        dst.set(data.subarray(ids[i] * width, (ids[i] + 1) * width), i * width);
      }
    },

    prepareDense({ shape: [depth, columns], data }, bias, activation) {
      const panels = new Float64Array(panelLength(columns, COLUMNS, depth));
      packColumns(data, 0, columns, depth, columns, panels);
      const floor = activation === "relu" ? 0 : -Infinity;
      return { depth, columns, panels, bias: bias.data, floor };
    },

    dense({ depth, columns, panels, bias, floor }, src, rows, dst) {
      reserve(rows, 0, depth);
      packRows(src, 0, depth, rows, depth, ROWS, lhsPanels);
      multiplyPacked(lhsPanels, panels, rows, columns, depth, 1, bias, floor, dst, 0, columns);
    },

    attentionScores(qkv, { tokens, heads, headSize, scale }, scores) {
      const width = heads * headSize;
      reserve(tokens, tokens, headSize);
      for (let head = 0; head < heads; head++) {
        const query = head * headSize;
        packRows(qkv, query, 3 * width, tokens, headSize, ROWS, lhsPanels);
        packRows(qkv, width + query, 3 * width, tokens, headSize, COLUMNS, rhsPanels);
        multiply(tokens, tokens, headSize, scale, scores, head * tokens * tokens, tokens);
      }
    },

    attentionMix(scores, qkv, { tokens, heads, headSize }, context) {
      const width = heads * headSize;
      reserve(tokens, headSize, tokens);
      for (let head = 0; head < heads; head++) {
        const value = 2 * width + head * headSize;
        packRows(scores, head * tokens * tokens, tokens, tokens, tokens, ROWS, lhsPanels);
        packColumns(qkv, value, 3 * width, tokens, headSize, rhsPanels);
        multiply(tokens, headSize, tokens, 1, context, head * headSize, width);
      }
    },
  };
}

/**
 * Best speed of one dense layer of the model in GOPS = 2 · rows · inputs · outputs / time,
 * packing of the activations and bias counted.
 */
export function measureFloatGemm({ rows = 128, inputs = 512, outputs = 512, rounds = 8 } = {}) {
  const ops = createFloatOps();
  const ramp = (length) => Float32Array.from({ length }, (_, i) => ((i * 7919) % 1013) / 506 - 1);
  const layer = ops.prepareDense(
    { shape: [inputs, outputs], data: ramp(inputs * outputs) },
    { shape: [outputs], data: ramp(outputs) },
    "none",
  );
  const src = ramp(rows * inputs);
  const dst = ops.createBuffer(rows * outputs);
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    ops.dense(layer, src, rows, dst);
    best = Math.min(best, performance.now() - start);
  }
  return (2 * rows * inputs * outputs) / best / 1e6;
}
