/**
 * Errors about files: what was expected, and what came instead.
 *
 * @category ONNX models
 */

/** The error of a damaged file. Both texts are used verbatim. */
export function fileFault(expected: string, got: string): RangeError {
  return new RangeError(`"source" expected ${expected}, got ${got}`);
}

/** The name of a tensor or node for errors. */
export function quoted(name: string | undefined): string {
  return name ? JSON.stringify(name) : "without a name";
}
