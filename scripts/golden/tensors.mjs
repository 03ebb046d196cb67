/**
 * How arrays stand in golden files: exact, NaN and −0 included, as little-endian bytes in base64.
 */

const ARRAYS = {
  f32: Float32Array,
  f64: Float64Array,
  i32: Int32Array,
  i8: Int8Array,
  u8: Uint8Array,
};

export function encode(array) {
  const dtype = Object.keys(ARRAYS).find((key) => array instanceof ARRAYS[key]);
  const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return { dtype, base64: bytes.toString("base64") };
}

export function decode({ dtype, base64 }) {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  return new ARRAYS[dtype](bytes.buffer);
}

export function sameBytes(a, b) {
  const bytes = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return a.length === b.length && bytes(a).equals(bytes(b));
}
