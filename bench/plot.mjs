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
