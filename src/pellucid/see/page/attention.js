// One call of attention: its nine tables, all heads side by side, one by itself, two against each other.

import { el } from "pellucid/dom.js";
import { Figure } from "pellucid/figure.js";
import { minus, significant } from "pellucid/format.js";
import { t } from "pellucid/words.js";

export const TABLES = ["query", "key", "value", "scores", "scaled", "masked", "weights", "heads", "output"];

export const headCount = (trace, call) => trace.steps[call.weights].shape.at(-3) ?? 1;

// The weights of every head, small: click isolates one, click again or Esc frees it, shift-click compares two.
export function multiples(trace, call, app) {
  const weights = trace.steps[call.weights], count = headCount(trace, call), { one, two } = app.state.heads;
  const axis = weights.axes.at(-3)?.[0];
  if (count < 2) return null;
  const buttons = Array.from({ length: count }, (_, head) => {
    const figure = new Figure(trace, weights, { lead: { ...app.state.lead, [axis]: head }, width: 132, small: true });
    const canvas = figure.low;
    const chosen = head === one || head === two;
    return el("button", { type: "button", "aria-pressed": chosen, "data-head": head, title: t("heads.hint"),
      "aria-label": t("heads.one", { head }),
      onclick: event => app.head(head, event.shiftKey), onkeydown: event => { if (event.key === "Enter" && event.shiftKey) { event.preventDefault(); app.head(head, true); } } },
    el("span", {}, t("heads.one", { head })), canvas);
  });
  return el("div", { class: one !== null ? "multiples one" : "multiples", role: "group", "aria-label": t("heads.all") }, buttons);
}

// Two heads against each other: where they differ, how spread and how far each looks.
export function compared(trace, call, app) {
  const { one, two } = app.state.heads;
  if (one === null || two === null) return null;
  const weights = trace.steps[call.weights], axis = weights.axes.at(-3)[0], batch = app.state.lead;
  const of = head => measures(trace, weights, { ...batch, [axis]: head });
  const [a, b] = [of(one), of(two)];
  const rows = [["compare.entropy", a.entropy, b.entropy], ["compare.distance", a.distance, b.distance]];
  const apart = differenceStep(trace, weights, a, b);
  const figure = new Figure(apart.trace, apart.step, { width: app.roomFor(460), dense: true, title: t("compare.difference", { one, two }), limit: 0 });
  return el("section", { class: "compare", "aria-label": t("compare.title", { one, two }) }, el("h3", {}, t("compare.title", { one, two })),
    el("div", { class: "row" }, figure.element, el("table", { class: "plain" },
      el("tr", {}, el("th", { scope: "col" }, el("span", { class: "unseen" }, t("compare.measure"))), [one, two].map(head => el("th", { scope: "col" }, t("heads.one", { head })))),
      rows.map(([key, x, y]) => el("tr", {}, el("th", { scope: "row", title: t(`${key}.long`) }, t(key)), [x, y].map(value => el("td", { class: "number" }, minus(significant(value, 4)))))),
      el("tr", {}, el("th", { scope: "row" }, t("compare.mean")), el("td", { class: "number", colspan: 2 }, minus(significant(apart.mean, 4)))))),
    el("p", { class: "says" }, t("compare.says")));
}

// Of one head: its weights, their entropy in bits (mean over queries), and how many positions away it looks.
export function measures(trace, weights, lead) {
  const [rows, columns] = weights.shape.slice(-2);
  const figure = { rows, columns, start: leadOffset(weights, lead) };
  let entropy = 0, distance = 0;
  const values = [];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const share = trace.at(weights, figure.start + i * columns + j);
      values.push(share);
      if (share > 0) entropy -= share * Math.log2(share);
      distance += share * Math.abs(i - j);
    }
  }
  return { values, entropy: entropy / rows, distance: distance / rows };
}

function leadOffset(step, lead) {
  let offset = 0;
  step.shape.forEach((size, d) => {
    const index = d < step.shape.length - 2 ? Math.min(lead[step.axes[d][0]] ?? 0, size - 1) : 0;
    offset = offset * size + index;
  });
  return offset;
}

// A matrix that is no step of the trace: it is computed here, and marked so.
function differenceStep(trace, weights, a, b) {
  const values = a.values.map((value, i) => value - b.values[i]);
  const step = { ...weights, op: "difference", shape: weights.shape.slice(-2), axes: weights.axes.slice(-2), values: Float64Array.from(values),
    name: "difference", dtype: "float64", computed: true, value: {}, size: values.length, rowsThere: null, absent: null };
  const mean = values.reduce((sum, value) => sum + Math.abs(value), 0) / values.length;
  return { step, mean, trace: { at: (one, offset) => one.values[offset], labels: trace.labels } };
}

// What each head adds to the output of one position: head by head, with the bias their sum is the output.
export function headShares(trace, call, app) {
  if (call.output === undefined) return null;
  const output = trace.steps[call.output], heads = trace.steps[call.heads];
  const weightId = output.operands.find(([role]) => role === "weight")?.[1];
  if (output.op !== "linear" || weightId === undefined || heads.shape.length < 3) return null;
  const weight = trace.steps[weightId], [count, positions, width] = heads.shape.slice(-3), model = weight.shape[0];
  if (count * width !== weight.shape[1]) return null;
  const batch = Math.min(app.state.lead.batch ?? 0, (heads.shape.at(-4) ?? 1) - 1);
  const position = Math.min(app.state.position ?? 0, positions - 1);
  const values = new Float64Array(count * model);
  for (let head = 0; head < count; head++) {
    for (let m = 0; m < model; m++) {
      let sum = 0;
      for (let d = 0; d < width; d++) {
        sum += trace.at(heads, ((batch * count + head) * positions + position) * width + d) * trace.at(weight, m * weight.shape[1] + head * width + d);
      }
      values[head * model + m] = sum;
    }
  }
  const labels = heads.axes.at(-2)[1];
  const label = labels === undefined ? String(position) : trace.labels[labels][position];
  const step = { name: `${call.place}.shares`, op: "computed here", dtype: "float64", computed: true, value: {}, shape: [count, model], axes: [["head"], output.axes.at(-1)], size: values.length, values };
  const figure = new Figure({ at: (one, offset) => one.values[offset], labels: trace.labels }, step, { width: app.roomFor(720), title: t("shares.title", { label }) });
  const chooser = el("select", { "aria-label": t("shares.position"), onchange: event => app.set({ position: Number(event.target.value) }) },
    Array.from({ length: positions }, (_, i) => el("option", { value: i, selected: i === position }, labels === undefined ? i : `${i} ${trace.labels[labels][i]}`)));
  return el("div", { class: "shares" }, el("div", { class: "tools" }, el("span", { class: "badge recomputed" }, t("badge.here")), el("label", {}, t("shares.position"), chooser)), figure.element,
    el("p", { class: "says" }, t("shares.says")));
}
