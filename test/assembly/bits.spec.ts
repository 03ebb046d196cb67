/** Packed codes, against their place in the bytes. */
import { pack_bits, unpack_bits } from "../../assembly/bits";
import { at, bits, compare, misses } from "./samples";

function checkBits(n: i32, width: i32, signed: bool): void {
  const codes = new StaticArray<u8>(n);
  for (let i = 0; i < n; i++) codes[i] = <u8>(bits() & ((1 << width) - 1));
  const bytes = (n * width + 7) >> 3;
  const packed = new StaticArray<u8>(bytes + 1).fill(0xa5);
  pack_bits(at(codes), at(packed), n, width);
  compare(packed[bytes], 0xa5);
  for (let i = 0; i < n; i++) {
    const place = i * width;
    const most = (1 << width) - 1;
    compare((<i32>packed[place >> 3] >> (place & 7)) & most, codes[i]);
  }
  const back = new StaticArray<i8>(n + 1).fill(0x5a);
  unpack_bits(at(packed), at(back), n, width, signed);
  compare(back[n], 0x5a);
  const half = 1 << (width - 1);
  for (let i = 0; i < n; i++) {
    const code = <i32>codes[i];
    compare(back[i], signed && code >= half ? code - 2 * half : code);
  }
}

describe("packed bits", () => {
  it("4 and 2 bits, signed or not, any length", () => {
    for (let n = 0; n <= 70; n++) {
      checkBits(n, 4, false);
      checkBits(n, 4, true);
      checkBits(n, 2, false);
      checkBits(n, 2, true);
    }
    expect<i32>(misses()).toBe(0);
  });
});
