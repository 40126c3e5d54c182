// A [data-part] that its request did not bring says so, and those of the same name do, which it would have brought along: where
// [data-waiting] stood for a value stands its own text then, or a dash, and what is [data-failed] shows.
function tell({ target }) {
  const name = target.closest?.("[data-part]")?.dataset.part;
  if (!name) return;
  for (const part of document.querySelectorAll(`[data-part="${CSS.escape(name)}"]`)) {
    for (const value of part.querySelectorAll("[data-waiting]")) value.textContent = value.dataset.waiting || "–";
    for (const words of part.querySelectorAll("[data-failed]")) words.hidden = false;
  }
}

for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) document.addEventListener(failure, tell);
