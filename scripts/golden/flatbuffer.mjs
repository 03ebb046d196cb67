/**
 * Writes flatbuffers from the root down. A node is one of
 *
 *     { fields: [[place, kind, value], …] }    a table; kind is "i8", "i32", or "ref" for a node
 *     { values, kind }                         a vector of "i32", "f32", "i64" or "ref"
 *     { bytes }                                a vector of bytes, aligned for vector loads
 *     { text }                                 a string of ASCII
 *
 * A reference is the distance forward to its node, so a parent is written before its children; a
 * table begins with the distance back to its vtable, [bytes of vtable, bytes of table, place of
 * each field].
 */

const SIZES = { i8: 1, i32: 4, f32: 4, i64: 8, ref: 4 };

export function flatbuffer(root, identifier) {
  let buffer = Buffer.alloc(1 << 16);
  let end = 8;

  function room(bytes, alignment) {
    end = Math.ceil(end / alignment) * alignment;
    const at = end;
    end += bytes;
    if (end > buffer.length) buffer = Buffer.concat([buffer, Buffer.alloc(end)]);
    return at;
  }

  function put(at, kind, value) {
    if (kind === "i8") buffer.writeInt8(value, at);
    else if (kind === "i32") buffer.writeInt32LE(value, at);
    else if (kind === "f32") buffer.writeFloatLE(value, at);
    else if (kind === "i64") buffer.writeBigInt64LE(BigInt(value), at);
    else {
      const child = write(value);
      buffer.writeUInt32LE(child - at, at);
    }
  }

  function table(fields) {
    const slots = Math.max(-1, ...fields.map(([place]) => place)) + 1;
    const vtable = room(4 + 2 * slots, 2);
    const at = room(4 + 4 * fields.length, 4);
    buffer.writeInt32LE(at - vtable, at);
    buffer.writeUInt16LE(4 + 2 * slots, vtable);
    buffer.writeUInt16LE(4 + 4 * fields.length, vtable + 2);
    for (const [i, [place, kind, value]] of fields.entries()) {
      buffer.writeUInt16LE(4 + 4 * i, vtable + 4 + 2 * place);
      put(at + 4 + 4 * i, kind, value);
    }
    return at;
  }

  /**
   * Room for a vector. Its count stands in the four bytes before the first element, which is what
   * is aligned.
   */
  function vector(count, bytes, alignment) {
    room(4, 4);
    const first = room(bytes, alignment);
    buffer.writeUInt32LE(count, first - 4);
    return first;
  }

  function write({ fields, bytes, text, kind, values }) {
    if (fields) return table(fields);
    if (bytes) {
      const first = vector(bytes.length, bytes.length, 16);
      buffer.set(bytes, first);
      return first - 4;
    }
    if (text !== undefined) {
      const first = vector(text.length, text.length + 1, 4);
      buffer.write(`${text}\0`, first, "latin1");
      return first - 4;
    }
    const size = SIZES[kind];
    const first = vector(values.length, values.length * size, Math.max(4, size));
    for (const [i, value] of values.entries()) put(first + i * size, kind, value);
    return first - 4;
  }

  buffer.write(identifier, 4, "latin1");
  const at = write(root);
  buffer.writeUInt32LE(at, 0);
  return new Uint8Array(buffer.subarray(0, end));
}
