/**
 * The tensors of a layer file: found by name, checked, and placed.
 *
 * @category Files
 */
import { allocateSections } from "../core/arena.ts";
import { describe } from "../core/check.ts";
import type { Handle } from "../core/handle.ts";
import type { Bytelane } from "../core/instance.ts";
import type { Tensor } from "../core/tensor.ts";
import { damaged } from "./field-reader.ts";
import type { SafeTensor } from "./safetensors.ts";
import type { SafetensorsDType } from "./safetensors-header.ts";

/** A tensor of a file, with the type and the number of elements that a layer needs. */
export interface Section {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  /** Where it lies in the instance's memory, or -1. */
  readonly address: number;
  /** Returns its bytes as a current view: growth detaches views on the instance's memory. */
  bytes(): Uint8Array;
}

/** Finds the tensors of a file by their names, types and sizes. */
export class Reader {
  readonly #instance: Bytelane;
  readonly #tensors: ReadonlyMap<string, SafeTensor>;
  /** The file lies in the instance's memory. */
  readonly #inMemory: boolean;
  /** The tensor that holds the file. */
  readonly host: Tensor<"u8"> | undefined;

  constructor(
    instance: Bytelane,
    tensors: ReadonlyMap<string, SafeTensor>,
    inMemory: boolean,
    host: Tensor<"u8"> | undefined,
  ) {
    this.#inMemory = inMemory;
    this.#instance = instance;
    this.#tensors = tensors;
    this.host = host;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** A tensor of one of the types, with that many elements. */
  take(name: string, types: readonly SafetensorsDType[], elements: number): Section {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw damaged(`a tensor ${describe(name)}`, "none");
    const { dtype, shape, data } = tensor;
    if (!types.includes(dtype)) {
      throw damaged(`tensor ${describe(name)} of ${types.join(" or ")}`, dtype);
    }
    const count = shape.reduce((product, length) => product * length, 1);
    if (count !== elements) {
      throw damaged(`${elements} elements in tensor ${describe(name)}`, count);
    }
    const { length } = data;
    const address = this.#inMemory ? data.byteOffset : -1;
    const { heap } = this.#instance;
    return {
      ...{ dtype, shape, address },
      bytes: () => (address < 0 ? data : heap.view("u8", address, length)),
    };
  }

  /** `take`, or undefined if the file has no such tensor. */
  find(name: string, type: SafetensorsDType, elements: number): Section | undefined {
    return this.has(name) ? this.take(name, [type], elements) : undefined;
  }

  /** A tensor of f32 or f16 without Infinity and NaN. */
  scales(name: string, types: readonly SafetensorsDType[], elements: number): Section {
    const section = this.take(name, types, elements);
    const { buffer, byteOffset, byteLength } = section.bytes();
    const view = new DataView(buffer, byteOffset, byteLength);
    const halves = section.dtype === "F16";
    const mask = halves ? 0x7c00 : 0x7f800000;
    for (let at = 0; at < byteLength; at += halves ? 2 : 4) {
      const word = halves ? view.getUint16(at, true) : view.getUint32(at, true);
      if ((word & mask) === mask) throw damaged(`finite numbers in ${describe(name)}`, "others");
    }
    return section;
  }
}

const ALIGNMENT: Readonly<Partial<Record<SafetensorsDType, number>>> = { F32: 4, I32: 4, F16: 2 };

/**
 * Returns the addresses of sections. If the file lies in the instance's memory and they are
 * aligned, they are used in place. Otherwise they are copied to one block.
 */
export function placeIn<Name extends string>(
  instance: Bytelane,
  reader: Reader,
  bytes: Readonly<Record<Name, number>>,
  tensors: Readonly<Record<Name, Section | undefined>>,
): { sections: Record<Name, number>; memory: number | Handle } {
  const entries = Object.entries(tensors) as [Name, Section | undefined][];
  const { host } = reader;
  if (
    host &&
    entries.every(
      ([, section]) => !section || section.address % (ALIGNMENT[section.dtype] ?? 1) === 0,
    )
  ) {
    const sections = Object.fromEntries(
      entries.map(([name, section]) => [name, section?.address ?? 0]),
    );
    return { sections: sections as Record<Name, number>, memory: host };
  }
  const { sections, size } = allocateSections(instance.arena, bytes);
  for (const [name, section] of entries) {
    if (section) instance.heap.view("u8", sections[name], bytes[name]).set(section.bytes());
  }
  return { sections, memory: size };
}

/** The elements of a section as a typed array. The file is little-endian. */
export function elementsIn<A>(section: Section, array: new (buffer: ArrayBuffer) => A): A {
  return new array(section.bytes().slice().buffer as ArrayBuffer);
}
