/** The builds that the default entry carries, and the module that decodes them. */
import { COMPRESSED, DECODER, RELAXED_BYTES, SIMD_BYTES } from "./binaries.ts";

/** What assembly/lzma.ts exports. */
interface Decoder {
  readonly memory: WebAssembly.Memory;
  decode(src: number, dst: number, size: number): void;
}

/** The stream comes behind the models of the decoder, 16 bits each. */
const SOURCE = 16384;

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** The first `size` bytes of what a stream holds: both together at most 110 kB. The data are trusted. */
export function decodeLzma(stream: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const module = new WebAssembly.Module(bytesOf(DECODER));
  const { memory, decode } = new WebAssembly.Instance(module).exports as unknown as Decoder;
  const bytes = new Uint8Array(memory.buffer as ArrayBuffer);
  const dst = SOURCE + stream.length + 1;
  bytes.set(stream, SOURCE);
  decode(SOURCE, dst, size);
  return bytes.subarray(dst, dst + size);
}

/** The relaxed build comes first, so that it is all that is decoded where it runs. */
export function inlinedRelaxed(): Uint8Array<ArrayBuffer> {
  return decodeLzma(bytesOf(COMPRESSED), RELAXED_BYTES);
}

export function inlinedSimd(): Uint8Array<ArrayBuffer> {
  return decodeLzma(bytesOf(COMPRESSED), RELAXED_BYTES + SIMD_BYTES).subarray(RELAXED_BYTES);
}
