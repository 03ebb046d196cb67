/** ONNX models as bytes: messages of protobuf, field by field. */

export const concat = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
const varint = (value) =>
  value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];

/** A field: a number is a varint, everything else is bytes. */
export function field(no, value) {
  if (typeof value === "number") return concat(varint(no * 8), varint(value));
  const bytes = Buffer.from(value);
  return concat(varint(no * 8 + 2), varint(bytes.length), bytes);
}

export const entry = (key, value) => concat(field(1, key), field(2, value));

/** An attribute: a string, an integer, or a list of integers. */
function attribute(name, value) {
  if (typeof value === "string") return concat(field(1, name), field(4, value), field(20, 3));
  return Array.isArray(value)
    ? concat(field(1, name), ...value.map((each) => field(8, each)), field(20, 7))
    : concat(field(1, name), field(3, value), field(20, 2));
}

export const node = (op, inputs, output, attributes = {}, domain = "") =>
  concat(
    ...inputs.map((name) => field(1, name)),
    field(2, output),
    field(4, op),
    ...Object.entries(attributes).map(([name, value]) => field(5, attribute(name, value))),
    ...(domain ? [field(7, domain)] : []),
  );

/** The fields of a tensor of f32 that come before its data. */
export const tensorHead = (name, dims) =>
  concat(...dims.map((size) => field(1, size)), field(2, 1), field(8, name));

/** A tensor of f32 with its data. */
export const tensor = (name, dims, values) =>
  concat(tensorHead(name, dims), field(9, Buffer.from(Float32Array.from(values).buffer)));

/** A dimension, or a name of one. */
const dimension = (size) => field(1, typeof size === "number" ? field(1, size) : field(2, size));

/** An input, with its element type: 1 is f32, 7 is int64. */
const input = (name, dims, type = 1) =>
  concat(
    field(1, name),
    field(2, field(1, concat(field(1, type), field(2, concat(...dims.map(dimension)))))),
  );

/** A model with the input "x" and the output "y" of f32. */
export function model({ opset, nodes, tensors, dims, type, domains = [] }) {
  const graph = concat(
    ...nodes.map((each) => field(1, each)),
    field(2, "graph"),
    ...tensors.map((each) => field(5, each)),
    field(11, input("x", dims, type)),
    field(12, concat(field(1, "y"), field(2, field(1, field(1, 1))))),
  );
  return concat(
    field(1, 8),
    field(7, graph),
    field(8, field(2, opset)),
    ...domains.map((domain) => field(8, concat(field(1, domain), field(2, 1)))),
    // metadata and a field that no version knows
    field(14, entry("made", "by a script")),
    field(777, "kept"),
  );
}
