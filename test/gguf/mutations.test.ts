/**
 * GGUF files that were damaged at random: refused with an error of ours, or read, and nothing else.
 * MUTATIONS sets how many; the figure of the evaluation takes 100 000. What is read is decoded, and
 * becomes a layer where its type has one.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bytelane, createBytelane, linear } from "../../src/entries/index.ts";
import {
  createGgmlLinear,
  decodeGgml,
  type GgufTensor,
  openGguf,
  readGguf,
} from "../../src/gguf/index.ts";
import { mutate } from "../support/mutate.ts";
import { noise } from "../support/samples.ts";

const COUNT = Number(process.env.MUTATIONS ?? 3000);
const golden = JSON.parse(
  readFileSync(new URL("../golden/gguf/ggml.golden.json", import.meta.url), "utf8"),
) as { file: string };
const file = new Uint8Array(Buffer.from(golden.file, "base64"));

const LAYERS = ["Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q6_K"];
/** Bytes that a mutant may take of an array: its own length, and what it becomes as reals. */
const MOST = 2 ** 22;

let b: Bytelane;
beforeAll(async () => {
  b = await createBytelane();
});
afterAll(() => b.dispose());

const isOurs = (fault: unknown): boolean =>
  (fault instanceof RangeError || fault instanceof TypeError) &&
  /^"[^"]+" expected .+, got /s.test((fault as Error).message);

/** Uses a tensor in every way that its type has. Returns the bytes of the reals. */
function use({ type, shape, data }: GgufTensor): number {
  const values = decodeGgml(data, type);
  if (shape.length === 2 && LAYERS.includes(type) && values.length > 0) {
    using layer = createGgmlLinear(b, { type, shape, data });
    linear(layer, new Float32Array(shape[1]).fill(1));
  }
  return values.byteLength;
}

/** What became of some mutants. */
interface Fate {
  refused: number;
  read: number;
  used: number;
  /** Errors that are not ours, by their words. */
  readonly others: string[];
  largest: number;
}

describe(`${COUNT} mutated files`, () => {
  it("are refused or read, and their tensors refused or used", async () => {
    const { integer } = noise(31);
    const fate: Fate = { refused: 0, read: 0, used: 0, others: [], largest: 0 };
    const expectOurs = (fault: unknown): void => {
      if (!isOurs(fault)) fate.others.push(String(fault));
    };
    for (let at = 0; at < COUNT; at++) {
      // most of a mutant's changes fall into metadata and directory, which are half of the file
      const bytes = mutate(file, integer);
      let asked = 0;
      try {
        const { tensors, metadata } = readGguf(bytes);
        fate.read++;
        for (const value of metadata.values()) {
          if (ArrayBuffer.isView(value)) fate.largest = Math.max(fate.largest, value.byteLength);
        }
        for (const tensor of tensors.values()) {
          try {
            fate.largest = Math.max(fate.largest, use(tensor));
            fate.used++;
          } catch (fault) {
            expectOurs(fault);
          }
        }
      } catch (fault) {
        expectOurs(fault);
        fate.refused++;
      }
      if (at % 16 > 0) continue;
      const read = (offset: number, length: number) => {
        asked = Math.max(asked, length);
        return bytes.slice(offset, offset + length);
      };
      try {
        const opened = await openGguf({ size: bytes.length, read });
        for (const name of opened.tensors.keys()) await opened.read(name);
      } catch (fault) {
        expectOurs(fault);
      }
      fate.largest = Math.max(fate.largest, asked);
    }
    console.log(`${fate.refused} refused, ${fate.read} read, ${fate.used} tensors used`);
    expect(fate.others).toEqual([]);
    expect(fate.refused).toBeGreaterThan(COUNT / 5);
    expect(fate.read).toBeGreaterThan(COUNT / 10);
    expect(fate.largest).toBeLessThan(MOST);
    expect(b.bytesUsed).toBe(0);
  }, 3_600_000);
});
