// Pooled operations on this runtime's workers: the same bytes as without, through growth and in
// crowds.

import { createRandom } from "./cases/inputs.mjs";

const shapes = [
  [1, 200, 96],
  [4, 33, 70],
  [130, 24, 50],
  [300, 100, 64],
];

const bytesOf = (data) => {
  const view = data.data ?? data;
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
};

function expectSame(label, got, wanted) {
  const [a, b] = [bytesOf(got), bytesOf(wanted)];
  if (a.length !== b.length || a.some((byte, i) => byte !== b[i])) {
    throw new Error(`${label}: other bytes than on one thread`);
  }
}

async function compare(bytelane, instance) {
  const { createLinear, linear, matmul, tensor, workers } = bytelane;
  const random = createRandom(0x2545f491);
  const pending = [];
  for (const [m, n, depth] of shapes) {
    const weights = random.reals(depth * n, -1, 1);
    const x = random.reals(m * depth, -3, 3);
    const lhs = { values: random.integers("u8", m * depth), zeroPoint: 7 };
    const rhs = { values: random.integers("i8", depth * n), zeroPoint: -3 };
    const sizes = { m, n, depth };
    const integers = matmul(instance, lhs, rhs, { ...sizes, out: new Int32Array(m * n) });
    const activations = { dtype: "u8", scale: 0.025, zeroPoint: 120 };
    for (const options of [{}, { bits: 7 }, { activations }, { format: "int4" }]) {
      const layer = createLinear(instance, { weights, shape: [depth, n], ...options });
      const wanted = linear(layer, x);
      const label = `${m} × ${n} × ${depth} ${JSON.stringify(options)}`;
      pending.push(workers.linear(layer, x).then((got) => expectSame(label, got, wanted)));
      layer.dispose();
    }
    const out = new Int32Array(m * n);
    pending.push(
      workers
        .matmul(instance, lhs, rhs, { ...sizes, out })
        .then((got) => expectSame(`${m} × ${n} × ${depth} in integers`, got, integers)),
    );
    // growth in mid-life, while workers are at it
    tensor(instance, "u8", [instance.bytesReserved]).dispose();
  }
  await Promise.all(pending);
  if (instance.bytesUsed !== 0) throw new Error(`${instance.bytesUsed} bytes are still in use`);
}

async function expectRefusal(bytelane, instance) {
  const side = { values: new Int8Array(64) };
  const call = bytelane.workers.matmul(instance, side, side, { m: 8, n: 8, depth: 8 });
  const words = await call.then(
    () => "an answer",
    (error) => error.message,
  );
  if (!words.startsWith('"options.workers" expected ')) {
    throw new Error(`expected words on options.workers, got ${words}`);
  }
}

/**
 * Each of `pools` is { tier, name, open, refused }: `open` makes an instance; where this place
 * forbids its workers, calls must say so. Resolves with { tier, name, failure } for each.
 */
export async function checkPools(bytelane, pools) {
  const rows = [];
  for (const { tier, name, open, refused } of pools) {
    const row = { tier, name };
    rows.push(row);
    try {
      const instance = await open();
      try {
        await (refused ? expectRefusal : compare)(bytelane, instance);
      } finally {
        instance.dispose();
      }
    } catch (error) {
      row.failure = `${error?.message}\n${error?.stack}`;
    }
  }
  return rows;
}
