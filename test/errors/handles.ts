/** Instances, tensors, scopes, memory. */
import {
  createBytelaneSync,
  createLinear,
  packMatrix,
  part,
  quantize,
  scope,
  type Tensor,
  tensor,
} from "../../src/entries/index.ts";
import type { Case } from "./case.ts";

/** What a caller without types may write. */
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const wrong = (value: unknown): any => value;

const disposed = (instance: Parameters<Case[2]>[0]): Tensor<"f32"> => {
  const x = tensor(instance, "f32", [2, 3]);
  x.dispose();
  return x;
};
const foreign = (): Tensor<"f32"> => tensor(createBytelaneSync(), "f32", [2, 3]);

const detached = (): Float32Array => {
  const x = Float32Array.of(1, 2, 3, 4);
  structuredClone(x, { transfer: [x.buffer] });
  return x;
};

/** What TypeScript's library does not know yet. */
const resizable = (bytes: number): ArrayBuffer & { resize(bytes: number): void } =>
  new (ArrayBuffer as unknown as new (length: number, options: object) => never)(bytes, {
    maxByteLength: bytes,
  });

export const handles: Case[] = [
  [
    "TypeError",
    '"matrix" expected a live handle, got disposed packed matrix [2, 2]',
    (instance) => {
      const packed = packMatrix(instance, new Int8Array(4), { shape: [2, 2] });
      packed.dispose();
      return packed.toArray();
    },
  ],
  [
    "TypeError",
    '"layer" expected a live handle, got disposed linear layer 2 → 2',
    (instance) => {
      const layer = createLinear(instance, { weights: new Float32Array(4), shape: [2, 2] });
      layer.dispose();
      return layer.toArray();
    },
  ],
  [
    "TypeError",
    '"instance" expected a live instance, got a disposed one',
    () => {
      const gone = createBytelaneSync();
      gone.dispose();
      return gone.memory;
    },
  ],
  // the instance
  [
    "TypeError",
    '"instance" expected an instance made by createBytelane, got undefined',
    () => tensor(wrong(undefined), "f32", [1]),
  ],
  [
    "TypeError",
    '"instance" expected an instance made by createBytelane, got null',
    () => scope(wrong(null), () => 0),
  ],
  [
    "TypeError",
    '"instance" expected a live instance, got a disposed one',
    () => {
      const instance = createBytelaneSync();
      instance.dispose();
      tensor(instance, "f32", [1]);
    },
  ],
  [
    "TypeError",
    '"options" expected an object, got "simd"',
    () => createBytelaneSync(wrong("simd")),
  ],
  [
    "RangeError",
    '"options.tier" expected one of "auto", "simd", "relaxed", got "avx"',
    () => createBytelaneSync({ tier: wrong("avx") }),
  ],
  [
    "TypeError",
    '"options.tier" expected one of "auto", "simd", "relaxed", got 2',
    () => createBytelaneSync({ tier: wrong(2) }),
  ],
  [
    "RangeError",
    '"options.relaxedDot" expected one of "auto", "portable", got "fast"',
    () => createBytelaneSync({ relaxedDot: wrong("fast") }),
  ],
  [
    "TypeError",
    '"options.relaxedDot" expected one of "auto", "portable", got true',
    () => createBytelaneSync({ relaxedDot: wrong(true) }),
  ],
  [
    "RangeError",
    '"options.maximumMemory" expected an integer in [131072, 4294967296], got 4294967297',
    () => createBytelaneSync({ maximumMemory: 2 ** 32 + 1 }),
  ],
  [
    "RangeError",
    '"options.initialMemory" expected an integer in [0, 4294901760], got -1',
    () => createBytelaneSync({ initialMemory: -1 }),
  ],
  [
    "TypeError",
    '"options.initialMemory" expected a number, got "1 MB"',
    () => createBytelaneSync({ initialMemory: wrong("1 MB") }),
  ],

  // tensors
  [
    "RangeError",
    '"dtype" expected one of "f32", "i32", "i8", "u8", got "f64"',
    (instance) => tensor(instance, wrong("f64"), [1]),
  ],
  [
    "TypeError",
    '"dtype" expected one of "f32", "i32", "i8", "u8", got undefined',
    (instance) => tensor(instance, wrong(undefined), [1]),
  ],
  [
    "TypeError",
    '"shape" expected an array of dimensions, got 3',
    (instance) => tensor(instance, "f32", wrong(3)),
  ],
  [
    "TypeError",
    '"shape" expected an array of dimensions, got [, 2]',
    (instance) => tensor(instance, "f32", wrong(new Array(1).concat(2))),
  ],
  [
    "TypeError",
    '"shape" expected an array of dimensions, got [2, "3"]',
    (instance) => tensor(instance, "f32", wrong([2, "3"])),
  ],
  [
    "RangeError",
    '"shape" expected integers of at least 0, got [2, -1]',
    (instance) => tensor(instance, "f32", [2, -1]),
  ],
  [
    "RangeError",
    '"shape" expected integers of at least 0, got [1.5]',
    (instance) => tensor(instance, "f32", [1.5]),
  ],
  [
    "TypeError",
    '"values" expected f32 elements or an array of numbers, got Int8Array(2)',
    (instance) => tensor(instance, "f32", [2], wrong(new Int8Array(2))),
  ],
  [
    "TypeError",
    '"values" expected i8 elements or an array of numbers, got BigInt64Array(2)',
    (instance) => tensor(instance, "i8", [2], wrong(new BigInt64Array(2))),
  ],
  [
    "TypeError",
    '"instance" expected a live instance, got a disposed one',
    () => {
      const own = createBytelaneSync();
      const params = {
        get scale() {
          own.dispose();
          return 1;
        },
      };
      quantize(own, new Float32Array(1), params);
    },
  ],
  [
    "TypeError",
    '"values" expected an array that has its buffer, got a detached Float32Array',
    (b) => tensor(b, "f32", [1], detached()),
  ],
  [
    "RangeError",
    '"values[1]" expected an integer in [-128, 127], got 300',
    (b) => tensor(b, "i8", [2], [1, 300]),
  ],
  [
    "TypeError",
    '"values[0]" expected a number, got undefined',
    (b) => tensor(b, "f32", [1], wrong([undefined])),
  ],
  [
    "RangeError",
    '"values[0]" expected a number that a 32-bit float holds, got 1e+39',
    (b) => tensor(b, "f32", [1], [1e39]),
  ],
  [
    "RangeError",
    '"values" expected 6 elements for shape [2, 3], got 5',
    (instance) => tensor(instance, "f32", [2, 3], [1, 2, 3, 4, 5]),
  ],
  [
    "TypeError",
    '"tensor" expected a live handle, got disposed tensor f32 [2, 3]',
    (instance) => disposed(instance).data,
  ],
  [
    "TypeError",
    '"whole" expected a tensor, got Float32Array(3)',
    () => part(wrong(new Float32Array(3)), 0, [1]),
  ],
  [
    "TypeError",
    '"whole" expected a live handle, got disposed tensor f32 [2, 3]',
    (instance) => part(disposed(instance), 0, [1]),
  ],
  [
    "TypeError",
    '"shape" expected an array of dimensions, got null',
    () => part(foreign(), 0, wrong(null)),
  ],
  ["RangeError", '"start" expected an integer in [0, 6], got 7', () => part(foreign(), 7, [0])],
  [
    "RangeError",
    '"shape" expected at most 2 elements from 4 on, got [3]',
    () => part(foreign(), 4, [3]),
  ],

  // operands
  [
    "TypeError",
    '"x" expected a live handle, got disposed tensor f32 [2, 3]',
    (instance) => quantize(instance, disposed(instance), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected an array that has its buffer, got a detached Float32Array',
    (b) => quantize(b, detached(), { scale: 1 }),
  ],
  [
    "TypeError",
    '"data" expected arrays that keep their length during a call, got Float32Array(0)',
    (b) => {
      const buffer = resizable(64);
      const params = {
        get scale() {
          buffer.resize(8);
          return 1;
        },
      };
      quantize(b, new Float32Array(buffer, 0, 16), params);
    },
  ],
  [
    "TypeError",
    '"x" expected a handle of this instance, got tensor f32 [2, 3] of another',
    (instance) => quantize(instance, foreign(), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got [1, 2]: Float32Array.from(…) makes one',
    (instance) => quantize(instance, wrong([1, 2]), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got an array of 9: Float32Array.from(…) makes one',
    (instance) => quantize(instance, wrong(new Array(9).fill(0)), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got a function',
    (instance) =>
      quantize(
        instance,
        wrong(() => 0),
        { scale: 1 },
      ),
  ],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got Object',
    (instance) => quantize(instance, wrong({}), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got an object',
    (instance) => quantize(instance, wrong(Object.create(null)), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got Float64Array(1): Float32Array.from(…) makes one',
    (instance) => quantize(instance, wrong(new Float64Array(1)), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got DataView(4)',
    (instance) => quantize(instance, wrong(new DataView(new ArrayBuffer(4))), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got Int8Array(4)',
    (instance) => quantize(instance, wrong(new Int8Array(4)), { scale: 1 }),
  ],
  [
    "TypeError",
    '"options.out" expected an Int8Array or a tensor, got Uint8Array(2)',
    (instance) =>
      quantize(instance, new Float32Array(2), { scale: 1 }, { out: wrong(new Uint8Array(2)) }),
  ],
  [
    "RangeError",
    '"options.out" expected 2 elements, got Int8Array(3)',
    (instance) => quantize(instance, new Float32Array(2), { scale: 1 }, { out: new Int8Array(3) }),
  ],
  [
    "TypeError",
    '"options.out" expected a handle of this instance, got tensor f32 [2, 3] of another',
    (instance) => quantize(instance, new Float32Array(6), { scale: 1 }, { out: wrong(foreign()) }),
  ],

  // scopes and memory
  ["TypeError", '"body" expected a function, got 3', (instance) => scope(instance, wrong(3))],
  [
    "TypeError",
    '"body" expected a synchronous function, got a Promise: await it',
    (instance) => scope(instance, async () => 0),
  ],
  [
    "RangeError",
    '"memory" expected at most 4294967296 bytes in all, got 64 in use and a request for 4294967296: dispose what is done with, use scope, or raise maximumMemory',
    (instance) => tensor(instance, "f32", [2 ** 30]),
  ],
];
