/**
 * Files that were damaged at random: refused with an error of ours, or quantized, and nothing else.
 * MUTATIONS sets how many of each format; the figure of the evaluation takes 100 000.
 */
import { beforeAll, expect, it } from "vitest";
import { type Bytelane, createBytelane } from "../../src/entries/index.ts";
import { openSafetensors, quantizeSafetensors, writeSafetensors } from "../../src/formats/index.ts";
import { quantizeOnnx } from "../../src/onnx/index.ts";
import { mutate } from "../support/mutate.ts";
import * as file from "../support/onnx.ts";
import { noise } from "../support/samples.ts";

const COUNT = Number(process.env.MUTATIONS ?? 1500);
let b: Bytelane;
beforeAll(async () => {
  b = await createBytelane();
});

const isOurs = (fault: unknown): boolean =>
  (fault instanceof RangeError || fault instanceof TypeError) &&
  /^"[^"]+/.test((fault as Error).message);

it(`refuses or reads ${COUNT} mutated models`, async () => {
  const { integer } = noise(21);
  const reals = Array.from({ length: 256 }, () => integer(-999, 999) / 500);
  const tensor = (name: string, dims: readonly number[]) =>
    file.tensor(name, 1, dims, file.floats(reals));
  const body = file.graph({
    nodes: [file.node("MatMul", ["x", "w"], ["z"])],
    inputs: [],
    outputs: ["z"],
  });
  const inner = file.concat(file.field(1, "then_branch"), file.field(6, body), file.field(20, 5));
  const model = file.model({
    nodes: [
      file.node("MatMul", ["x", "w"], ["h"]),
      file.node("Conv", ["h", "k"], ["c"], [file.attribute("pads", [1, 1, 1, 1])]),
      file.node("Gather", ["t", "i"], ["g"]),
      file.node("If", ["p"], ["y"], [inner]),
    ],
    tensors: [tensor("w", [16, 16]), tensor("k", [4, 16, 2, 2]), tensor("t", [8, 32])],
    inputs: ["x", "i", "p"],
  });
  let refused = 0;
  for (let n = 0; n < COUNT; n++) {
    const source = { model: mutate(model, integer), externalData: () => new Uint8Array(64) };
    const mode = n % 3 === 0 ? "dynamic" : "weights";
    try {
      await quantizeOnnx(b, source, { mode, minElements: 0 });
    } catch (fault) {
      if (!isOurs(fault)) throw fault;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(COUNT / 5);
  expect(b.bytesUsed).toBe(0);
});

it(`refuses or reads ${COUNT} mutated checkpoints`, async () => {
  const { integer } = noise(22);
  const data = new Uint8Array(Float32Array.from({ length: 64 }, () => integer(-9, 9)).buffer);
  const checkpoint = writeSafetensors(
    [
      ["w", { dtype: "F32", shape: [4, 16], data }],
      ["h", { dtype: "BF16", shape: [2, 4], data: data.subarray(0, 16) }],
      ["e", { dtype: "F8_E4M3", shape: [3], data: data.subarray(0, 3) }],
    ],
    [["format", "pt"]],
  );
  let refused = 0;
  for (let n = 0; n < COUNT; n++) {
    const source = mutate(checkpoint, integer);
    try {
      const { tensors } = await openSafetensors(source);
      for (const { offset, length } of tensors.values()) {
        expect(offset + length).toBeLessThanOrEqual(source.length);
      }
      await quantizeSafetensors(b, source, { bits: n % 2 ? 4 : 8, minElements: 0, write() {} });
    } catch (fault) {
      if (!isOurs(fault)) throw fault;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(COUNT / 5);
  expect(b.bytesUsed).toBe(0);
});
