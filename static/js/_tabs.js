// [data-tabs] holds headed sections (<section data-tab="Name">); script shows one at a time behind a row of tabs.
export function attachTabs(root) {
  for (const box of root.querySelectorAll("[data-tabs]")) {
    const panels = [...box.querySelectorAll(":scope > [data-tab]")];
    const bar = document.createElement("div");
    bar.className = "tabs";
    bar.setAttribute("role", "tablist");
    const buttons = panels.map((panel, index) => {
      panel.id ||= `${box.id || "tabs"}-${index}`;
      panel.setAttribute("role", "tabpanel");
      const button = document.createElement("button");
      Object.assign(button, { type: "button", role: "tab", textContent: panel.dataset.tab });
      button.setAttribute("aria-controls", panel.id);
      button.addEventListener("click", () => select(index));
      button.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step) select((index + step + panels.length) % panels.length, true);
      });
      return button;
    });
    const select = (chosen, focus) => {
      panels.forEach((panel, index) => { panel.hidden = index !== chosen; });
      buttons.forEach((button, index) => {
        button.setAttribute("aria-selected", String(index === chosen));
        button.tabIndex = index === chosen ? 0 : -1;
      });
      if (focus) buttons[chosen].focus();
    };
    bar.append(...buttons);
    box.prepend(bar);
    for (const heading of box.querySelectorAll(":scope > [data-tab] > [data-tab-heading]")) heading.hidden = true;
    select(0);
  }
}
