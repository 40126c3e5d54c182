// [data-theme-switch] goes from the system's theme to light to dark and remembers the choice; theme.js applies it early.
const order = ["", "light", "dark"];
const names = { "": "System theme", light: "Light theme", dark: "Dark theme" };

export function attachTheme(root) {
  for (const button of root.querySelectorAll("[data-theme-switch]")) {
    const label = button.querySelector("[data-theme-label]") ?? button;
    const show = () => { label.textContent = names[document.documentElement.dataset.theme ?? ""]; };
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      const now = document.documentElement.dataset.theme ?? "";
      const next = order[(order.indexOf(now) + 1) % order.length];
      if (next) document.documentElement.dataset.theme = next;
      else delete document.documentElement.dataset.theme;
      localStorage.setItem("tenrec-theme", next);
      document.dispatchEvent(new Event("tenrec:theme"));
      show();
    });
  }
}
