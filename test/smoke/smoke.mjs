// What a user's first lines do, on the packed tarball. Run by test/package.test.ts on each runtime it finds.
import { createBytelane, createLinear, linear, quantize } from "bytelane";

export async function smoke() {
  const instance = await createBytelane();
  const x = Float32Array.of(-1, 0.5, 2);
  const q = quantize(instance, x, { scale: 2 / 127 });
  const weights = Float32Array.of(1, 0, 0.25, 1, -1, 0.5);
  const y = linear(createLinear(instance, { weights, shape: [3, 2] }), x);
  return { tier: instance.tier, q: [...q], y: [...y] };
}
