// Colours with a meaning: blue below zero, brown above, paper at zero; teal for shares that sum to 1.
// Read from the page's own variables, so that light and dark each have theirs.

let palette = null;

export function colours() {
  if (palette) return palette;
  const style = getComputedStyle(document.documentElement);
  const triple = name => style.getPropertyValue(name).split(",").map(Number);
  const plain = name => style.getPropertyValue(name).trim();
  palette = { neg: triple("--neg"), pos: triple("--pos"), zero: triple("--zero"), share: triple("--share"),
    paper: plain("--paper"), ink: plain("--ink"), quiet: plain("--quiet"), line: plain("--line"),
    faint: plain("--faint"), focus: plain("--focus"), words: plain("--words"), mono: plain("--mono") };
  palette.dark = lightness(palette.zero) < 0.2;
  return palette;
}

export function forgetColours() {
  palette = null;
}

// The colour of a value on a scale from -limit to limit, as [r, g, b]; null where there is none to show.
export function colourOf(value, limit, share = false) {
  const c = colours();
  if (value === undefined || Number.isNaN(value)) return null;
  if (!Number.isFinite(value)) return null;
  const strength = limit ? Math.min(1, Math.abs(value) / limit) * 0.88 : 0;
  const toward = share ? c.share : value < 0 ? c.neg : c.pos;
  return c.zero.map((zero, i) => Math.round(zero + (toward[i] - zero) * strength));
}

// Black or white, whichever can be read on it (contrast at least 4.5 to 1 on one of them).
export function inkOn(rgb) {
  const light = lightness(rgb);
  return (light + 0.05) / 0.05 * 1 > 1.05 / (light + 0.05) ? "#000000" : "#ffffff";
}

function lightness(rgb) {
  const [r, g, b] = rgb.map(c => { const x = c / 255; return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
