/**
 * What console.log of Node, Deno and Bun asks an object for. A method under this key would be work
 * at import, for which bundlers keep a class that nobody uses: it is added with the first object.
 */
export function printAsText(prototype: object): void {
  Object.defineProperty(prototype, Symbol.for("nodejs.util.inspect.custom"), {
    value: function inspect(this: object): string {
      return String(this);
    },
  });
}
