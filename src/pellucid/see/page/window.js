// The window under one number of a feature map: the cells that it covers, the kernel, and their products, side by side;
// of a pooling the cells, with the one that was taken.

import { cellAt, printed } from "pellucid/address.js";
import { colourOf, inkOn } from "pellucid/colour.js";
import { el } from "pellucid/dom.js";
import { cellsOf, evaluate } from "pellucid/expression.js";
import { minus, shown, significant } from "pellucid/format.js";
import { t } from "pellucid/words.js";

const WINDOWS = /^(conv|max_pool|avg_pool|adaptive_avg_pool)[12]d/;
const MOST = 4; // channels, those that add most first
const WIDEST = 11; // cells of a window that are drawn

export function windowView(app, x) {
  const { trace } = app;
  if (x.backward || !x.tree || x.missing || !WINDOWS.test(trace.innermost(x.step).op)) return null;
  const layers = trace.innermost(x.step).op.startsWith("conv") ? convolved(trace, x) : pooled(trace, x);
  if (!layers.length || layers[0].rows > WIDEST || layers[0].columns > WIDEST) return null;
  const most = layers.slice(0, MOST);
  return el("section", { class: "window" }, el("h3", {}, t("window.title")), most.map(layer => el("div", { class: "window-row" }, layer.tables.flatMap(({ key, cells }, i) => [
    i ? el("span", { class: "op", "aria-hidden": "true" }, ["", "∗", "="][i]) : null, grid(app, layer, t(key), cells)]),
  layer.sum === undefined ? null : el("p", { class: "says" }, t("window.sum", { channel: layer.channel, sum: minus(significant(layer.sum, 4)) })))),
  layers.length > MOST ? el("p", { class: "says" }, t("window.more", { count: layers.length - MOST, sum: minus(significant(layers.slice(MOST).reduce((sum, one) => sum + one.sum, 0), 4)) })) : null);
}

// For each channel of the input: cells, weights and products, by their places in the kernel.
function convolved(trace, x) {
  const channels = new Map(), terms = x.tree.kind === "+" ? x.tree.parts : [x.tree];
  const table = trace.steps[trace.innermost(x.step).operands.find(([role]) => role === "weight")?.[1]];
  const weightOf = term => term.kind === "*" ? term.parts.find(part => part.step === table) : null;
  let kernel = null;
  for (const term of terms) {
    const weight = weightOf(term);
    if (!weight) continue;
    const [, channel, ...place] = cellAt(weight.step.shape, weight.offset), [row, column] = place.length > 1 ? place : [0, place[0]];
    kernel = weight.step.shape.slice(2);
    if (!channels.has(channel)) channels.set(channel, { channel, found: new Map(), sum: 0 });
    const own = channels.get(channel);
    own.found.set(`${row} ${column}`, { cell: term.parts.find(part => part !== weight), weight, product: evaluate(term) });
    own.sum += evaluate(term);
  }
  const [rows, columns] = kernel && kernel.length > 1 ? kernel : [1, kernel?.[0] ?? 0];
  return [...channels.values()].sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum)).map(own => {
    const at = (row, column) => own.found.get(`${row} ${column}`);
    const all = make => Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, column) => make(at(row, column))));
    return { ...own, rows, columns, tables: [
      { key: "window.cells", cells: all(one => one && { value: one.cell.value, of: one.cell }) },
      { key: "window.kernel", cells: all(one => one && { value: one.weight.value, of: one.weight }) },
      { key: "window.products", cells: all(one => one && { value: one.product }) }] };
  });
}

// The cells of a pooling window as they lie in the input; of the largest, which one it is.
function pooled(trace, x) {
  const cells = cellsOf(x.tree), places = cells.map(one => cellAt(one.step.shape, one.offset)), flat = x.step.shape.length > 3 || (x.step.shape.length === 3 && /2d/.test(trace.innermost(x.step).op));
  if (!cells.length) return [];
  const rowOf = place => flat ? place.at(-2) : 0, span = values => [Math.min(...values), Math.max(...values)];
  const [top, bottom] = span(places.map(rowOf)), [left, right] = span(places.map(place => place.at(-1))), largest = /^max/.test(trace.innermost(x.step).op);
  const table = Array.from({ length: bottom - top + 1 }, () => new Array(right - left + 1).fill(undefined));
  cells.forEach((one, i) => { table[rowOf(places[i]) - top][places[i].at(-1) - left] = { value: one.value, of: one, here: largest && one.value === x.value }; });
  return [{ rows: table.length, columns: table[0].length, tables: [{ key: largest ? "window.largest" : "window.mean", cells: table }] }];
}

function grid(app, layer, title, cells) {
  const limit = Math.max(...cells.flat().map(one => Number.isFinite(one?.value) ? Math.abs(one.value) : 0), 1e-30);
  return el("table", { class: "window-grid" }, el("caption", {}, title), el("tbody", {}, cells.map(row => el("tr", {}, row.map(one => {
    if (!one) return el("td", { class: "quiet", title: t("window.outside") }, "·");
    const rgb = colourOf(one.value, limit), cell = one.of && cellAt(one.of.step.shape, one.of.offset);
    return el("td", { class: one.here ? "here" : null, "data-value": one.value, style: rgb ? `background:rgb(${rgb});color:${inkOn(rgb)}` : null, title: cell ? printed(one.of.step, cell) : null,
      onpointerenter: cell ? () => app.light(one.of.step, cell) : null, onpointerleave: cell ? () => app.light(null) : null, onclick: cell ? () => app.walk(one.of.step, cell) : null }, shown(one.value));
  })))));
}
