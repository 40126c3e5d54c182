// A row's <a data-expand="ID" data-src="URL"> opens the row with that id below it, fetched the first time; so does a click on the row.
import htmx from "htmx.org";

async function toggle(link) {
  const detail = document.getElementById(link.dataset.expand);
  if (!detail) return;
  const open = detail.hidden;
  detail.hidden = !open;
  link.setAttribute("aria-expanded", String(open));
  const cell = detail.firstElementChild;
  if (!open || cell.childElementCount) return;
  cell.textContent = "Loading…";
  try {
    await htmx.ajax("GET", link.dataset.src, { target: cell, swap: "innerHTML" });
  } catch {
    cell.textContent = "";
  }
  if (!cell.childElementCount) {
    detail.hidden = true;
    link.setAttribute("aria-expanded", "false");
  }
}

export function attachExpand(root) {
  for (const body of root.querySelectorAll("[data-rows]")) {
    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr.event-row");
      const link = row?.querySelector("[data-expand]");
      const other = event.target.closest("a, button, input, label, summary");
      if (!link || (other && other !== link) || event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (other !== link && String(getSelection())) return;
      event.preventDefault();
      toggle(link);
    });
  }
}
