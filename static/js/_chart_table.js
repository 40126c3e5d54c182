// Reads a chart's table into { points: [{ x, label, incomplete }], series: [{ name, values }] }.
export function readTable(table) {
  const headings = [...table.querySelectorAll("thead th[data-x]")];
  const points = headings.map((th) => ({ x: th.dataset.x, label: th.textContent.trim(), incomplete: "incomplete" in th.dataset }));
  const series = [...table.querySelectorAll("tbody tr")].map((row) => ({
    name: row.querySelector("th")?.textContent.trim() ?? "",
    isPrevious: "previous" in row.dataset,
    // The same for a series and its period before.
    color: "color" in row.dataset ? Number(row.dataset.color) : undefined,
    values: [...row.querySelectorAll("td[data-v]")].map((td) => Number(td.dataset.v)),
  }));
  return { points, series: series.filter((one) => one.values.length > 0) };
}
