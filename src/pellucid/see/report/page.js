"use strict";
// Everything here reads the JSON block of the page; nothing is fetched.
const root = document.documentElement;
const page = JSON.parse(document.getElementById("facts").textContent);
const word = key => page.words[root.dataset.lang || "en"][key] || key;
const asked = new URLSearchParams(location.search);
setLanguage(asked.get("lang") || (navigator.language || "en").slice(0, 2));
document.getElementById("language").addEventListener("click", () => {
  setLanguage(root.dataset.lang === "zh" ? "en" : "zh");
  remember("lang", root.dataset.lang);
  drawAll();
});
function setLanguage(language) {
  root.dataset.lang = language === "zh" ? "zh" : "en";
  root.lang = root.dataset.lang;
}
function remember(name, value) {
  const address = new URL(location.href);
  address.searchParams.set(name, value);
  history.replaceState(null, "", address);
}

// --- plots -----------------------------------------------------------------------------------------------------------

// What stands by its name in a trace or layout, {word}, {colour} or {scale}, as it is in this language and theme.
function token(name) {
  const held = getComputedStyle(root).getPropertyValue("--" + name).trim();
  return /^\d/.test(held) ? `rgb(${held})` : held;
}
const scales = {
  signed: () => [[0, token("neg")], [0.5, token("zero")], [1, token("pos")]],
  share: () => [[0, token("zero")], [1, token("share")]],
};
function resolved(value) {
  if (Array.isArray(value)) return typeof value[0] === "object" ? value.map(resolved) : value;
  if (value === null || typeof value !== "object") return value;
  if ("word" in value) return word(value.word) + (value.and ? word(value.and) : "");
  if ("colour" in value) return token(value.colour);
  if ("scale" in value) return scales[value.scale]();
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, resolved(held)]));
}
// One over the other: what `over` says of a key goes before what `under` says.
const isObject = value => value !== null && typeof value === "object" && !Array.isArray(value);
function merged(under, over) {
  const result = { ...under };
  for (const [key, value] of Object.entries(over)) result[key] = isObject(value) && isObject(result[key]) ? merged(result[key], value) : value;
  return result;
}

// The theme's paper, ink, type and hairlines under what a plot's own layout says.
function themed(given, traces) {
  const words = getComputedStyle(document.body).fontFamily, figures = token("mono");
  const label = { size: 12, color: token("quiet"), family: words };
  const axis = { gridcolor: token("line"), linecolor: token("line"), zerolinecolor: token("faint"), zeroline: false, automargin: true, tickfont: { size: 11, family: figures, color: token("quiet") }, title: { font: label, standoff: 8 } };
  const solid = { gridcolor: token("faint"), linecolor: token("faint"), zeroline: false, showbackground: false, tickfont: { size: 11, family: figures, color: token("quiet") }, title: { font: label } };
  const layout = {
    paper_bgcolor: token("paper"), plot_bgcolor: token("paper"), font: { color: token("ink"), size: 12, family: words }, showlegend: false,
    margin: { l: 46, r: 8, t: 12, b: 36 }, xaxis: axis, yaxis: axis, dragmode: matchMedia("(pointer:coarse)").matches ? false : "zoom",
    legend: { orientation: "h", font: label, y: 1.02, yanchor: "bottom" }, colorway: ["share", "pos", "neg", "quiet", "ink"].map(token),
    hoverlabel: { bgcolor: token("panel"), bordercolor: token("faint"), font: { color: token("ink"), size: 12, family: figures } },
  };
  if (traces.some(trace => ["heatmap", "contour", "image"].includes(trace.type))) axis.showgrid = false;
  for (const key of Object.keys(given)) {
    if (/^[xy]axis\d+$/.test(key)) layout[key] = axis;
    if (/^scene\d*$/.test(key)) {
      layout[key] = { xaxis: solid, yaxis: solid, zaxis: solid, camera: { eye: { x: 1.5, y: 1.5, z: 1 } } };
      layout.margin = { l: 0, r: 0, t: 0, b: 0 };
      layout.dragmode = "orbit";
    }
  }
  return merged(layout, resolved(given));
}
// The bar that tells which colour is which value; a trace's own settings go before these.
function withBar(trace) {
  if (!trace.colorscale && !trace.marker?.colorscale) return trace;
  const bar = { outlinewidth: 0, thickness: 10, len: 0.9, tickfont: { size: 11, family: token("mono"), color: token("quiet") } };
  const held = trace.colorscale ? trace : trace.marker;
  const dressed = { ...held, colorbar: merged(bar, held.colorbar ?? {}) };
  return trace.colorscale ? dressed : { ...trace, marker: dressed };
}
function draw(name) {
  const { traces, layout, steps } = page.plots[name], place = document.getElementById("plot-" + name);
  const drawn = themed(layout, traces);
  if (steps) drawn.xaxis = { range: [0, page.last * 1.01], ...drawn.xaxis };
  Plotly.react(place, traces.map(resolved).map(withBar), drawn, { responsive: true, displayModeBar: false, scrollZoom: false });
  for (const slider of document.querySelectorAll(`[data-slides="${name}"]`)) slide(slider);
  if (layout.scene && !place.hasAttribute("tabindex")) turnable(place);
  if (!steps || place.dataset.follows) return;
  place.dataset.follows = "true";
  place.on("plotly_hover", event => choose(event.points[0].x));
  place.on("plotly_click", event => choose(event.points[0].x));
  place.on("plotly_afterplot", () => ring(place));
}
// A slider shows some of a plot's traces at each of its places.
function slide(slider) {
  const { slides, places } = slider.dataset, { label, traces } = JSON.parse(places)[slider.value];
  slider.nextElementSibling.textContent = word(label);
  slider.setAttribute("aria-valuetext", word(label));
  Plotly.restyle("plot-" + slides, { visible: page.plots[slides].traces.map((_, i) => traces.includes(i)) });
}
for (const slider of document.querySelectorAll("[data-slides]")) slider.addEventListener("input", () => slide(slider));
// A scene is turned with the arrow keys as it is with the pointer, and comes nearer with + and -.
function turnable(place) {
  place.setAttribute("tabindex", "0");
  place.addEventListener("keydown", event => {
    const { x, y, z } = place._fullLayout.scene._scene.getCamera().eye, far = Math.hypot(x, y, z);
    const turn = { ArrowLeft: 0.1, ArrowRight: -0.1 }[event.key] ?? 0, tilt = { ArrowUp: 0.1, ArrowDown: -0.1 }[event.key] ?? 0, near = { "+": 0.9, "=": 0.9, "-": 1.1 }[event.key] ?? 1;
    if (!turn && !tilt && near === 1) return;
    event.preventDefault();
    const around = Math.atan2(y, x) + turn, above = Math.min(Math.max(Math.asin(z / far) + tilt, -1.5), 1.5);
    Plotly.relayout(place, { "scene.camera.eye": { x: near * far * Math.cos(above) * Math.cos(around), y: near * far * Math.cos(above) * Math.sin(around), z: near * far * Math.sin(above) } });
  });
}
function drawAll() {
  for (const name of Object.keys(page.plots)) draw(name);
  tell();
}

// --- the chosen step: a line in every plot over steps, and all that was measured there -------------------------------

const moment = document.querySelector(".moment");
const followed = Object.entries(page.plots).filter(([, plot]) => plot.steps);
let chosen = null;
function choose(step) {
  if (!moment) return;
  const range = moment.querySelector("input");
  chosen = Math.min(Math.max(Math.round(step), +range.min), +range.max);
  range.value = chosen;
  for (const [name] of followed) ring(document.getElementById("plot-" + name));
  tell();
  clearTimeout(choose.later);
  choose.later = setTimeout(() => remember("step", chosen), 400);
}
// The line at the chosen step; none where the part of the plot that is looked at does not hold it.
function ring(place) {
  const axis = place._fullLayout?.xaxis, size = place._fullLayout?._size;
  if (!axis || chosen === null) return;
  const line = place.querySelector(".here") ?? place.appendChild(Object.assign(document.createElement("div"), { className: "here" }));
  const at = axis.l2p(chosen);
  line.hidden = at < 0 || at > axis._length;
  Object.assign(line.style, { left: `${axis._offset + at}px`, top: `${size.t}px`, height: `${size.h}px` });
}
function tell() {
  if (!moment || chosen === null) return;
  moment.querySelector("output").textContent = chosen.toLocaleString("en");
  const entries = followed.flatMap(([, plot]) => plot.traces).map(trace => {
    const i = nearest(trace.x, chosen), entry = document.createElement("div");
    const mark = Object.assign(document.createElement("i"), { className: `key c-${trace.line.color.colour}${trace.line.dash === "dash" ? " dashed" : ""}` });
    const name = document.createElement("dt"), value = document.createElement("dd");
    name.append(mark, resolved(trace.name));
    value.append(shown(trace.y[i]));
    if (trace.x[i] !== chosen) value.append(" ", Object.assign(document.createElement("small"), { textContent: `@${trace.x[i].toLocaleString("en")}` }));
    entry.append(name, value);
    return entry;
  });
  moment.querySelector("dl").replaceChildren(...entries);
  tellLayers();
}
// The layers at the look that is nearest to the chosen step; all but shares are drawn as logarithms.
function tellLayers() {
  const place = document.querySelector(".reveal.layers");
  if (!place) return;
  const { traces } = page.plots.layers, look = nearest(traces[0].x, chosen);
  place.querySelector("output").textContent = traces[0].x[look].toLocaleString("en");
  for (const row of place.querySelector("tbody").rows) traces.forEach((trace, column) => {
    const held = trace.z[trace.y.indexOf(row.cells[0].textContent)]?.[look] ?? null, value = held === null ? "" : shown(trace.zmax === 1 ? held : +(10 ** held).toPrecision(4));
    row.cells[column + 1].textContent = value;
  });
}
function nearest(sorted, wanted) {
  let low = 0, high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= wanted) low = middle; else high = middle;
  }
  return wanted - sorted[low] <= sorted[high] - wanted ? low : high;
}
// Whole, or with the four digits that count; a true minus.
function shown(value) {
  if (value === null) return "–";
  const size = Math.abs(value);
  const text = Number.isInteger(value) ? value.toLocaleString("en") : size < 1e-3 || size >= 1e5 ? value.toExponential(2).replace("+", "")
    : size >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(4);
  return text.replaceAll("-", "−");
}
if (moment) {
  const range = moment.querySelector("input");
  moment.hidden = false;
  range.addEventListener("input", () => choose(+range.value));
  choose(asked.has("step") && Number.isFinite(+asked.get("step")) ? +asked.get("step") : page.step);
  clearTimeout(choose.later);
}
drawAll();
matchMedia("(prefers-color-scheme:dark)").addEventListener("change", drawAll);

// --- what is taken along ---------------------------------------------------------------------------------------------

// A plot as rows: curve, x, y, and z and text where there are some; a field of z has a row for each of its cells.
function table(name) {
  const named = ({ name: given }, i) => given?.word ? given.word.replace("line.", "") + (given.and ? "_smooth" : "") : given ?? String(i + 1);
  const isField = trace => Array.isArray(trace.z?.[0]);
  const at = (held, i, j, k) => Array.isArray(held?.[0]) ? held[j][k] : held?.[i] ?? i;
  const traces = page.plots[name].traces;
  const columns = ["x", "y", "z", "text"].filter(column => traces.some(trace => Array.isArray(trace[column]) && !(column === "text" && isField(trace)) || column !== "text" && isField(trace)));
  const rows = traces.flatMap((trace, number) => {
    const cells = isField(trace)
      ? trace.z.flatMap((row, j) => row.map((z, k) => ({ x: at(trace.x, k, j, k), y: at(trace.y, j, j, k), z })))
      : (trace.x ?? trace.y ?? []).map((_, i) => Object.fromEntries(columns.map(column => [column, trace[column]?.[i]])));
    return cells.map(cell => [named(trace, number), ...columns.map(column => cell[column])]);
  });
  const quoted = value => /[",\r\n]/.test(String(value ?? "")) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? "");
  return [["curve", ...columns], ...rows].map(row => row.map(quoted).join(",")).join("\r\n") + "\r\n";
}
async function picture(name, format) {
  const place = document.getElementById("plot-" + name), size = { width: Math.max(place.clientWidth, 600), height: place.clientHeight };
  const address = await Plotly.toImage(place, { format, ...size, scale: format === "png" ? 2 : 1 });
  const [head, body] = [address.slice(0, address.indexOf(",")), address.slice(address.indexOf(",") + 1)];
  const bytes = head.endsWith(";base64") ? Uint8Array.from(atob(body), letter => letter.charCodeAt(0)) : decodeURIComponent(body);
  return new Blob([bytes], { type: head.slice(5).split(";")[0] });
}
for (const button of document.querySelectorAll("[data-save]")) button.addEventListener("click", async () => {
  const { save, plot } = button.dataset, link = document.createElement("a");
  link.href = URL.createObjectURL(save === "csv" ? new Blob([table(plot)], { type: "text/csv" }) : await picture(plot, save));
  link.download = `${page.name}-${plot}.${save}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
});
for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", async () => {
  const text = document.getElementById(button.dataset.copy), old = button.innerHTML;
  try {
    await navigator.clipboard.writeText(text.textContent);
  } catch { // not allowed here: chosen, so that it can be copied by hand
    getSelection().selectAllChildren(text);
    return;
  }
  button.textContent = word("copied");
  setTimeout(() => { button.innerHTML = old; }, 1500);
});

// --- reading ---------------------------------------------------------------------------------------------------------

for (const place of document.querySelectorAll(".searchable")) {
  const body = place.querySelector("tbody"), rows = [...body.rows], order = place.querySelector(".order");
  place.querySelector("input").addEventListener("input", event => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    place.querySelector(".none").hidden = rows.some(row => !row.hidden);
  });
  order.addEventListener("click", () => {
    const worst = order.getAttribute("aria-pressed") !== "true";
    order.setAttribute("aria-pressed", worst);
    body.append(...(worst ? [...rows].reverse() : rows));
    place.querySelector(".reveal").scrollTop = 0;
  });
}
// What is too wide can be scrolled by keyboard too.
const widths = new ResizeObserver(entries => {
  for (const { target } of entries) target.toggleAttribute("tabindex", false), target.scrollWidth > target.clientWidth && target.setAttribute("tabindex", "0");
});
for (const place of document.querySelectorAll(".scroll")) widths.observe(place);
// The section that is being read, in the list of them.
const parts = [...document.querySelectorAll("main > section")];
function follow() {
  const bottom = innerHeight + scrollY >= root.scrollHeight - 2;
  const read = bottom ? parts.at(-1) : parts.findLast(part => part.getBoundingClientRect().top <= innerHeight / 4) ?? parts[0];
  for (const link of document.querySelectorAll("nav a")) link.hash === "#" + read.id ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
}
addEventListener("scroll", follow, { passive: true });
addEventListener("resize", follow);
follow();
