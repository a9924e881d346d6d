// A small network as a drawing: neurons as circles, weights as lines whose width and colour are their size and sign,
// and under each layer its activation curve with a point for every neuron. Backward, colours are gradients.

import { cellAt, printed } from "pellucid/address.js";
import { colourOf, inkOn } from "pellucid/colour.js";
import { CURVES, curve, pointed } from "pellucid/curves.js";
import { el, svg } from "pellucid/dom.js";
import { exactText, shown } from "pellucid/format.js";
import { t } from "pellucid/words.js";

const MOST = 16; // neurons of a layer that are drawn: those with the largest numbers
const WIDEST = 256; // neurons of a layer in a network that is drawn in part
const NONE = [128, 128, 128]; // the colour of what is not a number, or not in the file

// The layers of a network that is small enough to be drawn, or null.
export function smallNetwork(trace) {
  const layers = trace.steps.filter(step => step.op === "linear" && !step.aside && !step.within);
  if (!layers.length || layers.length > 6 || trace.attentions.length) return null;
  const found = layers.map(step => {
    const weight = trace.steps[step.operands.find(([role]) => role === "weight")?.[1]];
    const after = (trace.made.get(step.id) ?? []).find(one => CURVES[one.op]);
    return { step, weight, input: trace.steps[step.operands[0][1]], activation: after ?? null };
  });
  const chained = found.every((one, i) => !i || same(trace, one.input, found[i - 1].activation ?? found[i - 1].step));
  const fits = most => found.every(one => one.weight && one.weight.shape.every(size => size <= most));
  return chained && (fits(MOST) || fits(WIDEST) && isRead(trace, found[0].input)) ? found : null;
}

// Whether it is what the network was given, not what other layers made: the end of a large network is no small one.
function isRead(trace, step) {
  while (["flatten", "view", "reshape", "contiguous"].includes(step.op)) step = trace.steps[step.operands[0][1]];
  return step.op === "input";
}

// The neurons of a layer that are drawn, in their order.
function strongest(n, sizeOf) {
  const all = Array.from({ length: n }, (_, k) => k);
  return n <= MOST ? all : all.sort((a, b) => sizeOf(b) - sizeOf(a)).slice(0, MOST).sort((a, b) => a - b);
}

// Whether what goes in is what came out, as it is or left as it is by dropout.
function same(trace, step, out) {
  while (step !== out && ["dropout", "view", "contiguous", "flatten", "detach", "alias"].includes(step.op) && step.size === out.size) step = trace.steps[step.operands[0][1]];
  return step === out;
}

// The sentence above the drawing, with this network's own numbers.
export function networkLead(app) {
  const layers = smallNetwork(app.trace) ?? [];
  return t("network.lead", { neurons: layers.reduce((sum, one) => sum + one.step.shape.at(-1), 0), weights: layers.reduce((sum, one) => sum + one.weight.size, 0) });
}

export async function network(app) {
  const { trace, state } = app, layers = smallNetwork(trace);
  if (!layers) return el("p", { class: "note" }, t("network.none"));
  const all = layers.flatMap(one => [one.step, one.weight, one.input, one.activation]).filter(Boolean);
  await Promise.all([...all.map(one => trace.load(one)), ...(state.backward ? all.map(one => trace.load(one, "gradient")) : [])]);
  const columns = [{ step: layers[0].input }, ...layers.map(one => ({ step: one.activation ?? one.step, from: one }))];
  const batch = Math.min(state.lead.batch ?? 0, (layers[0].input.shape[0] ?? 1) - 1);
  const number = (step, offset) => state.backward ? trace.gradientAt(step, offset) : trace.at(step, offset);
  for (const column of columns) {
    const { step } = column, n = step.shape.at(-1), start = step.shape.length > 1 ? batch * n : 0;
    column.drawn = strongest(n, k => { const size = Math.abs(number(step, start + k) ?? 0); return Number.isNaN(size) ? Infinity : size; });
  }
  const tall = Math.max(...columns.map(one => one.drawn.length)), pitch = Math.max(50, Math.min(64, 520 / tall)), gap = Math.max(96, Math.min(190, (app.roomFor(4000) + 20) / columns.length)), height = tall * pitch + 150, width = columns.length * gap - 60;
  const x = i => 50 + i * gap, y = (k, n) => 30 + (tall - n) * pitch / 2 + (k + 0.5) * pitch;
  const limitOf = step => { let most = 1e-9; for (let i = 0; i < step.size; i++) { const size = Math.abs(number(step, i) ?? 0); if (Number.isFinite(size)) most = Math.max(most, size); } return most; };
  const lines = [], neurons = [], curves = [];
  columns.forEach(({ step, from, drawn }, i) => {
    const n = step.shape.at(-1), limit = limitOf(step), at = k => step.shape.length > 1 ? [batch, k] : [k];
    if (from) {
      const { weight } = from, inputs = weight.shape[1], most = limitOf(weight), before = columns[i - 1].drawn;
      for (const [row, k] of drawn.entries()) {
        for (const [into, j] of before.entries()) {
          const value = number(weight, k * inputs + j) ?? 0, size = Number.isFinite(value) ? Math.abs(value) / most : 1, rgb = colourOf(Math.sign(value) * (0.35 + 0.65 * size), 1) ?? NONE;
          lines.push(svg("a", { href: app.href(printed(weight, [k, j])), tabindex: -1, "aria-label": `${printed(weight, [k, j])} = ${shown(value)}`, ...pointed(app, weight, [k, j]) }, svg("line", { "data-into": `${i} ${k}`, x1: x(i - 1) + 21, y1: y(into, before.length), x2: x(i) - 21, y2: y(row, drawn.length), style: `stroke:rgb(${rgb});stroke-width:${(0.6 + 5 * size).toFixed(2)}` }, svg("title", {}, `${printed(weight, [k, j])} = ${shown(value)}`))));
        }
      }
      if (from.activation) curves.push(curve(app, from, x(i), height - 96, batch));
    }
    for (const [row, k] of drawn.entries()) {
      const value = number(step, (step.shape.length > 1 ? batch * n : 0) + k), rgb = colourOf(value, limit) ?? NONE, address = printed(step, at(k));
      neurons.push(svg("a", { href: app.href(address), "aria-label": `${address} = ${shown(value)}`, "data-neuron": `${i} ${k}`, ...pointed(app, step, at(k)) }, svg("circle", { cx: x(i), cy: y(row, drawn.length), r: 22, style: `fill:rgb(${rgb})` }), svg("text", { x: x(i), y: y(row, drawn.length) + 4, "text-anchor": "middle", style: `fill:${inkOn(rgb)};font-size:10.5px` }, shown(value))));
    }
    neurons.push(svg("text", { class: "q", x: x(i), y: 16, "text-anchor": "middle" }, step.name));
  });
  const chooser = layers[0].input.shape.length > 1 && layers[0].input.shape[0] > 1 ? el("div", { class: "tools" }, el("label", {}, t("axis.batch"), el("select", { "aria-label": t("axis.batch"), onchange: event => app.lead("batch", Number(event.target.value)) }, Array.from({ length: layers[0].input.shape[0] }, (_, i) => el("option", { value: i, selected: i === batch }, i))))) : null;
  const partly = columns.some(({ step, drawn }) => drawn.length < step.shape.at(-1)) ? el("p", { class: "note" }, t("network.strongest", { most: MOST })) : null;
  const view = el("div", {}, chooser, partly, el("div", { class: "map", tabindex: 0, role: "region", "aria-label": t("nav.network") }, svg("svg", { class: "net", viewBox: `0 0 ${width + 40} ${height}`, width: width + 40, role: "group", "aria-label": t("nav.network") }, lines, neurons, curves)));
  // The lines into the neuron that is pointed at; the others step back.
  const lit = event => {
    const into = event.type === "pointerover" || event.type === "focusin" ? event.target.closest?.("[data-neuron]")?.dataset.neuron : null;
    for (const line of view.querySelectorAll("line")) line.style.opacity = !into || line.dataset.into === into || into.startsWith("0 ") ? "" : "0.15";
  };
  for (const kind of ["pointerover", "pointerout", "focusin", "focusout"]) view.addEventListener(kind, lit);
  const of = state.backward ? "gradients" : "values";
  view.table = () => [["address", state.backward ? "gradient" : "value"], ...[...new Set(all)].flatMap(step => [...(step[of] ?? [])].map((value, at) => [printed(step, cellAt(step.shape, at)), exactText(value)]))];
  return view;
}
