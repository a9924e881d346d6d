// The words of the page, in the language that the reader reads. A key that is missing shows itself.

let all = {};
export let language = "en";

export function setWords(words) {
  all = words;
}

export function setLanguage(wanted) {
  language = all[wanted] ? wanted : "en";
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
}

export function preferred(given) {
  if (given) return given;
  const kept = remembered();
  if (kept) return kept;
  return (navigator.languages ?? [navigator.language]).some(one => /^zh/i.test(one)) &&
    /^zh/i.test(navigator.language) ? "zh" : "en";
}

function remembered() {
  try { return localStorage.getItem("pellucid.language"); } catch { return null; }
}

export function remember(wanted) {
  try { localStorage.setItem("pellucid.language", wanted); } catch { /* a file may not keep anything: no harm */ }
}

export function t(key, values = {}) {
  const text = all[language]?.[key] ?? all.en?.[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => name in values ? String(values[name]) : whole);
}

export const known = key => key in (all[language] ?? {});

// The name of an axis, if it has one in this language.
export const axisName = axis => {
  const [, base, number] = /^(.*?)(\d*)$/.exec(axis);
  return known(`axis.${axis}`) ? t(`axis.${axis}`) : known(`axis.${base}`) ? t(`axis.${base}`) + number : axis;
};
