// The theme's colours, as the styles have them now.
export function tokens(element) {
  const style = getComputedStyle(element);
  const token = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    palette: [1, 2, 3, 4, 5, 6, 7, 8].map((number) => token(`series-${number}`)),
    text: token("text"),
    soft: token("text-soft"),
    line: token("line"),
    surface: token("surface"),
    font: style.fontFamily,
  };
}
