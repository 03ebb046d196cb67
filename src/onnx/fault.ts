/**
 * Errors about files: what was expected, and in plain words what came.
 *
 * @category ONNX models
 */

/** A file that is not what it should be. Both texts stand in the error as they are. */
export function fileFault(expected: string, got: string): RangeError {
  return new RangeError(`"source" expected ${expected}, got ${got}`);
}

/** How a tensor or node is called in errors. */
export function quoted(name: string | undefined): string {
  return name ? JSON.stringify(name) : "without a name";
}
