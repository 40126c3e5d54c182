// <time data-ago datetime="..."> (data-ago="short" in few letters) says how long ago, and keeps saying so; the exact time stays in its title.
const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const formatIn = (style) => new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto", style });
const formats = { "": formatIn("long"), short: formatIn("narrow") };

function say(element) {
  const seconds = (Date.parse(element.dateTime) - Date.now()) / 1000;
  if (Number.isNaN(seconds)) return;
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? units.at(-1);
  element.textContent = formats[element.dataset.ago].format(Math.round(seconds / size), unit);
}

let ticking = false;
export function attachTimes(root) {
  for (const element of root.querySelectorAll("time[data-ago]")) say(element);
  if (ticking) return;
  ticking = true;
  setInterval(() => document.querySelectorAll("time[data-ago]").forEach(say), 10_000);
}
