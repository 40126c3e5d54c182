// <button data-copy="#id"> copies the text of that element; data-copy-text="..." copies the text itself.
export function attachCopy(root) {
  for (const button of root.querySelectorAll("[data-copy], [data-copy-text]")) {
    button.addEventListener("click", async () => {
      const text = button.dataset.copyText ?? document.querySelector(button.dataset.copy)?.textContent ?? "";
      const label = button.querySelector("[data-copy-label]") ?? button;
      const before = label.textContent;
      try {
        await navigator.clipboard.writeText(text.trim());
        label.textContent = "Copied";
      } catch {
        // No clipboard on a page served over plain http: mark the text, so that the keyboard can copy it.
        const target = document.querySelector(button.dataset.copy);
        if (target) getSelection().selectAllChildren(target);
        label.textContent = "Press Ctrl+C";
      }
      setTimeout(() => { label.textContent = before; }, 1600);
    });
  }
}
