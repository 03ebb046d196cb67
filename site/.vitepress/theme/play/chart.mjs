/** uPlot in the colours of the page, drawn anew when these or the width change. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { nextTick, onBeforeUnmount, onMounted, ref, watch } from "vue";

const COLOURS = {
  light: ["#1f5fae", "#b45309", "#0f766e", "#7c3aed", "#be185d", "#4d7c0f"],
  dark: ["#7db4f5", "#f0a35e", "#5fd0c3", "#b79cf7", "#f48cb8", "#a9d36a"],
};

/** Colours of series by number, and those of text and grid, as the page is now. */
export function palette() {
  const dark = document.documentElement.classList.contains("dark");
  return {
    series: COLOURS[dark ? "dark" : "light"],
    text: dark ? "#d5d7dc" : "#3c3c43",
    grid: dark ? "rgba(235, 235, 245, 0.12)" : "rgba(60, 60, 67, 0.12)",
    area: dark ? "rgba(125, 180, 245, 0.45)" : "rgba(31, 95, 174, 0.35)",
  };
}

/** An axis of uPlot in these colours. */
export const axis = ({ text, grid }, label, more = {}) => ({
  ...{ label, stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } },
  ...{ font: "12px system-ui", labelFont: "12px system-ui", labelSize: 22, ...more },
});

/** Charts to be drawn: one per frame, so that no task of the page has to draw them all. */
const queue = new Set();

function drawNext() {
  const [draw] = queue;
  queue.delete(draw);
  if (queue.size > 0) requestAnimationFrame(drawNext);
  draw?.();
}

function enqueue(draw) {
  if (queue.size === 0) requestAnimationFrame(drawNext);
  queue.add(draw);
}

/**
 * A chart in the element that `host` refers to. `describe(colours)` gives `{ data, options }`, or
 * nothing while there is nothing to draw; it is called again when `sources` change.
 */
export function useChart(describe, sources, height = 240) {
  const host = ref(null);
  let chart;
  const draw = () => {
    const made = host.value && describe(palette());
    chart?.destroy();
    chart = undefined;
    if (!made) return;
    const width = host.value.clientWidth;
    const plain = { width, height, legend: { show: false }, cursor: { show: false } };
    chart = new uPlot({ ...plain, ...made.options }, made.data, host.value);
  };
  const soon = () => enqueue(draw);
  let seen;
  let themes;
  onMounted(() => {
    let width = 0;
    seen = new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width === width) return;
      width = contentRect.width;
      soon();
    });
    seen.observe(host.value);
    themes = new MutationObserver(soon);
    themes.observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  });
  onBeforeUnmount(() => {
    queue.delete(draw);
    seen?.disconnect();
    themes?.disconnect();
    chart?.destroy();
  });
  watch(sources, () => nextTick(soon));
  return host;
}

/** A hook of uPlot that draws dashed lines at values of x. */
export function verticals(lines) {
  return ({ ctx, bbox, valToPos }) => {
    ctx.save();
    ctx.lineWidth = 1.5 * devicePixelRatio;
    for (const { x, colour, dash } of lines) {
      const at = Math.round(valToPos(x, "x", true));
      if (at < bbox.left - 1 || at > bbox.left + bbox.width + 1) continue;
      ctx.strokeStyle = colour;
      ctx.setLineDash(dash.map((part) => part * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };
}

export const bars = () => uPlot.paths.bars({ size: [1, 100], gap: 0 });
