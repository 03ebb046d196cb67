import { drawChart } from "../tools/draw.mjs";

/** GOPS over the size of square products as SVG: a line per series, and the roof. */
export function drawSizes({ points, roof, title }) {
  const sizes = [...new Set(points.map(({ size }) => size))].sort((a, b) => a - b);
  const order = [...new Set(points.map(({ series }) => series))];
  return drawChart({
    background: "white",
    title: { text: "8-bit products M = N = K, one thread", subtitle: title },
    width: 560,
    height: 320,
    layer: [
      {
        data: { values: [{ roof }] },
        mark: { type: "rule", strokeDash: [6, 4], color: "#666666" },
        encoding: { y: { field: "roof", type: "quantitative" } },
      },
      {
        data: { values: [{ roof, size: sizes[0], label: "roof: dot + add" }] },
        mark: { type: "text", align: "left", dx: 6, dy: -7, color: "#666666" },
        encoding: {
          x: { field: "size", type: "quantitative" },
          y: { field: "roof", type: "quantitative" },
          text: { field: "label" },
        },
      },
      {
        data: { values: points },
        mark: { type: "line", point: true },
        encoding: {
          x: {
            field: "size",
            type: "quantitative",
            scale: { type: "log", base: 2, domain: [sizes[0], sizes.at(-1)] },
            axis: { title: "M = N = K", values: sizes, grid: false, format: "d" },
          },
          y: { field: "gops", type: "quantitative", axis: { title: "GOPS" } },
          color: {
            field: "series",
            type: "nominal",
            scale: { domain: order, scheme: "tableau10" },
            legend: { title: null, labelLimit: 260 },
          },
        },
      },
    ],
  });
}

/** Times as fast as others as SVG: a bar per comparison, with its figure; below 1 is a loss. */
export function drawRatios({ bars, title }) {
  const values = bars.map((bar) => ({ ...bar, side: bar.times < 1 ? "slower" : "faster" }));
  const y = { field: "label", type: "nominal", sort: null, axis: { title: null } };
  const x = {
    field: "times",
    type: "quantitative",
    scale: { type: "log", domain: [0.5, 200] },
    axis: {
      title: "times as fast, on a logarithmic axis",
      values: [0.5, 1, 2, 5, 10, 20, 50, 100],
    },
  };
  const color = {
    field: "side",
    type: "nominal",
    scale: { domain: ["faster", "slower"], range: ["#2f6db5", "#c2571a"] },
    legend: { title: null, orient: "bottom" },
  };
  return drawChart({
    background: "white",
    title: { text: "Bytelane over its peers, one thread", subtitle: title },
    // widths of text are estimated here, and too large
    config: { axisY: { labelLimit: 600 } },
    data: { values },
    width: 420,
    height: { step: 24 },
    layer: [
      { mark: "bar", encoding: { y, x, x2: { datum: 1 }, color } },
      {
        mark: { type: "text", align: "left", dx: 5 },
        transform: [{ calculate: "max(datum.times, 1)", as: "end" }],
        encoding: { y, x: { ...x, field: "end" }, text: { field: "figure" } },
      },
    ],
  });
}
