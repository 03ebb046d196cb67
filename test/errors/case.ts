import type { Bytelane } from "../../src/entries/index.ts";

/** The kind of an error, its exact text, and a call that ends in it and changes nothing. */
export type Case = readonly [
  kind: "TypeError" | "RangeError" | "Error",
  message: string,
  call: (instance: Bytelane) => unknown,
];
