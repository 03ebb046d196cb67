const SEPARATOR = "\u2581";
const UNKNOWN = 0;
// Ids 0 to 5 are <unk>, <s>, </s> and three spare ones; they never match text.
const RESERVED = 6;

/**
 * Unigram tokenizer (Kudo, "Subword Regularization", 2018): among all ways to cut a text into
 * pieces of the vocabulary, the one with the largest sum of log-probabilities.
 *
 * Three habits of the model's own tokenizer are kept, since the ids must be the same:
 * a score of exactly 0 counts as "not reached yet"; the scores of nine pieces with a colon are
 * damaged in the vocabulary file (null, 0 or 30) and are added as they are; on a tie the
 * shorter last piece wins.
 */
export function createTokenizer(vocabulary) {
  const root = { id: UNKNOWN, children: new Map() };
  const scores = Float64Array.from(vocabulary, ([, score]) => score ?? 0);
  const lengths = Int32Array.from(vocabulary, ([piece]) => [...piece].length);
  for (let id = RESERVED; id < vocabulary.length; id++) {
    let node = root;
    for (const symbol of vocabulary[id][0]) {
      let child = node.children.get(symbol);
      if (!child) {
        child = { id: UNKNOWN, children: new Map() };
        node.children.set(symbol, child);
      }
      node = child;
    }
    node.id = id;
  }

  function encode(text) {
    const normalized = text.normalize("NFKC");
    if (normalized.length === 0) return [];
    const symbols = [...(SEPARATOR + normalized.replaceAll(" ", SEPARATOR))];

    const best = new Float64Array(symbols.length + 1);
    const lastPiece = new Int32Array(symbols.length + 1);
    const offer = (end, score, id) => {
      if (best[end] === 0 || score >= best[end]) {
        best[end] = score;
        lastPiece[end] = id;
      }
    };
    for (let start = 0; start < symbols.length; start++) {
      let matched = false;
      let end = start;
      let node = root.children.get(symbols[start]);
      while (node) {
        end++;
        if (node.id !== UNKNOWN) {
          offer(end, best[start] + scores[node.id], node.id);
          matched = true;
        }
        node = node.children.get(symbols[end]);
      }
      if (!matched) offer(start + 1, best[start], UNKNOWN);
    }

    const ids = [];
    for (let end = symbols.length; end > 0; end -= lengths[lastPiece[end]]) {
      const id = lastPiece[end];
      if (id !== UNKNOWN || ids.at(-1) !== UNKNOWN) ids.push(id);
    }
    return ids.reverse();
  }

  return { encode };
}
