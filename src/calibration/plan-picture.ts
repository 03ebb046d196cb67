/** A plan as a table and as a picture: the Pareto front above, what each layer got below. */
import { checkInteger } from "../core/check.ts";
import { decibels } from "./explain.ts";
import type { PictureOptions } from "./picture.ts";
import type { Plan } from "./plan.ts";
import {
  attributes,
  COLOURS,
  FAINT,
  horizontalAxis,
  INK,
  line,
  type Plot,
  picture,
  short,
  text,
  ticks,
  verticalAxis,
} from "./svg.ts";

/** What each layer got, and what the plan and the uniform plans come to, as lines of text. */
export function planTable(plan: Plan): string {
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
  const widths = rows[0].map((_, i) => Math.max(...rows.map((cells) => cells[i].length)));
  const lines = rows.map((cells) =>
    cells
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join("  ")
      .trimEnd(),
  );
  const [goal] = Object.entries(plan.goal).map(([name, value]) =>
    name === "budgetBytes" ? `at most ${value} bytes` : `${name} ${short(value)}`,
  );
  const quality = plan.sqnr === undefined ? "" : `, ${decibels(plan.sqnr, 2)} dB`;
  const exact = plan.bound === 0 ? "exact" : `within ${short(100 * plan.bound)} % of the best`;
  const head = `${goal}: ${plan.bytes} bytes, ${plan.bitsPerWeight.toFixed(3)} bits a weight, loss ${short(plan.loss)}${quality}; ${exact}, one of ${plan.front.length} on the front`;
  return [head, ...lines].join("\n");
}

const LEFT = 64;
const LEGEND = 210;
const TOP = 46;
const FRONT = 240;
const ROW = 20;
/** Layers that are drawn: the largest ones. */
const MOST_ROWS = 40;
/** Points that are drawn as dots; more make a line. */
const DOTS = 300;

/** The front over bits a weight, with this plan, the uniform plans and the goal; and each layer's share of the bytes. */
export function planPicture(plan: Plan, options: PictureOptions = {}): string {
  const width = checkInteger("options.width", options.width ?? 900, 480, 10000);
  const { front, uniform, choices, parameters } = plan;
  const right = width - LEGEND;
  const bitsOf = (bytes: number): number => (8 * bytes) / parameters;
  const points = [...front, ...uniform];
  const bits = points.map(({ bytes }) => bitsOf(bytes));
  const losses = points.map(({ loss }) => loss).filter((loss) => loss > 0);
  const [low, high] = [Math.min(...bits), Math.max(...bits)];
  const margin = 0.03 * (high - low) || 0.5;
  const [from, to] = [low - margin, high + margin];
  const least = losses.length > 0 ? Math.log10(Math.min(...losses)) : 0;
  const most = losses.length > 0 ? Math.log10(Math.max(...losses)) : 1;
  const reach = 0.05 * (most - least) || 0.5;
  const [bottomLog, topLog] = [least - reach, most + reach];
  const plot: Plot = {
    x: (value) => LEFT + ((value - from) / (to - from)) * (right - LEFT),
    ...{ left: LEFT, right, top: TOP, bottom: TOP + FRONT },
  };
  const heightOf = (exponent: number): number =>
    plot.bottom - ((exponent - bottomLog) / (topLog - bottomLog)) * FRONT;
  const y = (loss: number): number =>
    heightOf(loss > 0 ? Math.max(Math.log10(loss), bottomLog) : bottomLog);
  const x = (bytes: number): number => plot.x(bitsOf(bytes));

  const lines = [
    text(LEFT, 22, options.title ?? "Mixed precision", { "font-size": 15, "font-weight": "bold" }),
    text(LEFT, TOP - 8, "loss of the plans that no other plan beats", { fill: FAINT }),
    ...verticalAxis(plot, heightOf, bottomLog, topLog),
    ...horizontalAxis(plot, ticks(from, to, 8), "bits a weight"),
  ];
  // between two plans of the front there is none: the line goes in steps
  const steps = front.map(({ bytes, loss }, i) => {
    const [px, py] = [x(bytes).toFixed(1), y(loss).toFixed(1)];
    return i === 0 ? `M${px} ${py}` : `H${px}V${py}`;
  });
  lines.push(
    `<path${attributes({ d: steps.join(""), fill: "none", stroke: COLOURS[3], "stroke-width": 1.4 })}/>`,
  );
  if (front.length <= DOTS) {
    for (const { bytes, loss } of front) {
      lines.push(`<circle${attributes({ cx: x(bytes), cy: y(loss), r: 2.2, fill: COLOURS[3] })}/>`);
    }
  }
  if ("budgetBytes" in plan.goal) {
    const at = Math.min(Math.max(x(plan.goal.budgetBytes), LEFT), right);
    lines.push(line(at, TOP, at, plot.bottom, FAINT, { "stroke-dasharray": "4 3" }));
  }
  for (const { candidate, bytes, loss } of uniform) {
    const [px, py] = [x(bytes), y(loss)];
    lines.push(
      `<rect${attributes({ x: px - 4, y: py - 4, width: 8, height: 8, fill: COLOURS[1] })}/>`,
      text(px < (LEFT + right) / 2 ? px + 8 : px - 8, py - 7, `all ${candidate}`, {
        "text-anchor": px < (LEFT + right) / 2 ? "start" : "end",
        // a white edge, since the front runs behind the words
        ...{ stroke: "#ffffff", "stroke-width": 3, "paint-order": "stroke" },
      }),
    );
  }
  lines.push(
    `<circle${attributes({ cx: x(plan.bytes), cy: y(plan.loss), r: 6, fill: COLOURS[2] })}/>`,
    `<circle${attributes({ cx: right + 20, cy: TOP + 10, r: 6, fill: COLOURS[2] })}/>`,
    text(right + 34, TOP + 14, "this plan"),
    text(right + 34, TOP + 32, `${plan.bitsPerWeight.toFixed(2)} bits a weight`, { fill: FAINT }),
    text(right + 34, TOP + 48, `loss ${short(plan.loss)}`, { fill: FAINT }),
    text(right + 34, TOP + 72, `${front.length} plans on the front`, { fill: FAINT }),
  );

  const names = [...new Set(choices.map(({ candidate }) => candidate))].sort();
  const rows = [...choices].sort((a, b) => b.parameters - a.parameters).slice(0, MOST_ROWS);
  const shown = new Set(rows);
  const top = plot.bottom + 66;
  const widest = Math.max(...rows.map(({ bytes }) => bytes), 1);
  const start = LEFT + 130;
  choices
    .filter((choice) => shown.has(choice))
    .forEach(({ layer, candidate, bytes, loss }, i) => {
      const at = top + i * ROW;
      const colour = COLOURS[1 + (names.indexOf(candidate) % (COLOURS.length - 1))];
      const length = Math.max(1, (bytes / widest) * (right - start));
      lines.push(
        text(start - 8, at + 13, layer, { "text-anchor": "end" }),
        `<rect${attributes({ x: start, y: at + 3, width: length, height: ROW - 6, fill: colour })}/>`,
        text(right + 20, at + 13, `${candidate}, loss ${short(loss)}`),
      );
    });
  lines.push(
    text(LEFT, top - 10, "bytes by layer, in the candidate that was chosen", { fill: FAINT }),
    line(start, top, start, top + rows.length * ROW, INK),
  );
  return picture(width, top + rows.length * ROW + 16, lines);
}
