// <details class="menu"> closes on Escape and on a click elsewhere; [data-toggle="#id"] opens the navigation on small screens.
let listening = false;

export function attachMenus(root) {
  for (const button of root.querySelectorAll("[data-toggle]")) {
    button.addEventListener("click", () => {
      const open = document.querySelector(button.dataset.toggle).classList.toggle("is-open");
      button.setAttribute("aria-expanded", String(open));
    });
  }
  if (listening) return;
  listening = true;
  const close = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(except)) menu.open = false;
  };
  document.addEventListener("click", (event) => close(event.target));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details.menu[open]");
    close(null);
    menu?.querySelector("summary")?.focus();
  });
}
