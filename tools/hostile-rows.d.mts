/** See hostile-rows.mjs. */
export const ROW_LENGTHS: readonly number[];
export function hostileRows(
  lengths?: readonly number[],
): Generator<{ name: string; row: Float32Array }>;
