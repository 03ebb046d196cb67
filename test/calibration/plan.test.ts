/** Sensitivity and mixed precision: every plan against all the plans there are. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bitsCandidate,
  type Candidate,
  errorBetween,
  type LayerSensitivity,
  layerCandidate,
  type PlannedLayer,
  paretoFront,
  plan,
  planChart,
  planTable,
  sensitivity,
} from "../../src/calibration/index.ts";
import {
  createBytelaneSync,
  createLinear,
  type LinearOptions,
  scope,
  tensor,
} from "../../src/entries/index.ts";
import { createConv2d } from "../../src/entries/nn.ts";
import { expectDrawn } from "../support/charts.ts";
import { sample } from "../support/distributions.ts";

const instance = createBytelaneSync();

interface Point {
  readonly bytes: number;
  readonly loss: number;
}

/** The sums of every choice of one candidate a layer. */
function everyPlan(layers: readonly LayerSensitivity[]): Point[] {
  return layers.reduce<Point[]>(
    (plans, { costs }) =>
      plans.flatMap((plan) =>
        costs.map(({ bytes, loss }) => ({ bytes: plan.bytes + bytes, loss: plan.loss + loss })),
      ),
    [{ bytes: 0, loss: 0 }],
  );
}

function isBeaten(point: Point, plans: readonly Point[]): boolean {
  return plans.some(
    ({ bytes, loss }) =>
      bytes <= point.bytes && loss <= point.loss && (bytes < point.bytes || loss < point.loss),
  );
}

/** Layers as data, with whole losses so that sums are exact. */
const layersOf = (most: number) =>
  fc.array(
    fc.record({
      name: fc.string(),
      parameters: fc.integer({ min: 1, max: 1000 }),
      signal: fc.constant(undefined),
      costs: fc.array(
        fc.record({
          candidate: fc.constantFrom("8 bits", "4 bits", "2 bits"),
          bytes: fc.integer({ min: 0, max: 60 }),
          loss: fc.integer({ min: -5, max: 60 }),
        }),
        { minLength: 1, maxLength: 4 },
      ),
    }),
    { minLength: 1, maxLength: most },
  );

/** Layers whose sizes and losses are all different, so that nothing falls together. */
function unlike(count: number, seed: number): LayerSensitivity[] {
  const random = sample("uniform", count * 6, seed);
  return Array.from({ length: count }, (_, i) => ({
    name: `layer ${i}`,
    parameters: 1000,
    signal: undefined,
    costs: [0, 1, 2].map((c) => ({
      candidate: `${8 >> c} bits`,
      bytes: Math.round(1000 * 2 ** -c + Math.abs(random[i * 6 + c]) * 200),
      loss: 4 ** c * Math.abs(random[i * 6 + 3 + c]) + 0.01,
    })),
  }));
}

describe("paretoFront", () => {
  it("holds every plan that is not beaten, and no other", () => {
    fc.assert(
      fc.property(layersOf(6), (layers) => {
        const all = everyPlan(layers);
        const { points, bound } = paretoFront(layers);
        expect(bound).toBe(0);
        const best = all.filter((point) => !isBeaten(point, all));
        const distinct = new Map(best.map((point) => [`${point.bytes} ${point.loss}`, point]));
        const right = [...distinct.values()].sort((a, b) => a.bytes - b.bytes);
        expect(points).toEqual(right);
      }),
    );
  });

  it("chooses the best plan for every goal, and its parts add up to it", () => {
    fc.assert(
      fc.property(
        layersOf(5),
        fc.integer({ min: 0, max: 300 }),
        fc.integer({ min: -30, max: 300 }),
        (layers, budgetBytes, maxLoss) => {
          const all = everyPlan(layers);
          const front = paretoFront(layers);
          const within = all.filter(({ bytes }) => bytes <= budgetBytes);
          if (within.length === 0) {
            const least = Math.min(...all.map(({ bytes }) => bytes));
            expect(() => front.choose({ budgetBytes })).toThrow(
              `"goal.budgetBytes" expected at least ${least}, got ${budgetBytes}`,
            );
          } else {
            const chosen = front.choose({ budgetBytes });
            expect(chosen.loss).toBe(Math.min(...within.map(({ loss }) => loss)));
            expect(chosen.bytes).toBeLessThanOrEqual(budgetBytes);
            for (const sum of ["bytes", "loss"] as const) {
              expect(chosen.choices.reduce((all, each) => all + each[sum], 0)).toBe(chosen[sum]);
            }
            chosen.choices.forEach((choice, i) => {
              const { name, parameters, costs } = layers[i];
              expect(choice).toMatchObject({ layer: name, parameters });
              const { candidate, bytes, loss } = choice;
              expect(costs).toContainEqual({ candidate, bytes, loss });
            });
          }
          const good = all.filter(({ loss }) => loss <= maxLoss);
          if (good.length === 0) {
            expect(() => front.choose({ maxLoss })).toThrow(
              '"goal.maxLoss" expected what a loss of',
            );
          } else {
            const { bytes, loss } = plan(layers, { maxLoss });
            expect(bytes).toBe(Math.min(...good.map((each) => each.bytes)));
            expect(loss).toBeLessThanOrEqual(maxLoss);
          }
        },
      ),
    );
  });

  it("keeps its word on how far it is off where points were dropped", () => {
    const layers = unlike(16, 3);
    const exact = paretoFront(layers);
    expect(exact.bound).toBe(0);
    const floor = layers.reduce(
      (sum, { costs }) => sum + Math.min(...costs.map(({ loss }) => loss)),
      0,
    );
    expect(exact.points.length).toBeGreaterThan(60);
    for (const points of [60, 30, 10]) {
      const thinned = paretoFront(layers, { points });
      expect(thinned.points.length).toBeLessThanOrEqual(points);
      expect(thinned.bound).toBeGreaterThan(0);
      let worst = 0;
      for (const { bytes, loss } of exact.points) {
        const { loss: got } = thinned.choose({ budgetBytes: bytes });
        if (loss > floor) worst = Math.max(worst, (got - floor) / (loss - floor) - 1);
      }
      expect(worst).toBeLessThanOrEqual(thinned.bound + 1e-9);
    }
  });

  it("takes a hundred layers", () => {
    const layers = unlike(100, 5);
    const { points, bound } = paretoFront(layers, { points: 4096 });
    expect(points.length).toBeLessThanOrEqual(4096);
    expect(bound).toBeLessThan(0.05);
    // the Lagrangian's plans are on the convex hull of the front: none may lie below it
    for (const price of [1e-5, 1e-4, 1e-3, 1e-2]) {
      let [bytes, loss] = [0, 0];
      for (const { costs } of layers) {
        const best = costs.reduce((a, b) =>
          a.loss + price * a.bytes <= b.loss + price * b.bytes ? a : b,
        );
        bytes += best.bytes;
        loss += best.loss;
      }
      const value = Math.min(...points.map((point) => point.loss + price * point.bytes));
      expect(value).toBeGreaterThanOrEqual(loss + price * bytes - 1e-9);
      expect(value).toBeLessThanOrEqual((loss + price * bytes) * (1 + bound));
    }
  });

  it.each([
    [[], '"layers" expected an array of at least one layer'],
    [[{ costs: [] }], '"layers[0].costs" expected 1 to 255 candidates'],
    [
      [{ costs: [{ candidate: "a", bytes: NaN, loss: 1 }] }],
      '"layers[0].costs[0].bytes" expected a finite number, got NaN',
    ],
    [
      [{ costs: [{ candidate: "a", bytes: 1, loss: "1" }] }],
      '"layers[0].costs[0].loss" expected a number, got "1"',
    ],
    [
      [1, 2].map(() => ({ costs: [{ candidate: "a", bytes: 1, loss: 1.7e308 }] })),
      '"layers[1].costs" expected loss whose sum is finite, got Infinity',
    ],
  ])("refuses %j", (layers, message) => {
    expect(() => paretoFront(layers as never)).toThrow(message);
  });

  it("refuses goals that it does not know", () => {
    const front = paretoFront(unlike(2, 1));
    expect(() => front.choose({} as never)).toThrow(
      '"goal" expected budgetBytes, maxLoss or minSqnr, got Object',
    );
    expect(() => front.choose({ minSqnr: 30 })).toThrow(
      '"goal.minSqnr" expected losses that are squared errors of weights',
    );
    expect(() => paretoFront(unlike(2, 1), { points: 1 })).toThrow('"options.points" expected');
  });
});

describe("sensitivity", () => {
  const layers = [
    { name: "even", weights: sample("uniform", 600, 1), shape: [20, 30] },
    { name: "far out", weights: sample("with outliers", 600, 2), shape: [20, 30] },
  ];
  const candidates = [8, 4, 2].map((bits) => bitsCandidate(instance, bits, { axis: 0 }));

  it("measures squared errors and bytes, scales counted", () => {
    const measured = sensitivity(layers, candidates);
    measured.forEach(({ name, parameters, signal, costs }, i) => {
      const { weights } = layers[i];
      expect({ name, parameters }).toEqual({ name: layers[i].name, parameters: 600 });
      expect(signal).toBeCloseTo(
        [...weights].reduce((s, w) => s + w * w, 0),
        6,
      );
      expect(costs.map(({ bytes }) => bytes)).toEqual([680, 380, 230]);
      costs.forEach(({ candidate, loss }, c) => {
        expect(candidate).toBe(`${[8, 4, 2][c]} bits`);
        const restored = candidates[c].quantize(layers[i])?.restored ?? [];
        expect(loss).toBeCloseTo(errorBetween(weights, restored).mse * 600, 9);
      });
      expect(costs[0].loss).toBeLessThan(costs[1].loss);
      expect(costs[1].loss).toBeLessThan(costs[2].loss);
    });
    const chosen = plan(measured, { minSqnr: 20 });
    expect(chosen.sqnr).toBeGreaterThanOrEqual(20);
    expect(chosen.bitsPerWeight).toBe((8 * chosen.bytes) / 1200);
    expect(chosen.uniform.map(({ candidate }) => candidate)).toEqual([
      "8 bits",
      "4 bits",
      "2 bits",
    ]);
    expect(chosen.uniform[1].bytes).toBe(760);
  });

  it("takes tensors, one scale for all, and leaves no memory behind", () => {
    const used = instance.bytesUsed;
    scope(instance, () => {
      const held = tensor(instance, "f32", [20, 30], layers[0].weights);
      const [own] = sensitivity([{ name: "even", weights: held }], candidates);
      expect(own.costs).toEqual(sensitivity(layers, candidates)[0].costs);
    });
    const [{ costs }] = sensitivity(layers, [bitsCandidate(instance, 5)]);
    expect(costs[0].bytes).toBe(Math.ceil((600 * 5) / 8) + 4);
    expect(instance.bytesUsed).toBe(used);
  });

  it("takes any loss, and says how far it is", () => {
    const seen: string[] = [];
    const steps: number[] = [];
    const measured = sensitivity(layers, candidates, {
      loss: (layer, restored, candidate) => {
        seen.push(`${layer.name} ${candidate.name} ${restored.length}`);
        return 1 - errorBetween(layer.weights, restored).cosine;
      },
      progress: (done, total) => steps.push(done / total),
    });
    expect(seen.length).toBe(6);
    expect(seen[4]).toBe("far out 4 bits 600");
    expect(steps.at(-1)).toBe(1);
    expect(measured[0].signal).toBeUndefined();
    expect(plan(measured, { maxLoss: 0.5 }).sqnr).toBeUndefined();
  });

  it("refuses what it cannot measure", () => {
    const broken = (quantize: Candidate["quantize"]) => [{ name: "x", quantize }];
    expect(() => sensitivity([], candidates)).toThrow('"layers" expected an array of at least one');
    expect(() => sensitivity(layers, [])).toThrow('"candidates" expected an array of at least one');
    expect(() =>
      sensitivity(
        layers,
        broken(() => ({ bytes: 1.5, restored: [] })),
      ),
    ).toThrow('"candidates x of layers[0], bytes" expected an integer');
    expect(() =>
      sensitivity(
        layers,
        broken(() => ({ bytes: 1, restored: [1] })),
      ),
    ).toThrow('"candidates x of layers[0], restored" expected 600 elements, got 1');
    expect(() => sensitivity(layers, candidates, { loss: () => NaN })).toThrow(
      '"candidates 8 bits of layers[0], loss" expected a finite number, got NaN',
    );
    expect(() => bitsCandidate(instance, 9)).toThrow('"bits" expected an integer in [2, 8], got 9');
  });
});

describe("the formats of layers as candidates", () => {
  const formats = ["int8", "int4", "f32"] as const;
  const candidates = formats.map((format) => layerCandidate(instance, format));
  const weightsOf = (count: number, seed: number) => sample("uniform", count, seed);
  const orientations = ["in-out", "out-in"] as const;
  const namesOf = (layer: PlannedLayer) =>
    sensitivity([layer], candidates)[0].costs.map(({ candidate }) => candidate);

  /** [out][height][width][in], as a layer's toArray gives it, of weights as they came. */
  function ordered(
    weights: ArrayLike<number>,
    [a, b, c, d]: readonly number[],
    orientation: "in-out" | "out-in",
  ): number[] {
    const result: number[] = [];
    const [outputs, height, width, inputs] = orientation === "out-in" ? [a, c, d, b] : [d, a, b, c];
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < height; i++) {
        for (let j = 0; j < width; j++) {
          for (let k = 0; k < inputs; k++) {
            const at =
              orientation === "out-in"
                ? ((o * inputs + k) * height + i) * width + j
                : ((i * width + j) * inputs + k) * outputs + o;
            result.push(weights[at]);
          }
        }
      }
    }
    return result;
  }

  it.each(orientations)("are what linear layers make of weights, %s", (orientation) => {
    const [inputs, outputs] = [70, 9];
    const shape = orientation === "out-in" ? [outputs, inputs] : [inputs, outputs];
    const layer = { name: "fc", weights: weightsOf(630, 3), shape, orientation };
    expect(namesOf(layer)).toEqual(["int8", "int4"]);
    scope(instance, () => {
      for (const format of ["int8", "int4"] as const) {
        const made = createLinear(instance, {
          ...{ format, weights: layer.weights, shape, orientation },
        } as LinearOptions);
        const { bytes = 0, restored = [] } = layerCandidate(instance, format).quantize(layer) ?? {};
        const as4d = orientation === "out-in" ? [outputs, inputs, 1, 1] : [1, 1, inputs, outputs];
        const mine = ordered(restored, as4d, orientation);
        made.toArray().forEach((w, i) => {
          expect(mine[i]).toBeCloseTo(w, 6);
        });
        expect(bytes).toBe(format === "int8" ? 630 + 4 * outputs : 9 * 3 * (16 + 2));
      }
    });
  });

  it.each([
    { shape: [5, 6, 3, 3], orientation: "out-in", groups: 1, names: ["int8"] },
    { shape: [3, 3, 6, 5], orientation: "in-out", groups: 1, names: ["int8"] },
    { shape: [5, 6, 1, 1], orientation: "out-in", groups: 1, names: ["int8", "int4"] },
    { shape: [1, 1, 6, 5], orientation: "in-out", groups: 1, names: ["int8", "int4"] },
    { shape: [6, 3, 1, 1], orientation: "out-in", groups: 2, names: ["int8"] },
    { shape: [6, 1, 3, 3], orientation: "out-in", groups: 6, names: ["int8", "f32"] },
    { shape: [3, 3, 1, 6], orientation: "in-out", groups: 6, names: ["int8", "f32"] },
  ] as const)("are what convolutions make of $shape, $groups groups", (given) => {
    const { shape, orientation, groups, names } = given;
    const count = shape.reduce((product: number, size) => product * size, 1);
    const layer = { name: "conv", weights: weightsOf(count, 4), shape, orientation, groups };
    expect(namesOf(layer)).toEqual(names);
    scope(instance, () => {
      for (const format of ["int8", "f32"] as const) {
        const found = layerCandidate(instance, format).quantize(layer);
        if (!found) continue;
        const options = { weights: layer.weights, shape, orientation, groups, format };
        const made = createConv2d(instance, options).toArray();
        const mine = ordered(found.restored, shape, orientation);
        made.forEach((w, i) => {
          expect(mine[i]).toBeCloseTo(w, 6);
        });
      }
      const held = tensor(instance, "f32", shape, layer.weights);
      const { shape: _, ...rest } = layer;
      expect(sensitivity([{ ...rest, weights: held }], candidates)).toEqual(
        sensitivity([layer], candidates),
      );
    });
  });

  it("make plans over layers that have different ones", () => {
    const layers = [
      { name: "stem", weights: weightsOf(270, 5), shape: [5, 6, 3, 3] },
      { name: "point", weights: weightsOf(3200, 6), shape: [50, 64, 1, 1] },
      { name: "fc", weights: weightsOf(3200, 7), shape: [50, 64] },
    ].map((layer) => ({ ...layer, orientation: "out-in" as const }));
    const chosen = plan(sensitivity(layers, candidates), { budgetBytes: 290 + 2 * 1900 });
    expect(chosen.choices.map(({ candidate }) => candidate)).toEqual(["int8", "int4", "int4"]);
    expect(chosen.uniform.map(({ candidate }) => candidate)).toEqual(["int8"]);
  });

  it("refuse other shapes, and layers that have none of the candidates", () => {
    const of = (layer: object) => () =>
      candidates[0].quantize({ name: "x", weights: new Float32Array(6), ...layer });
    expect(of({ shape: [1, 2, 3] })).toThrow(
      '"layer.shape" expected two dimensions, or four of a convolution, got [1, 2, 3]',
    );
    expect(of({ shape: [2, 2] })).toThrow('"layer.weights" expected 4 elements');
    expect(of({ shape: [2, 3], orientation: "up" })).toThrow('"layer.orientation" expected one of');
    expect(of({ shape: [2, 3], groups: 0 })).toThrow('"layer.groups" expected an integer');
    expect(of({})).toThrow('"layer.shape" expected');
    expect(of({ weights: new Int8Array(6), shape: [2, 3] })).toThrow('"layer.weights" expected');
    expect(() => layerCandidate(instance, "int2" as never)).toThrow('"format" expected one of');
    const stem = { name: "stem", weights: weightsOf(54, 8), shape: [1, 6, 3, 3] };
    expect(() => sensitivity([stem], [layerCandidate(instance, "f32")])).toThrow(
      '"candidates" expected one that layers[0] can have, got "none"',
    );
  });
});

describe("a plan's table and chart", () => {
  const layers = unlike(7, 9);
  const chosen = plan(layers, { budgetBytes: 5000 });

  it("name every layer and what it got", () => {
    const lines = planTable(chosen).split("\n");
    expect(lines[0]).toContain("at most 5000 bytes");
    expect(lines[0]).toContain("exact");
    expect(lines.length).toBe(2 + 7 + 1 + 3);
    chosen.choices.forEach(({ layer, candidate, bytes }, i) => {
      expect(lines[i + 2].startsWith(layer)).toBe(true);
      expect(lines[i + 2]).toContain(candidate);
      expect(lines[i + 2]).toContain(String(bytes));
    });
  });

  it("are plain data that Vega-Lite compiles, whatever the plan", async () => {
    const single = plan([layers[0]], { maxLoss: 1e9 });
    const lossless = plan(
      [{ name: "<x>", parameters: 4, signal: 1, costs: [{ candidate: "a", bytes: 4, loss: 0 }] }],
      { minSqnr: 100 },
    );
    const many = plan(unlike(60, 2), { budgetBytes: 40_000 }, { points: 1000 });
    for (const each of [chosen, single, lossless, many]) {
      const chart = planChart(each, { title: "<&>" });
      await expectDrawn(chart);
      expect(chart.title.text).toBe("<&>");
      expect(chart.title.subtitle).toContain(`${each.front.length} plans on the front`);
    }
    const [, bytes] = planChart(many).vconcat;
    expect(bytes.data?.values).toHaveLength(40);
    expect(() => planChart(null as never)).toThrow('"chosen" expected an object, got null');
    expect(() => planChart({} as never)).toThrow('"chosen.bytes" expected a number');
  });
});
