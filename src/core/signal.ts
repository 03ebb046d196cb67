/**
 * AbortSignal, in projects whose libraries have it. A project without it, which has neither the
 * DOM nor Node's declarations, cannot pass one.
 */
export type Signal = typeof globalThis extends { AbortSignal: { prototype: infer T } } ? T : never;
