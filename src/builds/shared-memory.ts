/**
 * The memory of a threaded build, which the instance makes and its workers share.
 *
 * @category Instances
 */
import { PAGE, type Settings } from "./choose.ts";

/** A shared memory, and the number of bytes that the engine has reserved for it. */
export function shareMemory(settings: Settings): { memory: WebAssembly.Memory; limit: number } {
  if (globalThis.crossOriginIsolated === false) {
    throw new TypeError(
      '"options.shared" expected a page that is cross-origin isolated, got one that is not',
    );
  }
  // engines reserve the maximum of a shared memory at once, and some have less than was asked for
  for (let maximum = Math.floor(settings.maximum / PAGE); ; maximum = Math.ceil(maximum / 2)) {
    try {
      const memory = new WebAssembly.Memory({ initial: 1, maximum, shared: true });
      return { memory, limit: maximum * PAGE };
    } catch (cause) {
      if (maximum > 2 + settings.initial / PAGE) continue;
      const got = `${settings.maximum}`;
      const words = `"options.maximumMemory" expected what the engine can share, got ${got}`;
      throw new RangeError(words, { cause });
    }
  }
}
