/**
 * Writes ONNX models: the few messages of onnx.proto3 that single operators need, in protobuf's
 * wire format (key = field << 3 | wire type; 0 varint, 2 length and bytes, 5 four bytes).
 */

const ELEMENT = { f32: 1, u8: 2, i8: 3, i32: 6, f16: 10, u4: 21, i4: 22 };
const ATTRIBUTE = { float: 1, int: 2, string: 3, ints: 7 };

function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

const key = (field, wire) => varint((field << 3) | wire);
const integer = (field, value) => Buffer.from([...key(field, 0), ...varint(value)]);
const bytes = (field, value) => {
  const content = Buffer.from(value);
  return Buffer.concat([Buffer.from([...key(field, 2), ...varint(content.length)]), content]);
};
const message = (field, parts) => bytes(field, Buffer.concat(parts));

function float(field, value) {
  const content = Buffer.alloc(4);
  content.writeFloatLE(value);
  return Buffer.concat([Buffer.from(key(field, 5)), content]);
}

/** TensorProto: dims 1, data_type 2, name 8, raw_data 9. */
function initializer([name, { type, dims, data }]) {
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const parts = dims.map((dim) => integer(1, dim));
  return message(5, [...parts, integer(2, ELEMENT[type]), bytes(8, name), bytes(9, raw)]);
}

/**
 * ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { value 1 } } } }.
 */
function valueInfo(field, [name, { type, dims }]) {
  const shape = dims.map((dim) => message(1, [integer(1, dim)]));
  const tensor = message(1, [integer(1, ELEMENT[type]), message(2, shape)]);
  return message(field, [bytes(1, name), message(2, [tensor])]);
}

/**
 * AttributeProto: name 1, f 2, i 3, s 4, ints 8, type 20. A number is an integer, { f } a float.
 */
function attribute([name, value]) {
  if (Array.isArray(value)) {
    const list = value.map((each) => integer(8, each));
    return message(5, [bytes(1, name), ...list, integer(20, ATTRIBUTE.ints)]);
  }
  if (typeof value === "string") {
    return message(5, [bytes(1, name), bytes(4, value), integer(20, ATTRIBUTE.string)]);
  }
  const { f } = value;
  const content = f === undefined ? integer(3, value) : float(2, f);
  const type = f === undefined ? ATTRIBUTE.int : ATTRIBUTE.float;
  return message(5, [bytes(1, name), content, integer(20, type)]);
}

/** NodeProto: input 1, output 2, op_type 4, attribute 5, domain 7. */
function node({ op, domain = "", inputs, outputs, attributes = {} }) {
  return message(1, [
    ...inputs.map((name) => bytes(1, name)),
    ...outputs.map((name) => bytes(2, name)),
    bytes(4, op),
    ...Object.entries(attributes).map(attribute),
    bytes(7, domain),
  ]);
}

const opset = (domain, version) => message(8, [bytes(1, domain), integer(2, version)]);

/**
 * A model as bytes.
 *
 *     nodes                            [{ op, domain, inputs, outputs, attributes }]
 *     inputs, outputs, initializers    { name: { type, dims, data } }
 *     version                          of the standard operators
 */
export function onnxModel({ nodes, inputs, outputs, initializers = {}, version = 19 }) {
  const graph = message(7, [
    ...nodes.map(node),
    bytes(2, "bench"),
    ...Object.entries(initializers).map(initializer),
    ...Object.entries(inputs).map((entry) => valueInfo(11, entry)),
    ...Object.entries(outputs).map((entry) => valueInfo(12, entry)),
  ]);
  return Buffer.concat([integer(1, 9), opset("", version), opset("com.microsoft", 1), graph]);
}
