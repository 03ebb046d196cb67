/**
 * A module of its own: decodes a raw stream of LZMA with 3 bits of literal context, none of literal position and 2 of
 * position, as the LZMA specification of I. Pavlov has it. The default entry carries its builds so, a sixth smaller than
 * deflated. In JavaScript the same takes 40 ms, since all of it runs on cold code.
 *
 * An instance is used once: its state lies in globals, its models at address 0.
 */

/** Where the models of each kind begin; a model is the probability of a 0 in units of 2^-11. */
const REPEATED = 192;
const NOT_LAST = 204;
const NOT_SECOND = 216;
const NOT_THIRD = 228;
const LONG = 240;
const SLOTS = 432;
const DISTANCES = 688;
const ALIGNED = 802;
const LENGTHS = 818;
const REPEATED_LENGTHS = 1332;
const LITERALS = 1846;
const MODELS = LITERALS + 8 * 768;

let at: usize = 0;
let code: u32 = 0;
let range: u32 = -1;

function refill(): void {
  if (range >= 1 << 24) return;
  range <<= 8;
  code = (code << 8) | load<u8>(at++);
}

function bit(model: i32): i32 {
  const zero = <u32>load<u16>(model << 1);
  const bound = (range >>> 11) * zero;
  const one = code >= bound;
  store<u16>(model << 1, one ? zero - (zero >> 5) : zero + ((2048 - zero) >> 5));
  if (one) {
    code -= bound;
    range -= bound;
  } else {
    range = bound;
  }
  refill();
  return i32(one);
}

/** `count` bits, the highest first, each with a model for the bits before it. */
function tree(first: i32, count: i32): i32 {
  let node = 1;
  while (node < 1 << count) node = node * 2 + bit(first + node);
  return node - (1 << count);
}

/** The same, the lowest first. */
function reversed(first: i32, count: i32): i32 {
  let value = 0;
  for (let i = 0, node = 1; i < count; i++) {
    const next = bit(first + node);
    node = node * 2 + next;
    value |= next << i;
  }
  return value;
}

function lengthOf(first: i32, position: i32): i32 {
  if (!bit(first)) return 2 + tree(first + 2 + position * 8, 3);
  if (!bit(first + 1)) return 10 + tree(first + 130 + position * 8, 3);
  return 18 + tree(first + 258, 8);
}

/** A distance less 1. */
function distanceOf(length: i32): i32 {
  const slot = tree(SLOTS + min(length - 2, 3) * 64, 6);
  if (slot < 4) return slot;
  const count = (slot >> 1) - 1;
  const base = (2 | (slot & 1)) << count;
  if (slot < 14) return base + reversed(DISTANCES + base - slot - 1, count);
  let direct = 0;
  for (let i = 4; i < count; i++) {
    range >>>= 1;
    const one = code >= range;
    if (one) code -= range;
    direct = direct * 2 + i32(one);
    refill();
  }
  return base + direct * 16 + reversed(ALIGNED, 4);
}

/** The first `size` bytes of what the stream at `src` holds, to `dst`, before which lies a 0. The data are trusted. */
export function decode(src: usize, dst: usize, size: i32): void {
  for (let model = 0; model < MODELS; model++) store<u16>(model << 1, 1024);
  // the first of five bytes is 0, the others begin the code
  code = bswap(load<u32>(src, 1));
  at = src + 5;
  // what came last decides on the models of what comes next: below 7 it was a literal
  let state = 0;
  // distances less 1, the last first
  let last = 0;
  let second = 0;
  let third = 0;
  let fourth = 0;
  const start = dst;
  for (const end = dst + size; dst < end; ) {
    const position = <i32>(dst - start) & 3;
    if (!bit(state * 16 + position)) {
      const first = LITERALS + 768 * (<i32>load<u8>(dst - 1) >> 5);
      let node = 1;
      // after a match the byte that would have gone on with it is a hint while its bits are right
      let hints = state < 7 ? 0 : 256;
      for (let hint = <i32>load<u8>(dst - last - 1); node < 256; ) {
        hint <<= 1;
        const hinted = hint & hints;
        const next = bit(first + hints + hinted + node);
        node = node * 2 + next;
        hints &= next ? hinted : ~hinted;
      }
      store<u8>(dst++, node);
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    const afterLiteral = state < 7;
    let length = 1;
    if (!bit(REPEATED + state)) {
      fourth = third;
      third = second;
      second = last;
      length = lengthOf(LENGTHS, position);
      last = distanceOf(length);
      state = afterLiteral ? 7 : 10;
    } else {
      let single = false;
      if (!bit(NOT_LAST + state)) {
        single = !bit(LONG + state * 16 + position);
      } else {
        let distance = second;
        if (bit(NOT_SECOND + state)) {
          distance = third;
          if (bit(NOT_THIRD + state)) {
            distance = fourth;
            fourth = third;
          }
          third = second;
        }
        second = last;
        last = distance;
      }
      if (!single) length = lengthOf(REPEATED_LENGTHS, position);
      state = !afterLiteral ? 11 : single ? 9 : 8;
    }
    for (const stop = min(dst + length, end); dst < stop; dst++) {
      store<u8>(dst, load<u8>(dst - last - 1));
    }
  }
}
