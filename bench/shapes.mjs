/**
 * Shapes of real layers. GEMM shapes are rows × columns × depth (M × N × K): M tokens or pixels,
 * N outputs, K inputs.
 */
export const GEMM_SHAPES = [
  { m: 1, n: 1024, k: 1024, from: "BERT-large, attention projection of one token" },
  { m: 1, n: 4096, k: 4096, from: "Llama 2 7B, attention projection of one token" },
  { m: 4, n: 1024, k: 1024, from: "Whisper medium, projection of four beams" },
  { m: 32, n: 32, k: 32, from: "a small square: the cost of a call" },
  { m: 64, n: 64, k: 64, from: "one attention head over 64 tokens" },
  { m: 128, n: 128, k: 128, from: "one attention head pair over 128 tokens" },
  { m: 256, n: 256, k: 256, from: "Universal Sentence Encoder lite, width 256" },
  { m: 512, n: 512, k: 512, from: "MobileBERT, width 512" },
  { m: 1024, n: 1024, k: 1024, from: "ViT-large, width 1024" },
  { m: 128, n: 384, k: 1536, from: "MiniLM, second feed-forward layer" },
  { m: 128, n: 1536, k: 384, from: "MiniLM, first feed-forward layer" },
  { m: 3136, n: 64, k: 576, from: "ResNet-50, 3 × 3 convolution of stage 2 (im2col)" },
  { m: 127, n: 129, k: 131, from: "odd in every dimension" },
];

/**
 * One row times many columns of small depth, 10 MB of weights each, from memory or a last cache;
 * and columns of the same depths in a near cache, 128 kB.
 */
export const WIDE_SHAPES = [
  { m: 1, n: 100_000, k: 100, from: "an index of short vectors" },
  { m: 1, n: 81_920, k: 128, from: "an index of vectors of 128 dimensions" },
  { m: 1, n: 27_307, k: 384, from: "an index of MiniLM's vectors" },
  { m: 1, n: 2560, k: 4096, from: "a feed-forward layer of one token" },
];
export const NEAR_SHAPES = WIDE_SHAPES.map(({ k }) => ({
  ...{ m: 1, n: Math.floor(2 ** 17 / k / 8) * 8, k, from: "the same depth, near" },
}));

/** Work of a few nanoseconds: what remains is the cost of a call. */
export const ONE_TILE = { m: 1, n: 8, k: 8, from: "one tile" };
export const SMALL_LAYER = { m: 1, n: 32, k: 32, from: "a layer of a small perceptron" };
export const FEW_ELEMENTS = [
  { n: 16, name: "16" },
  { n: 2 ** 10, name: "1 K" },
];

export const INT4_SHAPES = [
  { m: 1, n: 1024, k: 1024, from: "BERT-large, attention projection of one token" },
  { m: 1, n: 4096, k: 4096, from: "Llama 2 7B, attention projection of one token" },
  { m: 128, n: 1024, k: 1024, from: "BERT-large, attention projection of 128 tokens" },
];

/** Elements: f32 data within the second-level cache, and beyond it. */
export const TWO_SIZES = [
  { n: 2 ** 16, name: "64 K" },
  { n: 2 ** 20, name: "1 M" },
];
/** The same, and 64 MB of f32. */
export const SIZES = [...TWO_SIZES, { n: 2 ** 24, name: "16 M" }];

/** Channels of per-channel work: the width of BERT-large, and of one ResNet-50 stage. */
export const CHANNELS = 1024;

export const EMBEDDINGS = [
  { count: 1000, width: 512, from: "a documentation site, Universal Sentence Encoder" },
  { count: 100_000, width: 384, from: "an encyclopedia's abstracts, MiniLM" },
];

export const shapeName = ({ m, n, k }) => (m === n && n === k ? `${m}³` : `${m} × ${n} × ${k}`);

/** Names of what is there for the cost of a call alone, and no measure of a kernel. */
export const CALL_SHAPES = [
  ...[ONE_TILE, SMALL_LAYER].map(shapeName),
  ...FEW_ELEMENTS.map(({ name }) => name),
];
