/**
 * Scales and zero points of int4 blocks: runs of a row that share them.
 * docs/formats.md
 */
import { load3_f32x4 } from "../half";
import { zero_v128 } from "../lanes";
import { extremesRun } from "../min-max";

function sum(x: v128): f32 {
  const pair = f32x4.add(x, i32x4.shuffle(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
}

/**
 * Computes the codes of a block for a scale and a zero point, and stores the least-squares scale
 * for these codes to `best`: Σ w·x·q / Σ w·q² with q = code − zero. Returns how much this scale
 * reduces the error Σ w·x²: (Σ w·x·q)² / Σ w·q².
 */
function fitScale(src: usize, n: i32, scale: f32, zero: i32, importance: usize, best: usize): f32 {
  const z: f32 = <f32>zero;
  const lows = f32x4.splat(-z);
  const highs = f32x4.splat(15 - z);
  const inverse = f32x4.splat(1 / scale);
  let xq = zero_v128();
  let qq = xq;
  for (let k = 0; k < n; k += 4, src += 16) {
    const x = n - k >= 4 ? v128.load(src) : load3_f32x4(src, n - k);
    const q = f32x4.pmin(highs, f32x4.pmax(lows, f32x4.nearest(f32x4.mul(x, inverse))));
    let wq = q;
    // beyond the importance of the last column q is 0
    if (importance) wq = f32x4.mul(q, v128.load(importance + ((<usize>k) << 2)));
    xq = f32x4.add(xq, f32x4.mul(x, wq));
    qq = f32x4.add(qq, f32x4.mul(q, wq));
  }
  const product = sum(xq);
  const fitted = product / sum(qq);
  store<f32>(best, fitted);
  return product * fitted;
}

/**
 * Scales and zero points of int4 blocks: rows of `columns`, one scale (f32) and zero point (i32,
 * for codes in [0, 15]) a block.
 *
 *   symmetric    scale = e / −8 with e the value of the largest magnitude, zero point 8;
 *                e has the code 0
 *   asymmetric   the range widened to contain 0, scale = (max − min) / 15,
 *                zeroPoint = round(−min / scale)
 *
 * With `steps` the scale is searched. Each step takes a scale between 1.15 and 0.6 times that one
 * (asymmetric also with the adjacent zero points). The scale gives codes, and the codes give their
 * least-squares scale. The pair with the least squared error is chosen. `importance` weights the
 * squares: one f32 per column, or 0.
 */
export function choose_int4_f32(
  src: usize,
  rows: i32,
  columns: i32,
  block: i32,
  asymmetric: bool,
  steps: i32,
  importance: usize,
  scales: usize,
  zeros: usize,
  scratch: usize,
): void {
  for (; rows > 0; rows--) {
    for (let k = 0; k < columns; k += block, scales += 4, zeros += 4) {
      const n = min(block, columns - k);
      store<f32>(scratch, 0);
      store<f32>(scratch, 0, 4);
      extremesRun(src, n, scratch, scratch + 4);
      const low = max(load<f32>(scratch), -f32.MAX_VALUE);
      const high = min(load<f32>(scratch, 4), f32.MAX_VALUE);
      const base: f32 = asymmetric ? high / 15 - low / 15 : (high > -low ? high : low) / -8;
      let scale = base;
      let zero: i32 = 8;
      if (base == 0) scale = 1;
      else if (asymmetric) zero = <i32>nearest(-low / base);
      const weights = importance ? importance + ((<usize>k) << 2) : 0;
      let most: f32 = 0;
      const middle = zero;
      for (let step = 0; step < steps; step++) {
        const candidate = base * (<f32>1.15 - (<f32>0.55 * <f32>step) / <f32>steps);
        const beside = asymmetric ? 1 : 0;
        for (let z = max(middle - beside, 0); z <= min(middle + beside, 15); z++) {
          const gain = fitScale(src, n, candidate, z, weights, scratch);
          if (gain > most) {
            most = gain;
            scale = load<f32>(scratch);
            zero = z;
          }
        }
      }
      store<f32>(scales, scale);
      store<i32>(zeros, zero);
      src += (<usize>n) << 2;
    }
  }
}
