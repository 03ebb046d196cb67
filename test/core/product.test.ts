/** The record of a product: one class below, its offsets above. */
import { describe, expect, it } from "vitest";
import {
  PRODUCT,
  PRODUCT_BYTES,
  type ProductField,
  readFields,
  writeFields,
} from "../../src/core/product.ts";
import { readText } from "../support/source-tree.ts";
import { describeTiers } from "../support/tiers.ts";

const source = readText("assembly/gemm/product.ts");
const body = source.slice(source.indexOf("export class Product"), source.indexOf("\n}\n"));
const declared = [...body.matchAll(/^ {2}(\w+): (i32|usize|f32);$/gm)].map(([, name, type]) => ({
  name: name as ProductField,
  type,
}));

describe("the record of a product", () => {
  it("has the fields of the class, in its order, four bytes each", () => {
    const offsets = declared.map(({ name }, i) => [name, 4 * i]);
    expect(Object.entries(PRODUCT)).toEqual(offsets);
  });

  it("has its real fields written and read as f32, and the others as integers", () => {
    const words = new DataView(new ArrayBuffer(PRODUCT_BYTES));
    for (const { name, type } of declared) {
      writeFields(words, 0, { [name]: 1.5 });
      const bits = words.getUint32(PRODUCT[name], true);
      expect([name, bits]).toEqual([name, type === "f32" ? 0x3fc00000 : 1]);
      expect(readFields(words, 0)[name]).toBe(type === "f32" ? 1.5 : 1);
    }
  });

  it("keeps addresses above 2 GiB and negative zero points", () => {
    const words = new DataView(new ArrayBuffer(PRODUCT_BYTES));
    const fields = { panels: 4_000_000_000, lhsZero: -128, rhsZero: -255, zeroPoint: -1 };
    writeFields(words, 0, fields);
    expect(readFields(words, 0)).toMatchObject(fields);
  });
});

describeTiers("the record of a product in memory", (instance) => {
  it("has the bytes that the module says", () => {
    const { kernels } = instance;
    expect(kernels.product_bytes()).toBe(declared.length * 4);
    expect(kernels.product_bytes()).toBeLessThanOrEqual(PRODUCT_BYTES);
  });
});
