// <form data-autosubmit> submits itself when a control changes; its [data-submit] button is for those without script.
export function attachAutoSubmit(root) {
  for (const form of root.querySelectorAll("form[data-autosubmit]")) {
    for (const button of form.querySelectorAll("[data-submit]")) button.hidden = true;
    form.addEventListener("change", (event) => {
      if (!event.target.matches("[data-no-autosubmit]")) form.requestSubmit();
    });
  }
}
