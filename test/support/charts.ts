/** Draws charts as a reader would, and fails where Vega-Lite finds fault. */
import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { expect } from "vitest";
import type { ChartSpecification } from "../../src/calibration/index.ts";

export async function expectDrawn(chart: ChartSpecification): Promise<void> {
  // plain data: JSON keeps all of it
  expect(JSON.parse(JSON.stringify(chart))).toEqual(chart);
  const faults: unknown[] = [];
  const note = (...words: unknown[]) => {
    faults.push(words);
    return logger;
  };
  const logger = {
    level: () => logger,
    error: note,
    warn: note,
    info: () => logger,
    debug: () => logger,
  };
  const { spec } = compile(chart as unknown as TopLevelSpec, { logger: logger as never });
  const svg = await new View(parse(spec), { renderer: "none", logger: logger as never }).toSVG();
  expect(faults).toEqual([]);
  expect(svg).toMatch(/^<svg/);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
}
