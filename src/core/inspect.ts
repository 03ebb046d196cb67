/**
 * Adds the method that console.log of Node, Deno and Bun calls to print an object. In the class
 * body its computed key would be work at import, and bundlers would keep an unused class. The
 * method is therefore added when the first object is made.
 */
export function printAsText(prototype: object): void {
  Object.defineProperty(prototype, Symbol.for("nodejs.util.inspect.custom"), {
    value: function inspect(this: object): string {
      return String(this);
    },
  });
}
