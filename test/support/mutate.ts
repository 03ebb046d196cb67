/** Damages files at random. */

function concat(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(head.length + tail.length);
  bytes.set(head);
  bytes.set(tail, head.length);
  return bytes;
}

/** Changes bytes, cuts, doubles or moves a part. */
export function mutate(
  bytes: Uint8Array,
  integer: (low: number, high: number) => number,
): Uint8Array {
  const at = () => integer(0, bytes.length - 1);
  const kind = integer(0, 9);
  if (kind === 0) return bytes.slice(0, at());
  if (kind === 1) {
    const [from, to] = [at(), at()].sort((x, y) => x - y);
    return concat(bytes.subarray(0, to), bytes.subarray(from));
  }
  const copy = bytes.slice();
  for (let n = integer(1, 4); n > 0; n--) {
    // lengths and tags stand at the start of messages: small values and all ones are the telling
    // ones
    copy[at()] = [integer(0, 255), 0, 0x7f, 0xff, 0x80][integer(0, 4)];
  }
  return copy;
}
