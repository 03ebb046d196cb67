import { expect, it } from "vitest";
import { createLinear, linear, scope, tensor } from "../../src/entries/index.ts";
import { createGru, createLstm, recurrent } from "../../src/entries/nn.ts";
import * as oracle from "../reference/nn.ts";
import { expectSame, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const realsOf = (n: number, seed: number) => {
  const { real } = noise(seed);
  return Float32Array.from({ length: n }, () => real(-0.5, 0.5));
};

/** Rows of gates in another order. */
function reordered(values: Float32Array, from: string, to: string): Float32Array {
  const size = values.length / from.length;
  return Float32Array.from({ length: values.length }, (_, i) => {
    const gate = from.indexOf(to[Math.floor(i / size)]);
    return values[gate * size + (i % size)];
  });
}

describeTiers("recurrent", (instance) => {
  it("LSTM and GRU: the formulas over the products of two layers, step by step", () => {
    for (const [inFeatures, hidden] of [
      [3, 1],
      [5, 4],
      [7, 5],
      [16, 18],
    ]) {
      for (const kind of ["lstm", "gru"] as const) {
        scope(instance, () => {
          const gates = kind === "lstm" ? 4 : 3;
          const rows = gates * hidden;
          const inputWeights = realsOf(rows * inFeatures, 1);
          const stateWeights = realsOf(rows * hidden, 2);
          const inputBias = realsOf(rows, 3);
          const stateBias = realsOf(rows, 4);
          const options = { inputWeights, stateWeights, hidden, inputBias, stateBias };
          const layer = (kind === "lstm" ? createLstm : createGru)(instance, options);
          const steps = 6;
          const x = realsOf(steps * inFeatures, 5);
          const state = realsOf(hidden, 6);
          const cell = realsOf(hidden, 7);
          const sequence = { shape: [steps, inFeatures], state, ...(kind === "lstm" && { cell }) };
          const y = recurrent(layer, x, sequence);
          const input = createLinear(instance, {
            ...{ weights: inputWeights, shape: [rows, inFeatures], orientation: "out-in" },
            bias: inputBias,
          });
          const own = createLinear(instance, {
            ...{ weights: stateWeights, shape: [rows, hidden], orientation: "out-in" },
            bias: stateBias,
          });
          const parts = linear(input, x);
          let h = state;
          let c = [...cell];
          for (let step = 0; step < steps; step++) {
            const a = [...parts.subarray(step * rows, (step + 1) * rows)];
            const b = [...linear(own, h)];
            let right: number[];
            if (kind === "lstm") {
              const next = oracle.lstm(
                a.map((value, i) => value + b[i]),
                c,
              );
              right = next.h;
              c = next.cell;
            } else right = oracle.gru(a, b, [...h]);
            // what the next step quantizes is the kernel's own state
            h = y.values.slice(step * hidden, (step + 1) * hidden);
            for (let j = 0; j < hidden; j++) expect(Math.abs(h[j] - right[j])).toBeLessThan(1e-6);
          }
          expectSame(y.state, h);
          if (kind === "lstm") {
            c.forEach((value, j) => {
              expect(Math.abs(y.cell![j] - value)).toBeLessThan(1e-6);
            });
          } else expect(y.cell).toBeUndefined();
        });
      }
    }
  });

  it("a sequence is its steps, one by one; tensors in kind", () => {
    scope(instance, () => {
      const options = { inputWeights: realsOf(4 * 6 * 5, 1), stateWeights: realsOf(4 * 36, 2) };
      const layer = createLstm(instance, { ...options, hidden: 6 });
      const x = realsOf(3 * 5, 3);
      const whole = recurrent(layer, tensor(instance, "f32", [3, 5], x));
      expect(whole.values.shape).toEqual([3, 6]);
      let before: { state: Float32Array; cell?: Float32Array } | undefined;
      for (let step = 0; step < 3; step++) {
        const row = x.subarray(step * 5, step * 5 + 5);
        const one = recurrent(layer, row, {
          ...(before && { state: before.state, cell: before.cell }),
        });
        expectSame(one.values, whole.values.data.subarray(step * 6, step * 6 + 6));
        before = one;
      }
      expectSame(whole.state, before!.state);
      const none = recurrent(layer, tensor(instance, "f32", [0, 5]));
      expect(none.values.shape).toEqual([0, 6]);
      expectSame(none.state, new Float32Array(6));
    });
  });

  it("states that stay where they are, in whole vectors and not", () => {
    for (const hidden of [4, 6, 16]) {
      scope(instance, () => {
        const weights = (rows: number) => ({
          inputWeights: realsOf(rows * hidden * 5, hidden),
          stateWeights: realsOf(rows * hidden * hidden, hidden + 1),
        });
        const x = realsOf(3 * 5, 3);
        for (const kind of ["lstm", "gru"] as const) {
          const layer =
            kind === "lstm"
              ? createLstm(instance, { ...weights(4), hidden })
              : createGru(instance, { ...weights(3), hidden });
          const whole = recurrent(layer, x, { shape: [3, 5] });
          const state = tensor(instance, "f32", [hidden]);
          const cell = tensor(instance, "f32", [hidden]);
          const options = { state, inPlace: true, ...(kind === "lstm" && { cell }) } as const;
          const out = tensor(instance, "f32", [1, hidden]);
          for (let step = 0; step < 3; step++) {
            const row = tensor(instance, "f32", [1, 5], x.subarray(step * 5, step * 5 + 5));
            const one = recurrent(layer, row, { ...options, out });
            expect(one.state).toBe(state);
            expect(one.cell).toBe(kind === "lstm" ? cell : undefined);
            expectSame(out.data, whole.values.subarray(step * hidden, (step + 1) * hidden));
          }
          expectSame(state.data, whole.state);
          if (kind === "lstm") expectSame(cell.data, whole.cell!);
          // the result over the state
          const last = recurrent(layer, x.subarray(0, 5), { ...options, out: state });
          expect(last.values).toBe(state);
        }
      });
    }
  });

  it("the orders of gates of other frameworks", () => {
    scope(instance, () => {
      const x = realsOf(5, 9);
      for (const [create, own, other] of [
        [createLstm, "ifgo", "iofg"],
        [createGru, "rzn", "zrn"],
      ] as const) {
        const inputWeights = realsOf(own.length * 20, 1);
        const stateWeights = realsOf(own.length * 16, 2);
        const one = create(instance, { inputWeights, stateWeights, hidden: 4 });
        const two = create(instance, {
          inputWeights: reordered(inputWeights, own, other),
          stateWeights: reordered(stateWeights, own, other),
          ...{ hidden: 4, gates: other },
        });
        expectSame(recurrent(one, x).values, recurrent(two, x).values);
      }
    });
  });
});
