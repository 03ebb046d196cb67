import { expect, it } from "vitest";
import { tensor } from "../../src/entries/index.ts";
import { packBits, unpackBits } from "../../src/formats/index.ts";
import * as oracle from "../reference/bits.ts";
import { expectSame, LENGTHS, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const KINDS = [
  [4, false],
  [4, true],
  [2, false],
  [2, true],
] as const;

describeTiers("packed bits", (instance) => {
  it.each(KINDS)("packs and unpacks codes of %i bits, signed %s", (bits, signed) => {
    const { integer } = noise(bits);
    const low = signed ? -(2 ** (bits - 1)) : 0;
    for (const length of [...LENGTHS, 1000]) {
      const codes = ((signed ? Int8Array : Uint8Array) as typeof Uint8Array).from({ length }, () =>
        integer(low, low + 2 ** bits - 1),
      );
      const packed = packBits(instance, codes, { bits });
      expectSame(packed, oracle.pack(codes, bits), length);
      const back = unpackBits(instance, packed, length, { bits, signed });
      expect(back.constructor).toBe(codes.constructor);
      expectSame(back, codes, length);
    }
  });

  it.each(KINDS)("unpacks every byte for %i bits, signed %s", (bits, signed) => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const length = (256 * 8) / bits;
    const got = unpackBits(instance, bytes, length, { bits, signed });
    expectSame(got, oracle.unpack(bytes, length, bits, signed));
  });

  it.each(KINDS)("write nothing beyond the last code of %i bits, signed %s", (bits, signed) => {
    const { arena, heap, kernels } = instance;
    const address = arena.allocate(128);
    for (let n = 0; n <= 40; n++) {
      const memory = heap.view("u8", address, 128).fill(0xee);
      kernels.unpack_bits(address + 64, address, n, bits, signed ? 1 : 0);
      expect(memory.subarray(n, 64).every((byte) => byte === 0xee)).toBe(true);
      memory.fill(0xee);
      kernels.pack_bits(address + 64, address, n, bits);
      expect(memory.subarray((n * bits + 7) >> 3, 64).every((byte) => byte === 0xee)).toBe(true);
    }
    arena.free(address, 128);
  });

  it("takes a tensor, and bits from the end of a byte on do not count", () => {
    using codes = tensor(instance, "u8", [3], [1, 2, 15]);
    expectSame(packBits(instance, codes), [0x21, 0x0f]);
    expectSame(unpackBits(instance, Uint8Array.of(0x21, 0xff), 3), [1, 2, 15]);
  });
});
