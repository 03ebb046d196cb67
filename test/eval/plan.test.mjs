/** The logic of the search example's plans: every one there is, the lot, the file, the verdict. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBytelaneSync } from "bytelane";
import { afterAll, describe, expect, it } from "vitest";
import {
  bytesOfBudget,
  bytesOfPlan,
  describePlan,
  drawPlans,
  plansWithin,
  readPlan,
  uniformPlan,
  writePlan,
} from "../../eval/search/plans.mjs";
import { cosine } from "../../eval/search/similarity.mjs";
import { bitsByPlan, createCandidates, listTensors } from "../../eval/search/tensors.mjs";
import { examine, gatherPlans, pairedDifference, rankPlans } from "../../eval/search/verdict.mjs";
import { loadWeights } from "../../eval/search/weights.mjs";
import { createRandom } from "../../tools/random.mjs";

const size = (name, eight, four) => ({ name, bytes: { 8: eight, 4: four } });
const SIZES = [size("a", 100, 50), size("b", 60, 30), size("c", 20, 10)];
const keyOf = ({ bits }) => JSON.stringify(bits);

describe("the budget", () => {
  it("counts the bytes of a plan, and of bits per weight", () => {
    expect(bytesOfPlan(SIZES, uniformPlan(SIZES, 8))).toBe(180);
    expect(bytesOfPlan(SIZES, { a: 4, b: 8, c: 4 })).toBe(120);
    expect(bytesOfBudget(5, 6_963_712)).toBe(4_352_320);
    expect(bytesOfBudget(4.5, 3)).toBe(1);
  });

  it("lists every plan within it, and knows the full ones", () => {
    const plans = plansWithin(SIZES, 130);
    expect(plans.map(({ bits, bytes, full }) => [describePlan(bits), bytes, full])).toEqual([
      ["all 4 bits", 90, false],
      ["b", 120, false],
      ["c", 100, false],
      ["b, c", 130, true],
    ]);
    expect(plansWithin(SIZES, 180)).toHaveLength(8);
    expect(plansWithin(SIZES, 180).filter(({ full }) => full)).toHaveLength(1);
    expect(plansWithin(SIZES, 89)).toEqual([]);
  });

  it("refuses more tensors than can be listed", () => {
    const many = Array.from({ length: 21 }, (_, i) => size(`${i}`, 2, 1));
    expect(() => plansWithin(many, 1)).toThrow('"sizes" expected at most 20 tensors, got 21');
  });
});

describe("the lot", () => {
  const sizes = Array.from({ length: 8 }, (_, i) => size(`${i}`, 20 + i, 10));
  const plans = plansWithin(sizes, 120);
  const full = plans.filter((each) => each.full);

  it("draws each plan once, full ones before others", () => {
    const drawn = drawPlans(plans, full.length + 5, createRandom(7));
    expect(new Set(drawn.map(keyOf)).size).toBe(full.length + 5);
    expect(drawn.map((each) => each.full)).toEqual([
      ...Array(full.length).fill(true),
      ...Array(5).fill(false),
    ]);
    expect(drawn.every(({ bits, bytes }) => bytesOfPlan(sizes, bits) === bytes)).toBe(true);
    expect(drawn.every(({ bytes }) => bytes <= 120)).toBe(true);
  });

  it("draws all there are when more are asked for", () => {
    const drawn = drawPlans(plans, 1000, createRandom(7));
    expect(drawn.map(keyOf).sort()).toEqual(plans.map(keyOf).sort());
  });

  it("follows its seed", () => {
    const draw = (seed) => drawPlans(plans, 10, createRandom(seed)).map(keyOf);
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
});

describe("the file", () => {
  const folder = mkdtempSync(join(tmpdir(), "plan-"));
  const file = join(folder, "plan.json");
  afterAll(() => rmSync(folder, { recursive: true }));
  const names = SIZES.map(({ name }) => name);

  it("comes back as it was written", () => {
    const bits = { a: 4, b: 8, c: 4 };
    writePlan(file, bits);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ bits });
    expect(readPlan(file, names)).toEqual(bits);
  });

  it.each([
    [{}, "expected 4 or 8 bits for a, got undefined"],
    [null, "expected 4 or 8 bits for a, got undefined"],
    [{ bits: { a: 4, b: 5, c: 4 } }, "expected 4 or 8 bits for b, got 5"],
    [{ bits: { a: 4, b: 8, c: 4, d: 4 } }, "expected bits for a, b, c, got d"],
  ])("is refused when it is %j", (content, message) => {
    writeFileSync(file, JSON.stringify(content));
    expect(() => readPlan(file, names)).toThrow(`"--plan" ${message}`);
  });
});

describe("the encoder's tensors", () => {
  it("are the table and ten dense layers, each with its own bits", () => {
    const weights = loadWeights();
    const tensors = listTensors(weights);
    expect(tensors.map(({ name }) => name)).toEqual([
      "table",
      "layer 0 qkv",
      "layer 0 output",
      "layer 0 residual",
      "layer 0 expand",
      "layer 0 contract",
      "layer 1 qkv",
      "layer 1 output",
      "layer 1 expand",
      "layer 1 contract",
      "projection",
    ]);
    expect(tensors.every((each) => each.weights.length === each.shape[0] * each.shape[1])).toBe(
      true,
    );
    const bitsOf = bitsByPlan(tensors, { ...uniformPlan(tensors, 4), "layer 1 output": 8 });
    expect(bitsOf(weights.layers[1].output.weight)).toBe(8);
    expect(bitsOf(weights.layers[0].output.weight)).toBe(4);
    expect(bitsOf(weights.embedding)).toBe(4);
  });
});

describe("the candidates", () => {
  const [inputs, outputs] = [64, 32];
  const random = createRandom(3);
  const weights = Float32Array.from({ length: inputs * outputs }, () => random() - 0.5);
  const instance = createBytelaneSync();

  it.each([
    ["a dense layer", [inputs, outputs], false, outputs],
    ["a table", [outputs, inputs], true, outputs],
  ])("count values and scales of %s, and restore it where it was", (_, shape, isTable, scales) => {
    const tensor = { name: "x", weights, shape, isTable };
    const made = createCandidates(instance, new Map()).map((each) => each.quantize(tensor));
    const count = weights.length;
    expect(made.map(({ bytes }) => bytes)).toEqual([count + 4 * scales, count / 2 + count / 16]);
    const cosines = made.map(({ restored }) => cosine(weights, restored));
    expect(cosines[0]).toBeGreaterThan(0.9999);
    expect(cosines[1]).toBeGreaterThan(0.99);
  });
});

describe("the verdict", () => {
  const chosen = { a: 4, b: 8, c: 8 };
  const drawn = plansWithin(SIZES, 130);
  const plans = gatherPlans(SIZES, 130, { chosen, byWeights: { a: 4, b: 8, c: 4 }, drawn });
  const judge = (given) => {
    const cosines = plans.map(({ bits }) => given[describePlan(bits)] ?? [0.9, 0.9]);
    return examine(rankPlans(plans, cosines));
  };

  it("takes each plan once", () => {
    expect(plans.map(({ name, kinds, isWithin }) => [name, kinds, isWithin])).toEqual([
      ["this plan", ["chosen", "lot"], true],
      ["by errors of weights", ["weights", "lot"], true],
      ["all 8 bits", ["uniform"], false],
      ["all 4 bits", ["uniform", "lot"], true],
      ["by lot", ["lot"], true],
    ]);
  });

  it("gives the mean of paired differences and its standard error", () => {
    // differences 1, 2, 3: variance 1, divided by n = 3
    const { mean, standardError } = pairedDifference([2, 4, 6], [1, 2, 3]);
    expect(mean).toBe(2);
    expect(standardError).toBeCloseTo(Math.sqrt(1 / 3), 12);
  });

  it.each([
    ["all three", { "b, c": [0.99, 0.99], "all 8 bits": [1, 1] }, [true, true, true]],
    [
      "all three, a hair behind",
      { "b, c": [0.99, 0.99], c: [0.99009, 0.99009] },
      [true, true, true],
    ],
    ["no longer the margin", { "b, c": [0.99, 0.99], c: [0.9902, 0.9902] }, [true, false, true]],
    ["not the cosine", { "b, c": [0.98, 0.98] }, [true, true, false]],
    [
      "not against all 4",
      { "b, c": [0.99, 0.99], "all 4 bits": [0.99, 0.99005] },
      [false, true, true],
    ],
  ])("holds for %s", (_, given, expected) => {
    const { chosen: found, checks } = judge(given);
    expect(found.bits).toEqual(chosen);
    expect(checks.map(({ holds }) => holds)).toEqual(expected);
  });

  it("adds two standard errors to what another plan may be ahead", () => {
    const given = { "b, c": [0.99, 0.99], c: [0.99, 0.992] };
    const { mostAhead, next } = judge(given);
    // mean 0.001, standard error 0.001
    expect(mostAhead).toBeCloseTo(0.003, 9);
    expect(next.bits).toEqual({ a: 4, b: 4, c: 8 });
  });
});
