/** Your own WebAssembly on an instance's memory: nothing is copied between the two. */
import asc from "assemblyscript/asc";
import { createBytelane, createLinear, linear, tensor } from "bytelane";

const source = `
export function leakyRelu(x: usize, length: i32, slope: f32): void {
  const end = x + (<usize>length << 2);
  for (; x < end; x += 4) {
    const value = load<f32>(x);
    store<f32>(x, value < 0 ? slope * value : value);
  }
}`;
// no static data and no runtime, so that the module owns none of the memory that it imports
const options = { optimizeLevel: 3, importMemory: true, runtime: "stub", noAssert: true };
const { error, stderr, binary } = await asc.compileString(source, options);
if (error) throw new Error(stderr.toString());

const instance = await createBytelane();
const { memory } = instance;
const { exports: own } = new WebAssembly.Instance(new WebAssembly.Module(binary), {
  env: { memory },
});

const weights = Float32Array.of(1, -1, 2, -2);
const layer = createLinear(instance, { weights, shape: [2, 2] });
const x = tensor(instance, "f32", [1, 2], Float32Array.of(1, 1));
const y = linear(layer, x); // a tensor, since x is one
own.leakyRelu(y.address, y.length, 0.125);
// a view is made when it is used: growth of the memory detaches older ones
console.log([...y.data].map((value) => value.toFixed(2)).join(" "));
instance.dispose();
