// <select data-guess-time-zone> starts at the browser's own zone, if the list has it.
export function attachTimeZone(root) {
  for (const select of root.querySelectorAll("select[data-guess-time-zone]")) {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if ([...select.options].some((option) => option.value === zone)) select.value = zone;
  }
}
