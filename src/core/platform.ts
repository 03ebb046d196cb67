/**
 * Types of the platform, from the declarations that a project has. Those of browsers (lib "dom")
 * and of Node (@types/node) differ: each lacks some. A type that a project lacks is `never` here.
 */

/** WebAssembly.Module. */
export type WasmModule = typeof globalThis extends {
  WebAssembly: { Module: { prototype: infer T } };
}
  ? T
  : object;

/** WebAssembly.Memory. */
export type WasmMemory = typeof globalThis extends {
  WebAssembly: { Memory: { prototype: infer T } };
}
  ? T
  : { readonly buffer: ArrayBuffer; grow(pages: number): number };

/** Response, which `fetch` gives. */
export type FetchResponse = typeof globalThis extends { Response: { prototype: infer T } }
  ? T
  : never;

/** URL. */
export type Address = typeof globalThis extends { URL: { prototype: infer T } } ? T : never;
