/** Packed bits and halves. */

import { fromF16, toF16 } from "../../src/entries/index.ts";
import { packBits, unpackBits } from "../../src/formats/index.ts";
import type { Case } from "./case.ts";

/** What a caller without types may write. */
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const wrong = (value: unknown): any => value;

const NO_INSTANCE = '"instance" expected an instance made by createBytelane, got Object';
const none = wrong({});
const x = new Float32Array(6);

export const formats: Case[] = [
  ["TypeError", NO_INSTANCE, () => packBits(none, new Uint8Array(2))],
  [
    "TypeError",
    '"codes" expected an Int8Array, a Uint8Array or a tensor, got Float32Array(6)',
    (instance) => packBits(instance, wrong(x)),
  ],
  [
    "TypeError",
    '"options" expected an object, got null',
    (instance) => packBits(instance, new Uint8Array(2), wrong(null)),
  ],
  [
    "TypeError",
    '"options" expected an object, got null',
    (instance) => unpackBits(instance, new Uint8Array(2), 4, wrong(null)),
  ],
  [
    "RangeError",
    '"options.bits" expected one of 2, 4, got 3',
    (instance) => packBits(instance, new Uint8Array(2), { bits: wrong(3) }),
  ],
  [
    "RangeError",
    '"codes" expected codes in [0, 15], got 16',
    (instance) => packBits(instance, Uint8Array.of(15, 16)),
  ],
  [
    "RangeError",
    '"codes" expected codes in [-2, 1], got 2',
    (instance) => packBits(instance, Int8Array.of(-2, 2), { bits: 2 }),
  ],
  ["TypeError", NO_INSTANCE, () => unpackBits(none, new Uint8Array(1), 2)],
  [
    "TypeError",
    '"packed" expected a Uint8Array or a tensor, got Int8Array(1)',
    (instance) => unpackBits(instance, wrong(new Int8Array(1)), 2),
  ],
  [
    "TypeError",
    '"options.bits" expected one of 2, 4, got "4"',
    (instance) => unpackBits(instance, new Uint8Array(1), 2, { bits: wrong("4") }),
  ],
  [
    "RangeError",
    '"length" expected an integer in [0, 4294967296], got -1',
    (instance) => unpackBits(instance, new Uint8Array(1), -1),
  ],
  [
    "RangeError",
    '"packed" expected 2 bytes for 3 codes of 4 bits, got Uint8Array(1)',
    (instance) => unpackBits(instance, new Uint8Array(1), 3),
  ],
  ["TypeError", NO_INSTANCE, () => toF16(none, x)],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got Int8Array(2)',
    (instance) => toF16(instance, wrong(new Int8Array(2))),
  ],
  [
    "TypeError",
    '"options.out" expected a Uint16Array or Float16Array, got Int16Array(6)',
    (instance) => toF16(instance, x, { out: wrong(new Int16Array(6)) }),
  ],
  [
    "RangeError",
    '"options.out" expected 6 elements, got Uint16Array(5)',
    (instance) => toF16(instance, x, { out: new Uint16Array(5) }),
  ],
  ["TypeError", NO_INSTANCE, () => fromF16(none, new Uint16Array(1))],
  [
    "TypeError",
    '"x" expected a Uint16Array or Float16Array, got Float32Array(6)',
    (instance) => fromF16(instance, wrong(x)),
  ],
  [
    "RangeError",
    '"options.out" expected 1 elements, got Float32Array(6)',
    (instance) => fromF16(instance, new Uint16Array(1), { out: x }),
  ],
];
