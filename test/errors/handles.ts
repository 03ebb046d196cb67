/** Instances, tensors, scopes, memory. */
import {
  createBytelaneSync,
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

const disposed = (lane: Parameters<Case[2]>[0]): Tensor<"f32"> => {
  const x = tensor(lane, "f32", [2, 3]);
  x.dispose();
  return x;
};
const foreign = (): Tensor<"f32"> => tensor(createBytelaneSync(), "f32", [2, 3]);

export const handles: Case[] = [
  // the instance
  [
    "TypeError",
    '"lane" expected an instance made by createBytelane, got undefined',
    () => tensor(wrong(undefined), "f32", [1]),
  ],
  [
    "TypeError",
    '"lane" expected an instance made by createBytelane, got null',
    () => scope(wrong(null), () => 0),
  ],
  [
    "TypeError",
    '"lane" expected a live instance, got a disposed one',
    () => {
      const lane = createBytelaneSync();
      lane.dispose();
      tensor(lane, "f32", [1]);
    },
  ],
  [
    "TypeError",
    '"options" expected an object, got "simd"',
    () => createBytelaneSync(wrong("simd")),
  ],
  [
    "RangeError",
    '"options.tier" expected one of "auto", "simd", "relaxed", "direct", got "avx"',
    () => createBytelaneSync({ tier: wrong("avx") }),
  ],
  [
    "TypeError",
    '"options.tier" expected one of "auto", "simd", "relaxed", "direct", got 2',
    () => createBytelaneSync({ tier: wrong(2) }),
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
    (lane) => tensor(lane, wrong("f64"), [1]),
  ],
  [
    "TypeError",
    '"dtype" expected one of "f32", "i32", "i8", "u8", got undefined',
    (lane) => tensor(lane, wrong(undefined), [1]),
  ],
  [
    "TypeError",
    '"shape" expected an array of dimensions, got 3',
    (lane) => tensor(lane, "f32", wrong(3)),
  ],
  [
    "TypeError",
    '"shape" expected an array of dimensions, got [, 2]',
    (lane) => tensor(lane, "f32", wrong(new Array(1).concat(2))),
  ],
  [
    "TypeError",
    '"shape" expected an array of dimensions, got [2, 3]',
    (lane) => tensor(lane, "f32", wrong([2, "3"])),
  ],
  [
    "RangeError",
    '"shape" expected integers of at least 0, got [2, -1]',
    (lane) => tensor(lane, "f32", [2, -1]),
  ],
  [
    "RangeError",
    '"shape" expected integers of at least 0, got [1.5]',
    (lane) => tensor(lane, "f32", [1.5]),
  ],
  [
    "TypeError",
    '"values" expected f32 elements or an array of numbers, got Int8Array(2)',
    (lane) => tensor(lane, "f32", [2], wrong(new Int8Array(2))),
  ],
  [
    "TypeError",
    '"values" expected i8 elements or an array of numbers, got BigInt64Array(2)',
    (lane) => tensor(lane, "i8", [2], wrong(new BigInt64Array(2))),
  ],
  [
    "RangeError",
    '"values" expected 6 elements for shape [2, 3], got 5',
    (lane) => tensor(lane, "f32", [2, 3], [1, 2, 3, 4, 5]),
  ],
  [
    "TypeError",
    '"tensor" expected a live handle, got disposed tensor f32[2, 3]',
    (lane) => disposed(lane).data,
  ],
  [
    "TypeError",
    '"whole" expected a tensor, got Float32Array(3)',
    () => part(wrong(new Float32Array(3)), 0, [1]),
  ],
  [
    "TypeError",
    '"whole" expected a live handle, got disposed tensor f32[2, 3]',
    (lane) => part(disposed(lane), 0, [1]),
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
    '"x" expected a live handle, got disposed tensor f32[2, 3]',
    (lane) => quantize(lane, disposed(lane), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a handle of this instance, got tensor f32[2, 3] of another',
    (lane) => quantize(lane, foreign(), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a tensor or typed array of f32, got [1, 2]',
    (lane) => quantize(lane, wrong([1, 2]), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a tensor or typed array of f32, got a long array',
    (lane) => quantize(lane, wrong(new Array(9).fill(0)), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a tensor or typed array of f32, got a function',
    (lane) =>
      quantize(
        lane,
        wrong(() => 0),
        { scale: 1 },
      ),
  ],
  [
    "TypeError",
    '"x" expected a tensor or typed array of f32, got Object',
    (lane) => quantize(lane, wrong({}), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a tensor or typed array of f32, got an object',
    (lane) => quantize(lane, wrong(Object.create(null)), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a tensor or typed array of f32, got Float64Array(1)',
    (lane) => quantize(lane, wrong(new Float64Array(1)), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected a tensor or typed array of f32, got DataView(4)',
    (lane) => quantize(lane, wrong(new DataView(new ArrayBuffer(4))), { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected elements of f32, got Int8Array(4)',
    (lane) => quantize(lane, wrong(new Int8Array(4)), { scale: 1 }),
  ],
  [
    "TypeError",
    '"options.out" expected elements of i8, got Uint8Array(2)',
    (lane) => quantize(lane, new Float32Array(2), { scale: 1 }, { out: wrong(new Uint8Array(2)) }),
  ],
  [
    "RangeError",
    '"options.out" expected 2 elements, got Int8Array(3)',
    (lane) => quantize(lane, new Float32Array(2), { scale: 1 }, { out: new Int8Array(3) }),
  ],
  [
    "TypeError",
    '"options.out" expected a handle of this instance, got tensor f32[2, 3] of another',
    (lane) => quantize(lane, new Float32Array(6), { scale: 1 }, { out: wrong(foreign()) }),
  ],

  // scopes and memory
  ["TypeError", '"body" expected a function, got 3', (lane) => scope(lane, wrong(3))],
  [
    "TypeError",
    '"body" expected a synchronous function, got Promise',
    (lane) => scope(lane, async () => 0),
  ],
  [
    "RangeError",
    '"memory" expected at most 4294967296 bytes in all, got 64 in use and a request for 4294967296',
    (lane) => tensor(lane, "f32", [2 ** 30]),
  ],
];
