// <figure data-chart="line|bar|hbar|number"> holds a table; this draws the picture from it. Without script the table stands.
//
// The table's form: <table data-series>, one row a series (<th scope="row">), one column a point in time
// (<th data-x="2026-11-01" [data-incomplete]>), values in <td data-v="12">; cells without data-v are for readers only.
import { bars, lines, ranks } from "./_chart_options.js";
import { readTable } from "./_chart_table.js";
import { tokens } from "./_chart_tokens.js";
import { init, use } from "echarts/core";
import { BarChart, LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

use([BarChart, LineChart, AriaComponent, GridComponent, LegendComponent, TooltipComponent, SVGRenderer]);

const options = { line: lines, bar: bars, hbar: ranks };
const drawn = new Map();

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) drawn.get(target.parentElement)?.resize();
});

function draw(figure) {
  const option = options[figure.dataset.chart];
  const table = figure.querySelector("table[data-series]");
  if (!option || !table || drawn.has(figure)) return;
  const data = readTable(table);
  if (data.series.length === 0) return;
  const canvas = document.createElement("div");
  canvas.className = "chart-canvas";
  canvas.setAttribute("aria-hidden", "true");
  if (figure.dataset.chart === "hbar") canvas.dataset.rows = String(Math.min(data.series.length, 12));
  figure.prepend(canvas);
  figure.classList.add("is-drawn");
  if (!("keepTable" in figure.dataset)) table.closest(".table-wrap")?.classList.add("is-behind");
  const chart = init(canvas, null, { renderer: "svg" });
  chart.setOption({ ...option(data, { ...tokens(figure), width: canvas.clientWidth }, figure.classList.contains("is-small")), animation: false });
  drawn.set(figure, chart);
  resized.observe(canvas);
}

function drop(figure) {
  drawn.get(figure)?.dispose();
  drawn.delete(figure);
  figure.querySelector(".chart-canvas")?.remove();
}

function drawAll(root = document) {
  for (const figure of drawn.keys()) if (!figure.isConnected) drop(figure);
  for (const figure of root.querySelectorAll("figure[data-chart]")) draw(figure);
}

drawAll();
document.addEventListener("htmx:load", () => drawAll());
const redraw = () => {
  for (const figure of [...drawn.keys()]) drop(figure);
  drawAll();
};
document.addEventListener("tenrec:theme", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
