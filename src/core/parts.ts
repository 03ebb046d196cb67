/** One block of memory for the parts of a layer or table, each on a boundary of the arena. */
import type { Bytelane } from "./instance.ts";

const GRAIN = 32;

/** The addresses of parts of so many bytes, 0 for a part of none, and the bytes of the block. */
export function roomFor<Part extends string>(
  instance: Bytelane,
  bytes: Readonly<Record<Part, number>>,
): { parts: Record<Part, number>; size: number } {
  const entries = Object.entries(bytes) as [Part, number][];
  const whole = (count: number): number => Math.ceil(count / GRAIN) * GRAIN;
  const size = entries.reduce((sum, [, count]) => sum + whole(count), 0);
  let at = instance.arena.allocate(size);
  const parts = {} as Record<Part, number>;
  for (const [part, count] of entries) {
    parts[part] = count && at;
    at += whole(count);
  }
  return { parts, size };
}
