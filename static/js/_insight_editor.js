// The insight editor: the property list follows "event" or "person", values are suggested when their field is entered,
// and fields that mean nothing now are hidden. Changes are sent by data-autosubmit.
export function attachInsightEditor(root) {
  for (const line of root.querySelectorAll("[data-filter-row], [data-breakdown]")) attachRow(line);
  for (const form of root.querySelectorAll("form.editor")) attachDates(form);
  root.querySelector("[data-focus-new]")?.focus({ preventScroll: true });
}

function attachRow(row) {
  const [type, key, operator, value] = ["type", "key", "op", "value"].map((name) => row.querySelector(`[data-filter-${name}]`));
  type.addEventListener("change", () => key.setAttribute("list", type.value === "person" ? "person-properties" : "event-properties"));
  if (!value) return;
  const show = () => { value.hidden = operator.value === "is_set" || operator.value === "is_not_set"; };
  operator.addEventListener("change", show);
  show();
  let loaded = "";
  value.addEventListener("focus", async () => {
    const traffic = row.closest("form")?.elements.traffic?.value ?? "";
    const query = new URLSearchParams({ type: type.value, key: key.value, traffic }).toString();
    if (!key.value || query === loaded) return;
    loaded = query;
    const answer = await fetch(`${row.dataset.values}?${query}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) return;
    const options = (await answer.json()).map((text) => Object.assign(document.createElement("option"), { value: text }));
    row.querySelector("datalist").replaceChildren(...options);
  });
}

function attachDates(form) {
  const choice = form.querySelector("[data-date]");
  const box = form.querySelector("[data-custom-dates]");
  const dates = [...form.querySelectorAll("[data-custom-date]")];
  if (!choice || !box) return;
  const show = () => { box.hidden = choice.value !== "custom"; };
  show();
  // Before the form is sent: a range of one's own needs both days.
  form.addEventListener("change", (event) => {
    show();
    const isOpen = choice.value === "custom" && dates.some((date) => !date.value);
    if (isOpen && (event.target === choice || dates.includes(event.target))) {
      event.stopImmediatePropagation();
      dates.find((date) => !date.value).focus();
    }
  }, { capture: true });
}
