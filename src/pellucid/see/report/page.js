"use strict";
// Everything here reads the JSON block of the page; nothing is fetched.
const root = document.documentElement;
const page = JSON.parse(document.getElementById("facts").textContent);
const word = key => page.words[root.dataset.lang || "en"][key] || key;
const remembered = new URLSearchParams(location.search).get("lang");
setLanguage(remembered || (navigator.language || "en").slice(0, 2));
document.getElementById("language").addEventListener("click", () => {
  setLanguage(root.dataset.lang === "zh" ? "en" : "zh");
  const address = new URL(location.href);
  address.searchParams.set("lang", root.dataset.lang);
  history.replaceState(null, "", address);
  drawAll();
});
function setLanguage(language) {
  root.dataset.lang = language === "zh" ? "zh" : "en";
  root.lang = root.dataset.lang;
}

// What stands by its name in a trace or layout, {word}, {colour} or {scale}, as it is in this language and theme.
const token = name => getComputedStyle(root).getPropertyValue("--" + name).trim();
const scales = {
  signed: () => [[0, token("neg")], [0.5, token("zero")], [1, token("pos")]],
  share: () => [[0, token("zero")], [1, token("share")]],
};
function resolved(value) {
  if (Array.isArray(value)) return typeof value[0] === "object" ? value.map(resolved) : value;
  if (value === null || typeof value !== "object") return value;
  if ("word" in value) return word(value.word);
  if ("colour" in value) return token(value.colour);
  if ("scale" in value) return scales[value.scale]();
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, resolved(held)]));
}
// One over the other: what `over` says of a key goes before what `under` says.
function merged(under, over) {
  const result = { ...under };
  for (const [key, value] of Object.entries(over))
    result[key] = value && typeof value === "object" && !Array.isArray(value) && typeof result[key] === "object" ? merged(result[key], value) : value;
  return result;
}

function themed(given) {
  const axis = { gridcolor: token("line"), linecolor: token("line"), zeroline: false, automargin: true, tickfont: { size: 12 }, title: { font: { size: 12 } } };
  const solid = { gridcolor: token("line"), color: token("quiet"), backgroundcolor: token("paper"), showbackground: false, zeroline: false };
  const layout = {
    paper_bgcolor: token("paper"), plot_bgcolor: token("paper"), font: { color: token("quiet"), size: 12, family: getComputedStyle(document.body).fontFamily },
    showlegend: false, margin: { l: 46, r: 8, t: 12, b: 36 }, xaxis: axis, yaxis: axis,
    hoverlabel: { bgcolor: token("panel"), bordercolor: token("line"), font: { color: token("ink") } },
    colorway: ["share", "pos", "neg", "quiet", "ink"].map(token),
  };
  for (const key of Object.keys(given)) {
    if (/^[xy]axis\d+$/.test(key)) layout[key] = axis;
    if (/^scene\d*$/.test(key)) layout[key] = { xaxis: solid, yaxis: solid, zaxis: solid };
  }
  return merged(layout, resolved(given));
}
function draw(name) {
  const { traces, layout } = page.plots[name];
  Plotly.react("plot-" + name, traces.map(resolved), themed(layout), { responsive: true, displayModeBar: false });
}
function drawAll() { for (const name of Object.keys(page.plots)) draw(name); }
drawAll();
matchMedia("(prefers-color-scheme:dark)").addEventListener("change", drawAll);

// A plot as rows: trace, x, y, and z and text where there are some; a field of z has a row for each of its cells.
function table(name) {
  const named = ({ name: given }, i) => given?.word ? given.word.replace("line.", "") : given ?? String(i + 1);
  const traces = page.plots[name].traces, field = trace => Array.isArray(trace.z?.[0]);
  const columns = ["x", "y", "z", "text"].filter(column => traces.some(trace => Array.isArray(trace[column]) && !(column === "text" && field(trace))));
  const rows = traces.flatMap((trace, i) => {
    const at = field(trace)
      ? trace.z.flatMap((row, j) => row.map((z, k) => ({ x: Array.isArray(trace.x?.[0]) ? trace.x[j][k] : trace.x?.[k] ?? k, y: Array.isArray(trace.y?.[0]) ? trace.y[j][k] : trace.y?.[j] ?? j, z })))
      : (trace.x ?? trace.y ?? trace.values ?? []).map((_, j) => Object.fromEntries(columns.map(column => [column, trace[column]?.[j]])));
    const all = field(trace) ? ["x", "y", "z"] : columns;
    return at.map(cell => [named(trace, i), ...columns.map(column => all.includes(column) ? cell[column] : "")]);
  });
  const quoted = value => /[",\r\n]/.test(String(value ?? "")) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? "");
  return [["curve", ...columns], ...rows].map(row => row.map(quoted).join(",")).join("\r\n") + "\r\n";
}
for (const button of document.querySelectorAll("[data-save]")) button.addEventListener("click", async () => {
  const { save, plot } = button.dataset, link = document.createElement("a"), place = document.getElementById("plot-" + plot);
  link.download = `${page.name}-${plot}.${save}`;
  link.href = save === "csv"
    ? URL.createObjectURL(new Blob([table(plot)], { type: "text/csv" }))
    : await Plotly.toImage(place, { format: save, width: Math.max(place.clientWidth, 600), height: place.clientHeight, scale: save === "png" ? 2 : 1 });
  link.click();
  URL.revokeObjectURL(link.href);
});

for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", async () => {
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  const old = button.innerHTML;
  button.textContent = word("copied");
  setTimeout(() => { button.innerHTML = old; }, 1500);
});

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
