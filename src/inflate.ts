/**
 * Inflates raw deflate data (RFC 1951). The default entry carries its builds so: at a third of the size that base64
 * alone would have, for a bundle and for gzip alike. It runs once for an instance, mostly on cold code: a table finds a
 * symbol in one step, and what repeats is copied in one call.
 */

const MOST_BITS = 15;

/**
 * The table of a canonical code: at each 15 bits that may come next, the symbol · 16 + the bits that it takes. The first
 * bit is the lowest, so that a word stands at its own bits with anything above them: the table of one bit more is the
 * table twice, with the words of that length written over.
 */
function tableOf(lengths: ArrayLike<number>): Uint16Array {
  const table = new Uint16Array(2 ** MOST_BITS);
  let word = 0;
  for (let bits = 1; bits <= MOST_BITS; bits++) {
    const half = 2 ** (bits - 1);
    table.copyWithin(half, 0, half);
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== bits) continue;
      table[word] = symbol * 16 + bits;
      // the next word: one more, the carry going downwards
      let bit = half;
      for (; word & bit; bit >>= 1) word ^= bit;
      word |= bit;
    }
  }
  return table;
}

/** Bases and extra bits of a run of codes; every `repeat` codes they gain a bit. */
function steps(count: number, first: number, repeat: number): [number, number][] {
  const list: [number, number][] = [];
  for (let i = 0, base = first; i < count; i++) {
    const extra = Math.max(0, Math.floor(i / repeat) - 1);
    list.push([base, extra]);
    base += 2 ** extra;
  }
  return list;
}

/** The order in which lengths of the code of code lengths are written. */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** The first `size` bytes of what `source` inflates to. The data are trusted. */
export function inflate(source: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(size);
  let at = 0; // in bits
  let end = 0;

  /** At least 17 of the bits that come next. */
  const ahead = (): number => {
    const from = at >> 3;
    return (source[from] | (source[from + 1] << 8) | (source[from + 2] << 16)) >> (at & 7);
  };
  const bits = (count: number): number => {
    const value = ahead() & (2 ** count - 1);
    at += count;
    return value;
  };
  const next = (table: Uint16Array): number => {
    const entry = table[ahead() & (2 ** MOST_BITS - 1)];
    at += entry & 15;
    return entry >> 4;
  };
  const writtenTables = (): [Uint16Array, Uint16Array] => {
    const literals = bits(5) + 257;
    const lengths = new Uint8Array(literals + bits(5) + 1);
    const given = bits(4) + 4;
    const short = new Uint8Array(19);
    for (let i = 0; i < given; i++) short[ORDER[i]] = bits(3);
    const table = tableOf(short);
    for (let i = 0; i < lengths.length; ) {
      const symbol = next(table);
      if (symbol < 16) lengths[i++] = symbol;
      else {
        const again = symbol === 16 ? lengths[i - 1] : 0;
        const times = symbol === 16 ? 3 + bits(2) : symbol === 17 ? 3 + bits(3) : 11 + bits(7);
        lengths.fill(again, i, i + times);
        i += times;
      }
    }
    return [tableOf(lengths.subarray(0, literals)), tableOf(lengths.subarray(literals))];
  };
  const fixedTables = (): [Uint16Array, Uint16Array] => {
    const lengths = new Uint8Array(288).fill(8).fill(9, 144).fill(7, 256).fill(8, 280);
    return [tableOf(lengths), tableOf(new Uint8Array(30).fill(5))];
  };

  const lengthSteps = [...steps(28, 3, 4), [258, 0]];
  const distanceSteps = steps(30, 1, 2);
  while (end < size) {
    at++; // whether it is the last block: the size says so
    const kind = bits(2);
    if (kind === 0) {
      const from = ((at + 7) >> 3) + 4;
      const count = source[from - 4] | (source[from - 3] << 8);
      out.set(source.subarray(from, from + Math.min(count, size - end)), end);
      end += count;
      at = (from + count) * 8;
      continue;
    }
    const [literals, distances] = kind === 1 ? fixedTables() : writtenTables();
    while (end < size) {
      const symbol = next(literals);
      if (symbol === 256) break;
      if (symbol < 256) out[end++] = symbol;
      else {
        const [length, extra] = lengthSteps[symbol - 257];
        const count = length + bits(extra);
        const [distance, more] = distanceSteps[next(distances)];
        const back = distance + bits(more);
        if (count <= back) {
          out.copyWithin(end, end - back, end - back + count);
          end += count;
        } else for (const stop = end + count; end < stop; end++) out[end] = out[end - back];
      }
    }
  }
  return out;
}
