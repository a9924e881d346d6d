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

const styles = {
  loss_step: { color: "--faint", width: 1 }, loss_smooth: { color: "--pos", width: 2 }, loss_dev: { color: "--neg", width: 2, dash: "dash" },
  chrf: { color: "--share", width: 2 }, bleu: { color: "--neg", width: 2, dash: "dash" },
  source: { color: "--neg" }, target: { color: "--pos" },
};
const style = name => styles[name] || { color: "--share", width: 1.5 };
const colour = name => getComputedStyle(root).getPropertyValue(style(name).color).trim();

function draw(name) {
  const lines = page.plots[name], place = document.getElementById("plot-" + name);
  const token = key => getComputedStyle(root).getPropertyValue(key).trim();
  const bars = name === "lengths";
  const traces = lines.map(line => bars
    ? { type: "bar", name: word("line." + line.name), x: line.x, y: line.y, marker: { color: colour(line.name) } }
    : { type: "scatter", mode: line.x.length < 40 ? "lines+markers" : "lines", name: word("line." + line.name), x: line.x, y: line.y,
        line: { color: colour(line.name), width: style(line.name).width, dash: style(line.name).dash }, marker: { size: 5 } });
  const axis = { gridcolor: token("--line"), linecolor: token("--line"), zeroline: false, automargin: true, tickfont: { size: 12 } };
  const layout = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: token("--quiet"), size: 12 }, showlegend: false,
    margin: { l: 46, r: 8, t: 12, b: 36 }, xaxis: { ...axis, title: { text: word(bars ? "axis.tokens" : "axis.step"), font: { size: 12 } } },
    yaxis: { ...axis, rangemode: ["scores", "padding", "speed"].includes(name) ? "tozero" : "normal" }, hovermode: "x unified",
    hoverlabel: { bgcolor: token("--panel"), bordercolor: token("--line"), font: { color: token("--ink") } }, barmode: "group",
  };
  const save = format => ({ name: format, title: format.toUpperCase(), icon: Plotly.Icons.camera,
    click: plot => Plotly.downloadImage(plot, { format, width: 900, height: 420, filename: page.name + "-" + name }) });
  Plotly.react(place, traces, layout, { responsive: true, displaylogo: false, locale: "en",
    modeBarButtons: [[save("png"), save("svg")], ["zoom2d", "resetScale2d"]] });
}
function drawAll() { for (const name of Object.keys(page.plots)) draw(name); }
drawAll();
matchMedia("(prefers-color-scheme:dark)").addEventListener("change", drawAll);

for (const button of document.querySelectorAll("[data-csv]")) button.addEventListener("click", () => {
  const lines = page.plots[button.dataset.csv];
  const rows = [["curve", "x", "y"], ...lines.flatMap(line => line.x.map((x, i) => [line.name, x, line.y[i]]))];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([rows.map(row => row.join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }));
  link.download = page.name + "-" + button.dataset.csv + ".csv";
  link.click();
  URL.revokeObjectURL(link.href);
});

for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", async () => {
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  const old = button.innerHTML;
  button.textContent = word("copied");
  setTimeout(() => { button.innerHTML = old; }, 1500);
});

const table = document.querySelector("#sentences tbody");
if (table) {
  const rows = [...table.rows], find = document.getElementById("find"), order = document.getElementById("order"), none = document.getElementById("none");
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    none.hidden = rows.some(row => !row.hidden);
  });
  order.addEventListener("click", () => {
    const worst = order.getAttribute("aria-pressed") !== "true";
    order.setAttribute("aria-pressed", worst);
    table.append(...(worst ? [...rows].reverse() : rows));
    table.closest(".reveal").scrollTop = 0;
  });
}
