import { Builder } from "flatbuffers";

/**
 * Writes TensorFlow Lite models: the tables of its schema (version 3) that single operators need.
 * The numbers are the places of the fields in their tables.
 */

const ELEMENT = { f32: 0, i32: 2, u8: 3, i8: 9, i4: 17 };
const OPERATOR = { ADD: 0, FULLY_CONNECTED: 9, QUANTIZE: 114 };
/** Operators whose options must be there, with their places in the union of options. */
const OPTIONS = { FULLY_CONNECTED: 8, ADD: 11 };

/** Weights are read by vector loads. */
const ALIGNMENT = 16;

function int32s(builder, values) {
  builder.startVector(4, values.length, 4);
  for (const value of [...values].reverse()) builder.addInt32(value);
  return builder.endVector();
}

function floats(builder, values) {
  builder.startVector(4, values.length, 4);
  for (const value of [...values].reverse()) builder.addFloat32(value);
  return builder.endVector();
}

function int64s(builder, values) {
  builder.startVector(8, values.length, 8);
  for (const value of [...values].reverse()) builder.addInt64(BigInt(value));
  return builder.endVector();
}

function offsets(builder, values) {
  builder.startVector(4, values.length, 4);
  for (const value of [...values].reverse()) builder.addOffset(value);
  return builder.endVector();
}

/** Buffer { data 0 } */
function buffer(builder, data) {
  if (!data) {
    builder.startObject(1);
    return builder.endObject();
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  builder.startVector(1, bytes.length, ALIGNMENT);
  builder.space -= bytes.length;
  builder.bb.bytes().set(bytes, builder.space);
  const vector = builder.endVector();
  builder.startObject(1);
  builder.addFieldOffset(0, vector, 0);
  return builder.endObject();
}

/** QuantizationParameters { scale 2, zero_point 3, quantized_dimension 6 } */
function quantization(builder, { scales, zeroPoints }) {
  const scaleVector = floats(builder, scales);
  const zeroVector = int64s(builder, zeroPoints);
  builder.startObject(7);
  builder.addFieldOffset(2, scaleVector, 0);
  builder.addFieldOffset(3, zeroVector, 0);
  builder.addFieldInt32(6, 0, 0);
  return builder.endObject();
}

/** Tensor { shape 0, type 1, buffer 2, name 3, quantization 4 } */
function tensor(builder, { name, type, dims, quantized }, bufferIndex) {
  const shape = int32s(builder, dims);
  const label = builder.createString(name);
  const parameters = quantized ? quantization(builder, quantized) : 0;
  builder.startObject(5);
  builder.addFieldOffset(0, shape, 0);
  builder.addFieldInt8(1, ELEMENT[type], 0);
  builder.addFieldInt32(2, bufferIndex, 0);
  builder.addFieldOffset(3, label, 0);
  if (parameters) builder.addFieldOffset(4, parameters, 0);
  return builder.endObject();
}

/**
 * Operator { opcode_index 0, inputs 1, outputs 2, builtin_options_type 3, builtin_options 4 },
 * FullyConnectedOptions { asymmetric_quantize_inputs 3 }
 */
function operator(builder, { op, inputs, outputs, isDynamic }, opcodeIndex) {
  const inputVector = int32s(builder, inputs);
  const outputVector = int32s(builder, outputs);
  let options = 0;
  if (OPTIONS[op]) {
    builder.startObject(4);
    if (isDynamic) builder.addFieldInt8(3, 1, 0);
    options = builder.endObject();
  }
  builder.startObject(5);
  builder.addFieldInt32(0, opcodeIndex, 0);
  builder.addFieldOffset(1, inputVector, 0);
  builder.addFieldOffset(2, outputVector, 0);
  if (options) {
    builder.addFieldInt8(3, OPTIONS[op], 0);
    builder.addFieldOffset(4, options, 0);
  }
  return builder.endObject();
}

/** OperatorCode { deprecated_builtin_code 0, version 2, builtin_code 3 } */
function operatorCode(builder, op) {
  builder.startObject(4);
  builder.addFieldInt8(0, OPERATOR[op], 0);
  builder.addFieldInt32(2, 1, 0);
  builder.addFieldInt32(3, OPERATOR[op], 0);
  return builder.endObject();
}

/**
 * A model as bytes. Operators name tensors by their place in `tensors`:
 *
 *     tensors             [{ name, type, dims, quantized: { scales, zeroPoints }, data }]
 *     operators           [{ op, inputs, outputs, isDynamic }]
 *     inputs, outputs     places
 */
export function tfliteModel({ tensors, operators, inputs, outputs }) {
  const builder = new Builder(1024);
  const names = [...new Set(operators.map(({ op }) => op))];
  // Buffer 0 is the empty one, of tensors that are computed.
  const constants = tensors.filter(({ data }) => data);
  const buffers = [buffer(builder, null), ...constants.map(({ data }) => buffer(builder, data))];
  const tensorOffsets = tensors.map((each) =>
    tensor(builder, each, each.data ? constants.indexOf(each) + 1 : 0),
  );
  const operatorOffsets = operators.map((each) => operator(builder, each, names.indexOf(each.op)));
  const parts = [
    offsets(builder, tensorOffsets),
    int32s(builder, inputs),
    int32s(builder, outputs),
    offsets(builder, operatorOffsets),
    builder.createString("bench"),
  ];
  // SubGraph { tensors 0, inputs 1, outputs 2, operators 3, name 4 }
  builder.startObject(5);
  for (const [place, part] of parts.entries()) builder.addFieldOffset(place, part, 0);
  const subgraph = builder.endObject();

  const codes = offsets(
    builder,
    names.map((op) => operatorCode(builder, op)),
  );
  const subgraphs = offsets(builder, [subgraph]);
  const bufferVector = offsets(builder, buffers);
  // Model { version 0, operator_codes 1, subgraphs 2, buffers 4 }
  builder.startObject(5);
  builder.addFieldInt32(0, 3, 0);
  builder.addFieldOffset(1, codes, 0);
  builder.addFieldOffset(2, subgraphs, 0);
  builder.addFieldOffset(4, bufferVector, 0);
  builder.finish(builder.endObject(), "TFL3");
  return builder.asUint8Array();
}
