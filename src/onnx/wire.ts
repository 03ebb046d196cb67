/**
 * Checks the wire format of protobuf before a file is decoded, in one pass over the tags that
 * allocates nothing. A decoder makes an object per message, so a small file of empty messages could
 * take much memory.
 *
 * @category ONNX models
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { fileFault } from "./fault.ts";

/** Messages inside messages: the schema's own nesting with a few graphs inside graphs. */
const DEPTH = 64;
/**
 * Most objects of a file, plus one per 8 bytes. A message of a real model takes at least 13 bytes.
 */
const OBJECTS = 2 ** 16;
const BYTES_PER_OBJECT = 8;
const MOST_OBJECTS = 2 ** 21;

enum Wire {
  Varint = 0,
  Bit64 = 1,
  Bytes = 2,
  Bit32 = 5,
}

/** Reads tags, varints and lengths, and never beyond `end`. */
export class WireReader {
  readonly bytes: Uint8Array;
  at: number;
  end: number;

  constructor(bytes: Uint8Array, at = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** A varint of up to 64 bits. A number beyond 2^53 is rounded. */
  varint(): number {
    const { bytes, end } = this;
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      if (this.at >= end) throw truncated(this.at);
      const byte = bytes[this.at++];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw fault("a varint of at most 10 bytes", this.at);
  }

  /** The end of a field of bytes that begins here. */
  bytesEnd(): number {
    const length = this.varint();
    if (length > this.end - this.at) throw truncated(this.at);
    return this.at + length;
  }

  /** Skips a field whose tag was read. */
  skip(wire: number): void {
    if (wire === Wire.Varint) this.varint();
    else if (wire === Wire.Bytes) this.at = this.bytesEnd();
    else if (wire === Wire.Bit64 || wire === Wire.Bit32) this.at += wire === Wire.Bit64 ? 8 : 4;
    else throw fault("fields of wire type 0, 1, 2 or 5", this.at);
    if (this.at > this.end) throw truncated(this.end);
  }
}

function fault(expected: string, at: number): RangeError {
  return fileFault(`an ONNX file: ${expected}`, `something else at byte ${at}`);
}

function truncated(at: number): RangeError {
  return fault("fields that end inside their message", at);
}

/** How the wire writes a field of the schema; a packed list may come either way. */
function wireOf(kind: string, scalar: number | undefined): number {
  if (kind === "message") return Wire.Bytes;
  // numbers of ScalarType: float 2, string 9, bytes 12
  if (scalar === 9 || scalar === 12) return Wire.Bytes;
  return scalar === 2 ? Wire.Bit32 : Wire.Varint;
}

interface FieldShape {
  readonly wire: number;
  readonly list: boolean;
  readonly message: DescMessage | undefined;
}

const shapes = /* @__PURE__ */ new WeakMap<DescMessage, Map<number, FieldShape>>();

function shapeOf(schema: DescMessage): Map<number, FieldShape> {
  let shape = shapes.get(schema);
  if (!shape) {
    shape = new Map();
    for (const field of schema.fields) {
      const list = field.fieldKind === "list";
      const kind = list ? field.listKind : field.fieldKind;
      shape.set(field.number, {
        wire: wireOf(kind, field.scalar),
        list,
        message: field.message,
      });
    }
    shapes.set(schema, shape);
  }
  return shape;
}

/**
 * Checks that bytes are a message of the schema, to the end of each of its messages.
 *
 * Errors, before anything is decoded: a field that leaves its message, a field of another wire type
 * than the schema's, messages inside messages deeper than 64, more objects than a real model of
 * this size has.
 */
export function checkWire(schema: DescMessage, bytes: Uint8Array): void {
  const most = Math.min(OBJECTS + bytes.length / BYTES_PER_OBJECT, MOST_OBJECTS);
  const reader = new WireReader(bytes);
  let objects = 0;
  const visit = (of: DescMessage, end: number, depth: number): void => {
    if (depth > DEPTH) throw fault(`messages at most ${DEPTH} deep`, reader.at);
    const shape = shapeOf(of);
    const outer = reader.end;
    reader.end = end;
    while (reader.at < end) {
      const start = reader.at;
      const tag = reader.varint();
      const wire = tag & 7;
      if (tag >= 2 ** 32 || tag < 8) throw fault("field numbers from 1 to 2^29 − 1", start);
      const field = shape.get(Math.floor(tag / 8));
      if (field) {
        const packed = field.list && wire === Wire.Bytes && field.wire !== Wire.Bytes;
        if (wire !== field.wire && !packed) throw fault("fields of the schema's types", start);
        if (packed) objects += (reader.bytesEnd() - reader.at) / 8;
        if (packed) reader.at = start + sizeOfVarint(tag);
      }
      if (++objects > most) throw fault(`at most ${Math.floor(most)} messages`, start);
      if (field?.message) visit(field.message, reader.bytesEnd(), depth + 1);
      else reader.skip(wire);
    }
    reader.end = outer;
  };
  visit(schema, bytes.length, 0);
}

/** Bytes of a varint. */
export function sizeOfVarint(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** A tag of a field of bytes, and the length of what follows. */
export function bytesHeader(field: number, length: number): Uint8Array {
  const header: number[] = [];
  for (const value of [field * 8 + Wire.Bytes, length]) {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) header.push((rest % 128) + 128);
    header.push(rest);
  }
  return Uint8Array.from(header);
}
