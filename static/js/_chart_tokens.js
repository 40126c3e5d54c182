// The theme's colours, as the styles have them now. A token itself is text such as light-dark(…): only a property that uses
// it has the colour.
export function tokens(element) {
  const probe = element.appendChild(document.createElement("span"));
  const token = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const theme = {
    palette: [1, 2, 3, 4, 5, 6, 7, 8].map((number) => token(`series-${number}`)),
    text: token("text"),
    soft: token("text-soft"),
    line: token("line"),
    surface: token("surface"),
    font: getComputedStyle(element).fontFamily,
  };
  probe.remove();
  return theme;
}
