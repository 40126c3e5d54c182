// What each kind of picture looks like. Tooltips are drawn, not HTML: the content security policy allows no inline styles.
const exact = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
// As the tiles say it: 1.2k, 3.4M.
const short = { format: (value) => compact.format(value).replace("K", "k") };

// How many lines a legend takes: it wraps where the next name does not fit.
function legendLines(names, width) {
  let [lines, at] = [1, 0];
  for (const name of names) {
    const item = 27 + Math.min(160, name.length * 7);
    if (at > 0 && at + item > width) [lines, at] = [lines + 1, 0];
    at += item;
  }
  return lines;
}

function frame({ palette, text, soft, line, surface, font, width }, small, names) {
  const legend = names.length > 0;
  return {
    color: palette,
    textStyle: { fontFamily: font, color: text },
    grid: { left: 4, right: small ? 28 : 16, top: legend ? 14 + 20 * legendLines(names, width) : 12, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    legend: legend
      ? { type: "plain", top: 0, left: 0, itemWidth: 12, itemHeight: 8, icon: "roundRect", textStyle: { color: soft, fontSize: 12, width: 160, overflow: "truncate" } }
      : undefined,
    tooltip: {
      trigger: "axis", renderMode: "richText", confine: true, backgroundColor: surface, borderColor: line, borderWidth: 1, padding: [8, 10],
      textStyle: { color: text, fontSize: 12, fontFamily: font },
      valueFormatter: (value) => (value == null ? "–" : exact.format(value)),
      axisPointer: { lineStyle: { color: soft, type: "dashed" }, shadowStyle: { opacity: 0.12 } },
    },
    aria: { enabled: false },
  };
}

const timeAxis = (points, { soft, line }, boundaryGap) => ({
  type: "category", boundaryGap, data: points.map((point) => point.label),
  axisLine: { lineStyle: { color: line } }, axisTick: { show: false },
  axisLabel: { color: soft, fontSize: 11, hideOverlap: true, margin: 10 },
});

const valueAxis = ({ soft, line }) => ({
  type: "value", minInterval: 1, splitNumber: 4, splitLine: { lineStyle: { color: line } },
  axisLabel: { color: soft, fontSize: 11, formatter: (value) => short.format(value) },
});

const shown = (series, small) => (series.length > 1 && series.length <= (small ? 4 : 12) ? series.map((one) => one.name) : []);

/** Lines; the segment into the running period is dashed, because its value is not final. */
export function lines({ points, series }, theme, small) {
  const running = points.findIndex((point) => point.incomplete);
  const last = running < 0 ? points.length : running;
  const style = (index) => ({ color: theme.palette[index % theme.palette.length] });
  const drawn = series.flatMap((one, index) => {
    const color = one.color ?? index;
    const base = { name: one.name, type: "line", symbolSize: 6, showSymbol: points.length <= 2, itemStyle: style(color), emphasis: { focus: "series" }, z: 3 };
    const lineStyle = { width: one.isPrevious ? 1.5 : 2.25, opacity: one.isPrevious ? 0.45 : 1, ...style(color) };
    // The period before is over.
    const end = one.isPrevious ? points.length : last;
    const solid = { ...base, lineStyle, data: one.values.map((value, at) => (at < end ? value : null)) };
    if (series.length === 1) solid.areaStyle = { opacity: 0.08, ...style(color) };
    if (end === points.length) return [solid];
    const dashed = { ...base, lineStyle: { ...lineStyle, type: [3, 4] }, data: one.values.map((value, at) => (at >= last - 1 ? value : null)) };
    // Behind the solid one, and said once in the tooltip: only its own point counts there.
    return [solid, { ...dashed, z: 2, tooltip: { valueFormatter: (value) => `${exact.format(value ?? 0)} so far` } }];
  });
  const option = frame(theme, small, shown(series, small));
  option.tooltip.formatter = (items) => tooltip(items, points, last);
  return { ...option, xAxis: timeAxis(points, theme, false), yAxis: valueAxis(theme), series: drawn };
}

/** Stacked bars; the running period is paler. */
export function bars({ points, series }, theme, small) {
  const running = points.findIndex((point) => point.incomplete);
  const last = running < 0 ? points.length : running;
  const drawn = series.map((one, index) => ({
    name: one.name, type: "bar", stack: one.isPrevious ? "previous" : "now", barMaxWidth: 36, emphasis: { focus: "series" },
    itemStyle: { color: theme.palette[(one.color ?? index) % theme.palette.length], opacity: one.isPrevious ? 0.5 : 1 },
    data: one.values.map((value, at) => (at < last || one.isPrevious ? value : { value, itemStyle: { opacity: 0.5 } })),
  }));
  const option = frame(theme, small, shown(series, small));
  option.tooltip.axisPointer.type = "shadow";
  option.tooltip.formatter = (items) => tooltip(items, points, last);
  return { ...option, xAxis: timeAxis(points, theme, true), yAxis: valueAxis(theme), series: drawn };
}

/** One horizontal bar a row, the largest on top. */
export function ranks({ series }, theme, small) {
  const rows = series.map((one) => ({ name: one.name, value: one.values.reduce((sum, value) => sum + value, 0) })).slice(0, 12).reverse();
  const option = frame(theme, small, []);
  option.tooltip.axisPointer.type = "shadow";
  return {
    ...option,
    xAxis: { ...valueAxis(theme), axisLabel: { ...valueAxis(theme).axisLabel, hideOverlap: true } },
    yAxis: {
      type: "category", data: rows.map((row) => row.name), axisLine: { show: false }, axisTick: { show: false },
      axisLabel: { color: theme.soft, fontSize: 12, width: 130, overflow: "truncate" },
    },
    series: [{ type: "bar", data: rows.map((row) => row.value), barMaxWidth: 18, itemStyle: { borderRadius: [0, 3, 3, 0] },
      label: { show: true, position: "right", color: theme.soft, fontSize: 11, formatter: ({ value }) => short.format(value) } }],
  };
}

function tooltip(items, points, last) {
  const at = items[0]?.dataIndex ?? 0;
  const seen = new Set();
  const rows = items
    .filter((item) => item.value != null && !seen.has(item.seriesName) && seen.add(item.seriesName))
    .sort((a, b) => b.value - a.value)
    .slice(0, 12)
    .map((item) => `${item.marker} ${item.seriesName}   ${exact.format(item.value)}${at >= last ? " so far" : ""}`);
  return [points[at]?.label ?? "", ...rows].join("\n");
}
