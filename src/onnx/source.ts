/**
 * Where a model's bytes come from: the file, and the files beside it that hold its large tensors.
 *
 * @category ONNX models
 */
import {
  type ByteSource,
  checkSource,
  isBytes,
  readBytes,
  sizeOfSource,
} from "../core/byte-source.ts";
import { checkObject, describe, typeFault } from "../core/check.ts";
import { fileFault, quoted } from "./fault.ts";
import type { TensorProto } from "./onnx_pb.ts";
import { bytesOfTensor, isExternal, tensorBytes } from "./tensor-data.ts";

/** A model: the bytes of its file, or those and how the files beside it are opened. */
export type OnnxSource =
  | Uint8Array
  | {
      /** The bytes of the .onnx file. */
      readonly model: Uint8Array;
      /**
       * Opens a file that the model names, such as "model.onnx_data". Names are relative and stay
       * inside the model's folder; others are refused before this is called.
       */
      readonly externalData?: (
        location: string,
      ) => Uint8Array | ByteSource | Promise<Uint8Array | ByteSource>;
    };

/** @internal The bytes of the .onnx file. */
export function modelBytes(source: OnnxSource): Uint8Array {
  if (isBytes(source)) return source;
  checkObject("source", source);
  if (!isBytes(source.model)) throw typeFault("source.model", "a Uint8Array", source.model);
  return source.model;
}

/** Where a tensor's data lie. */
export interface ExternalPlace {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/**
 * @internal Errors: a place outside the model's folder, numbers that are none, a length that is not
 * the tensor's.
 */
export function placeOf(tensor: TensorProto): ExternalPlace {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key ?? "", value ?? ""]));
  const location = entries.get("location") ?? "";
  const parts = location.split("/");
  const isInside =
    location !== "" &&
    !/^([a-z]+:|\/)|[\\\0]/i.test(location) &&
    !parts.some((part) => part === ".." || part === "");
  if (!isInside) {
    throw fileFault(
      `external data of tensor ${quoted(tensor.name)} inside the model's folder`,
      describe(location),
    );
  }
  const number = (key: string, byDefault: number): number => {
    const text = entries.get(key);
    if (text === undefined) return byDefault;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value)) return value;
    throw fileFault(`an ${key} of tensor ${quoted(tensor.name)}`, describe(text));
  };
  const size = bytesOfTensor(tensor);
  if (size === undefined) {
    throw fileFault(`a known type of tensor ${quoted(tensor.name)}`, "another one");
  }
  const length = number("length", size);
  if (length !== size) {
    throw fileFault(`${size} bytes of data for tensor ${quoted(tensor.name)}`, `${length}`);
  }
  return { location, offset: number("offset", 0), length };
}

/**
 * @internal Reads tensors of one model, from the model itself or from external files, which are
 * opened once.
 */
export class TensorReader {
  readonly #open: (location: string) => unknown;
  readonly #files = new Map<string, Uint8Array | ByteSource>();

  constructor(source: OnnxSource) {
    const open = isBytes(source) ? undefined : source.externalData;
    if (open !== undefined && typeof open !== "function") {
      throw typeFault("source.externalData", "a function", open);
    }
    this.#open =
      open ??
      ((location) => {
        throw fileFault(
          `source.externalData, since the model keeps tensors in ${describe(location)}`,
          "the model alone",
        );
      });
  }

  /** The bytes of a tensor's elements; a view where it can be one. */
  async bytes(tensor: TensorProto): Promise<Uint8Array> {
    if (!isExternal(tensor)) return tensorBytes(tensor);
    const { location, offset, length } = placeOf(tensor);
    const file = await this.#file(location);
    const size = sizeOfSource(file);
    if (offset + length > size) {
      throw fileFault(
        `data of tensor ${quoted(tensor.name)} within the ${size} bytes of ${describe(location)}`,
        `bytes ${offset} to ${offset + length}`,
      );
    }
    return readBytes("source", file, offset, length);
  }

  async #file(location: string): Promise<Uint8Array | ByteSource> {
    const known = this.#files.get(location);
    if (known) return known;
    const argument = `source.externalData(${describe(location)})`;
    const file = checkSource(argument, await this.#open(location));
    this.#files.set(location, file);
    return file;
  }
}
