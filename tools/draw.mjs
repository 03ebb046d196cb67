import { parse, View } from "vega";
import { compile } from "vega-lite";

/** A Vega-Lite specification, such as `explanationChart` makes, drawn as SVG. */
export function drawChart(chart) {
  const { spec } = compile(chart.background ? chart : { ...chart, background: "white" });
  return new View(parse(spec), { renderer: "none" }).toSVG();
}
