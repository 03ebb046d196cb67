/**
 * Multiply-adds of one sentence of n tokens, by kind:
 *   dense      Σ over dense layers of n · inputs · outputs, and once the projection
 *   scores     n · n · d a layer (q · kᵀ over all heads)
 *   mix        n · n · d a layer (P · v over all heads)
 *   other      what stays float: 2 an element of every layer norm (variance, gain and bias),
 *              5 a softmax score (2 to reduce the argument, 3 for the cubic) and 1 to divide,
 *              1 an element of the position signal, the residuals, the mean and the length
 */
export function countMultiplyAdds(weights, tokens) {
  const outputsOf = ({ weight }) => weight.shape[0] * weight.shape[1];
  const [, embeddingSize] = weights.embedding.shape;
  const [size, dimensions] = weights.projection.weight.shape;
  let dense = size * dimensions;
  let attention = 0;
  let other = tokens * (embeddingSize + size) + 2 * dimensions;
  for (const layer of weights.layers) {
    const width = layer.qkv.weight.shape[0];
    const parts = [layer.qkv, layer.output, layer.residual, layer.expand, layer.contract];
    for (const part of parts) if (part) dense += tokens * outputsOf(part);
    attention += tokens * tokens * width;
    other += tokens * (2 * (width + size) + 2 * size);
    other += 6 * weights.heads * tokens * tokens;
  }
  return {
    dense,
    scores: attention,
    mix: attention,
    other,
    total: dense + 2 * attention + other,
  };
}
