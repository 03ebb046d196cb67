/** Codes of single rows, read back from the planes. */
import type { Storage } from "./storage.ts";

/** The codes of a row, from the planes. */
export function codesAt(storage: Storage, row: number): Uint8Array {
  const { instance } = storage;
  const { heap } = instance;
  const codes = new Uint8Array(storage.padded);
  if (storage.bits === 1) {
    const place = row & 31;
    const at = storage.addressOf("signs", row - place) + (((place & 7) << 1) | ((place >> 3) & 1));
    const signs = heap.view("u8", at, storage.padded * 4);
    for (let j = 0; j < storage.padded; j++) {
      codes[j] = (signs[(j >> 2) << 4] >> ((place & 16) / 4 + (j & 3))) & 1;
    }
    return codes;
  }
  const bytes = storage.padded / 2;
  const high = heap.view("u8", storage.addressOf("high", row), bytes);
  const low = storage.bits === 8 ? heap.view("u8", storage.addressOf("low", row), bytes) : high;
  for (let j = 0; j < storage.padded; j++) {
    const at = ((j >> 5) << 4) | (j & 15);
    const shift = (j & 16) / 4;
    const upper = (high[at] >> shift) & 15;
    codes[j] = storage.bits === 4 ? upper : (upper << 4) | ((low[at] >> shift) & 15);
  }
  return codes;
}

/** A vector, restored from its codes as f32. For cosine it has its original length. */
export function vectorAt(storage: Storage, row: number): Float32Array {
  const { heap } = storage.instance;
  const { metric, dimensions } = storage;
  const codes = codesAt(storage, row);
  const middle = (2 ** storage.bits - 1) / 2;
  const factors = `factors${storage.bits}` as const;
  const factor = heap.words.getFloat32(storage.addressOf(factors, row), true);
  const length = heap.words.getFloat32(storage.addressOf("extra", row), true);
  const mean = heap.view("f32", storage.mean, dimensions);
  const scale = metric === "cosine" ? length : 1;
  return Float32Array.from(mean, (m, j) => (m + factor * (codes[j] - middle)) * scale);
}

/** The error of operations that need all codes, for an index with codes in a file. */
export function refuseRemote(): never {
  throw new TypeError('"index" expected one in memory: open it with { writable: true }');
}
