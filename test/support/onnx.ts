/** ONNX files written byte by byte, without the code that is under test. */

export type Bytes = Uint8Array<ArrayBuffer>;

export function concat(...parts: readonly ArrayLike<number>[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

/** A field: a number is a varint, bytes and texts are length-delimited. */
export function field(no: number, value: number | string | ArrayLike<number>): Bytes {
  if (typeof value === "number") return concat(varint(no * 8), varint(value));
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return concat(varint(no * 8 + 2), varint(bytes.length), bytes);
}

export function floats(values: readonly number[] | Float32Array): Bytes {
  return new Uint8Array(Float32Array.from(values).buffer);
}

export function tensor(
  name: string,
  type: number,
  dims: readonly number[],
  raw: ArrayLike<number>,
): Bytes {
  return concat(...dims.map((dim) => field(1, dim)), field(2, type), field(8, name), field(9, raw));
}

/** An attribute: an integer, integers, or a tensor's bytes. */
export function attribute(name: string, value: number | readonly number[] | Bytes): Bytes {
  if (typeof value === "number") return concat(field(1, name), field(3, value), field(20, 2));
  if (value instanceof Uint8Array) return concat(field(1, name), field(5, value), field(20, 4));
  return concat(field(1, name), ...value.map((each) => field(8, each)), field(20, 7));
}

export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: readonly Bytes[] = [],
  domain = "",
): Bytes {
  return concat(
    ...inputs.map((name) => field(1, name)),
    ...outputs.map((name) => field(2, name)),
    field(4, op),
    ...attributes.map((each) => field(5, each)),
    ...(domain ? [field(7, domain)] : []),
  );
}

export function value(name: string, type = 1): Bytes {
  return concat(field(1, name), field(2, field(1, field(1, type))));
}

export interface GraphParts {
  readonly nodes: readonly Bytes[];
  readonly tensors?: readonly Bytes[];
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly extra?: Bytes;
}

export function graph({
  nodes,
  tensors = [],
  inputs = ["x"],
  outputs = ["y"],
  extra,
}: GraphParts): Bytes {
  return concat(
    ...nodes.map((each) => field(1, each)),
    field(2, "graph"),
    ...tensors.map((each) => field(5, each)),
    ...inputs.map((name) => field(11, value(name))),
    ...outputs.map((name) => field(12, value(name))),
    extra ?? [],
  );
}

export function model(
  parts: GraphParts,
  { opset = 17, ir = 8, extra = new Uint8Array(0) } = {},
): Bytes {
  return concat(field(1, ir), field(7, graph(parts)), field(8, field(2, opset)), extra);
}
