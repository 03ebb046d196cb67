/**
 * A plan as a table of text.
 *
 * @category Mixed precision
 */
import { checkNumber, checkRecord, checkRecords } from "../core/check.ts";
import type { Plan } from "./plan.ts";
import { alignRows, decibels, short } from "./text.ts";

const POINT = { bytes: "number", loss: "number" } as const;

/** @internal Checks the properties of a plan. */
export function checkPlan(argument: string, plan: Plan): void {
  checkRecord(argument, plan, {
    ...POINT,
    ...{ goal: "object", parameters: "number", bitsPerWeight: "number", bound: "number" },
  });
  const { goal, choices, front, uniform } = plan;
  const layer = { layer: "string", candidate: "string", parameters: "number" } as const;
  checkRecords(`${argument}.choices`, choices, { ...layer, ...POINT });
  checkRecords(`${argument}.front`, front, POINT);
  checkRecords(`${argument}.uniform`, uniform, { candidate: "string", ...POINT });
  for (const [name, value] of Object.entries(goal)) checkNumber(`${argument}.goal.${name}`, value);
}

/**
 * A plan as lines of text: the candidate of each layer, and the totals of the plan and of the
 * uniform plans. Columns are the layer, its candidate, its numbers, bytes, bits per weight, loss
 * and the share of the loss in percent. Errors: a value that is no plan.
 *
 * @example
 * ```ts
 * console.log(planTable(plan(costs, { budgetBytes: 500_000 })));
 * ```
 */
export function planTable(plan: Plan): string {
  checkPlan("plan", plan);
  const { choices, uniform, parameters } = plan;
  const total = choices.reduce((sum, { loss }) => sum + loss, 0);
  const rows = [
    ["layer", "candidate", "numbers", "bytes", "bits", "loss", "share %"],
    ...choices.map((each) => [
      each.layer,
      each.candidate,
      String(each.parameters),
      String(each.bytes),
      ((8 * each.bytes) / each.parameters).toFixed(2),
      each.loss.toExponential(3),
      total > 0 ? ((100 * each.loss) / total).toFixed(1) : "0.0",
    ]),
    ...[{ candidate: "", ...plan }, ...uniform].map(({ candidate, bytes, loss }) => [
      candidate === "" ? "this plan" : "all",
      candidate,
      String(parameters),
      String(bytes),
      ((8 * bytes) / parameters).toFixed(2),
      loss.toExponential(3),
      "",
    ]),
  ];
  const [goal] = Object.entries(plan.goal).map(([name, value]) =>
    name === "budgetBytes" ? `at most ${value} bytes` : `${name} ${short(value)}`,
  );
  const quality = plan.sqnr === undefined ? "" : `, ${decibels(plan.sqnr, 2)} dB`;
  const exact = plan.bound === 0 ? "exact" : `within ${short(100 * plan.bound)} % of the best`;
  const size = `${plan.bytes} bytes, ${plan.bitsPerWeight.toFixed(3)} bits per weight`;
  const place = `one of ${plan.front.length} on the front`;
  const head = `${goal}: ${size}, loss ${short(plan.loss)}${quality}; ${exact}, ${place}`;
  return [head, ...alignRows(rows, 2)].join("\n");
}
