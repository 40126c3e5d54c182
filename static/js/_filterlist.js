// [data-filter-list] with a [data-filter-input] keeps only the [data-filter-item]s whose text has what is typed.
export function attachFilterList(root) {
  for (const list of root.querySelectorAll("[data-filter-list]")) {
    const input = list.querySelector("[data-filter-input]");
    const none = list.querySelector("[data-filter-none]");
    const items = [...list.querySelectorAll("[data-filter-item]")];
    if (!input) continue;
    input.hidden = false;
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      let shown = 0;
      for (const item of items) {
        item.hidden = !item.textContent.toLowerCase().includes(wanted);
        if (!item.hidden) shown += 1;
      }
      if (none) none.hidden = shown > 0;
    });
  }
}
