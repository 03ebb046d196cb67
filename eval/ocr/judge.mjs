/** How near two results are. */

/** Mean, over steps, of the cosine of logits less their mean: logarithms of probabilities. */
export function cosineOfLogits(p, q, classes) {
  const steps = p.length / classes;
  let sum = 0;
  for (let t = 0; t < steps; t++) {
    const a = centredLogits(p, t * classes, classes);
    const b = centredLogits(q, t * classes, classes);
    let [ab, aa, bb] = [0, 0, 0];
    for (let k = 0; k < classes; k++) {
      ab += a[k] * b[k];
      aa += a[k] * a[k];
      bb += b[k] * b[k];
    }
    sum += ab / Math.sqrt(aa * bb);
  }
  return sum / steps;
}

function centredLogits(p, first, classes) {
  const logits = new Float64Array(classes);
  let mean = 0;
  for (let k = 0; k < classes; k++) {
    logits[k] = Math.log(Math.max(p[first + k], 2 ** -126));
    mean += logits[k] / classes;
  }
  return logits.map((value) => value - mean);
}

/** Pixels that both call text, over those that one does. */
export function overlapOfText(p, q, threshold = 0.3) {
  let [both, either] = [0, 0];
  for (let i = 0; i < p.length; i++) {
    const [a, b] = [p[i] > threshold, q[i] > threshold];
    if (a && b) both++;
    if (a || b) either++;
  }
  return both / either;
}
