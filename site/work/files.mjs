/** Tensors of a file that a reader drops: .npy, .csv, .safetensors, .onnx, .gguf. */
import { fromF16 } from "bytelane";
import { readSafetensors, tensorFloats } from "bytelane/formats";

const isReal = (dtype) => /^(F16|F32|F64|BF16|F8_\w+)$/.test(dtype);
const countOf = (shape) => shape.reduce((product, size) => product * size, 1);

/** The header is a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3,), }. */
function readNpy(instance, name, bytes) {
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
  if (!magic.every((byte, i) => bytes[i] === byte)) throw new Error(`${name} is no .npy file`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = bytes[6] >= 2;
  const start = wide ? 12 : 10;
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(bytes.subarray(start, end));
  const descr = /'descr': *'([^']*)'/.exec(header)?.[1] ?? "";
  const shape = (/'shape': *\(([^)]*)\)/.exec(header)?.[1] ?? "").match(/\d+/g)?.map(Number) ?? [];
  const data = bytes.slice(end).buffer;
  const read = {
    "<f4": () => new Float32Array(data),
    "<f8": () => Float32Array.from(new Float64Array(data)),
    "<f2": () => fromF16(instance, new Uint16Array(data)),
  }[descr];
  if (!read) throw new Error(`${name} expected floats of 16, 32 or 64 bits, got ${descr}`);
  const values = read();
  if (values.length !== countOf(shape)) throw new Error(`${name} is cut short`);
  return [{ name, shape, read: async () => values }];
}

function readCsv(name, bytes) {
  const rows = new TextDecoder()
    .decode(bytes)
    .trim()
    .split(/\r?\n/)
    .map((line) => line.split(/[,;\t]/).map((cell) => (cell.trim() === "" ? Number.NaN : +cell)));
  // a line of names
  if (rows[0].some(Number.isNaN)) rows.shift();
  const columns = rows[0]?.length ?? 0;
  const bad = rows.findIndex((row) => row.length !== columns || row.some(Number.isNaN));
  if (columns === 0) throw new Error(`${name} expected rows of numbers, got none`);
  if (bad >= 0)
    throw new Error(`${name} expected ${columns} numbers in each row, not in ${bad + 1}`);
  const values = Float32Array.from(rows.flat());
  return [{ name, shape: [rows.length, columns], read: async () => values }];
}

function readSafe(instance, bytes) {
  return [...readSafetensors(bytes).tensors]
    .filter(([, { dtype }]) => isReal(dtype))
    .map(([name, entry]) => ({
      ...{ name, shape: entry.shape },
      read: async () => tensorFloats(instance, entry),
    }));
}

async function readOnnx(bytes) {
  const { openOnnx } = await import("bytelane/onnx");
  const file = await openOnnx(bytes);
  return [...file.tensors.values()]
    .filter(({ type }) => type === "FLOAT" || type === "FLOAT16")
    .map(({ name, shape }) => ({
      ...{ name, shape },
      read: async () => (await file.reals(name)).values,
    }));
}

async function readGgufFile(bytes) {
  const { decodeGgml, readGguf } = await import("bytelane/gguf");
  return [...readGguf(bytes).tensors.values()].map((entry) => ({
    ...{ name: entry.name, shape: entry.shape },
    read: async () => decodeGgml(entry.data, entry.type),
  }));
}

/** `{ name, shape, length, read }` of every tensor of reals; `read` gives a Float32Array. */
export async function openFile(instance, name, bytes) {
  const ending = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  const read = {
    npy: () => readNpy(instance, name, bytes),
    csv: () => readCsv(name, bytes),
    safetensors: () => readSafe(instance, bytes),
    onnx: () => readOnnx(bytes),
    gguf: () => readGgufFile(bytes),
  }[ending];
  if (!read) throw new Error(`${name} expected .npy, .csv, .safetensors, .onnx or .gguf`);
  const tensors = (await read())
    .map((each) => ({ ...each, length: countOf(each.shape) }))
    .filter(({ length }) => length > 0);
  if (tensors.length === 0) throw new Error(`${name} has no tensor of reals`);
  return tensors;
}
