// A recurrent layer along time: its state and each of its gates as one matrix, a row for every time step.
// A row is a step of the trace; pointing at it explains that step's number.

import { el } from "pellucid/dom.js";
import { Figure } from "pellucid/figure.js";
import { t } from "pellucid/words.js";

const FIRST = ["h", "c"]; // states before gates
const PART = /\.(layer\d+(?:_reverse)?)\.t(\d+)\.(\w+)$/;

// [{layer, part, steps}] of the recurrent layers of a place, each with its steps in the order of time. Each of what one
// call gives out (outputs, last state) is opened by itself into the same steps: those of the chosen one are shown.
export function alongTime(trace, group, chosen) {
  const found = new Map();
  for (const step of group?.steps ?? []) {
    const parts = PART.exec(step.name);
    if (!parts || step.shape.length > 2) continue;
    const key = `${step.name.slice(0, parts.index)}.${parts[1]}.${parts[3]}`;
    if (!found.has(key)) found.set(key, { layer: parts[1], part: parts[3], steps: [] });
    found.get(key).steps[Number(parts[2])] = step;
  }
  const callOf = one => String(one.steps[0].within?.operands), shown = new Map();
  for (const one of found.values()) {
    const call = `${callOf(one)} ${one.layer} ${one.part}`, own = one.steps.includes(chosen) || one.steps[0].within === chosen?.within || one.steps[0].within === chosen;
    if (own || !shown.has(call)) shown.set(call, one);
  }
  const rank = one => (FIRST.indexOf(one.part) + FIRST.length + 1) % (FIRST.length + 1);
  return [...shown.values()].filter(one => one.steps.length > 1 && one.steps.every(Boolean)).sort((a, b) => a.layer < b.layer ? -1 : a.layer > b.layer ? 1 : rank(a) - rank(b));
}

export function timeView(app, lines, figures) {
  const { trace, state } = app, backward = state.backward;
  const shown = lines.filter(one => /^(h|c|\w*gate|candidate)$/.test(one.part) && (!backward || one.steps.every(step => trace.hasGradient(step))));
  if (!shown.length) return null;
  const batch = state.lead.batch ?? 0;
  return el("section", { class: "along-time" }, el("h3", {}, t("time.title")), el("div", { class: "row sheet-row" }, shown.map(one => {
    const width = one.steps[0].shape.at(-1), before = one.steps[0].shape.length > 1 ? [Math.min(batch, one.steps[0].shape[0] - 1)] : [];
    const values = new Float64Array(one.steps.length * width), start = (before[0] ?? 0) * width;
    one.steps.forEach((step, row) => { for (let k = 0; k < width; k++) values[row * width + k] = (backward ? trace.gradientAt(step, start + k) : trace.at(step, start + k)) ?? NaN; });
    const step = { name: `${one.layer}.${one.part}`, op: "along time", dtype: one.steps[0].dtype, how: one.steps[0].how, value: one.steps[0].value, gradient: one.steps[0].gradient, pulled: backward, shape: [one.steps.length, width], axes: [["position"], ["hidden"]], size: values.length, values };
    const figure = new Figure(Object.assign(Object.create(trace), { at: (it, offset) => it.values[offset], loaded: () => true }), step, { width: app.roomFor(372), title: known(one), dense: width > 6 });
    figure.onpoint = (_, cell, it, keyed) => app.preview(one.steps[cell[0]], [...before, cell[1]], keyed);
    figure.onleave = () => app.preview(null);
    figure.onpick = (_, cell) => app.choose(one.steps[cell[0]], [...before, cell[1]]);
    figure.along = true;
    figure.place = (step, cell) => one.steps.includes(step) && String(cell.slice(0, -1)) === String(before) ? [one.steps.indexOf(step), cell.at(-1)] : null;
    figures.push(figure);
    return figure.element;
  })));
}

const known = one => t(`time.${one.part}`) === `time.${one.part}` ? `${one.layer} ${one.part}` : `${one.layer}, ${t(`time.${one.part}`)}`;
