// One step of the training at a glance: how far it moves each parameter, and what clipping left of the gradients.

import { broken, el } from "pellucid/dom.js";
import { DIGITS, textOf } from "pellucid/expression.js";
import { minus, significant, sizes } from "pellucid/format.js";
import { expressionOf } from "pellucid/recipe.js";
import { t } from "pellucid/words.js";

export function training(app) {
  const { trace } = app, step = trace.training;
  if (!step) return el("p", { class: "note" }, t("move.none"));
  const moves = Object.entries(step.moves).map(([id, move]) => ({ parameter: trace.steps[id], ...move, ratio: Number(move.update) / Number(move.weights) }));
  const logs = moves.map(one => Math.log10(one.ratio)).filter(Number.isFinite), low = Math.min(...logs) - 0.3, high = Math.max(...logs, low + 1);
  const number = value => el("td", { class: "number" }, minus(significant(Number(value), 3)));
  const rows = moves.map(one => {
    const share = Number.isFinite(Math.log10(one.ratio)) ? (Math.log10(one.ratio) - low) / (high - low) * 100 : 0;
    return el("tr", { "data-move": one.parameter.name }, el("th", { scope: "row" }, el("a", { href: app.href(one.parameter.name, false, true) }, broken(one.parameter.name))),
      el("td", { class: "quiet" }, sizes(one.parameter.shape)), el("td", {}, one.optimizer), number(one.gradient), number(one.weights), number(one.update), number(one.ratio),
      el("td", {}, el("span", { class: "sharebar", "aria-hidden": "true" }, el("i", { style: `width:${share.toFixed(1)}%` }))));
  });
  const still = Object.entries(step.still).map(([id, reason]) => el("li", {}, el("a", { href: app.href(trace.steps[id].name, false), class: "mono" }, trace.steps[id].name), " ", el("span", { class: "quiet" }, t(`move.${reason}`))));
  const heads = ["place", "shape", "rule", "gradient", "weights", "update", "ratio"].map(key => el("th", { scope: "col" }, t(`move.table.${key}`)));
  return el("div", { class: "training" },
    step.number === null ? null : el("p", { class: "says" }, t(step.batches > 1 ? "move.step.batches" : "move.step", { step: step.number, count: step.batches })),
    clipping(trace), step.skipped ? el("p", { class: "note" }, t("move.skipped")) : null,
    el("div", { class: "map" }, el("table", { class: "plain" }, el("thead", {}, el("tr", {}, heads, el("th", { scope: "col" }, el("span", { class: "unseen" }, t("move.table.ratio"))))), el("tbody", {}, rows))),
    el("p", { class: "says" }, t("move.table.says")), still.length ? el("details", { class: "others" }, el("summary", {}, t("move.still", { count: still.length })), el("ul", {}, still)) : null);
}

// The factor that every gradient is multiplied by, with its numbers.
function clipping(trace) {
  const step = trace.training;
  const norm = minus(significant(Number(step.norm), DIGITS));
  const line = Object.values(step.moves).flatMap(move => move.lines).find(([name]) => name === "factor");
  if (!line) return el("p", { class: "says" }, t("move.unclipped", { norm }));
  const tree = expressionOf(trace, { operands: [], recipe: line[3], shape: [] }, [], 0);
  return el("div", {}, el("p", { class: "says" }, t("move.norm", { norm })), el("p", { class: "formula" }, line[1]), el("p", { class: "nums" }, `${textOf(tree)} = `, el("b", {}, significant(Number(step.factor), DIGITS))));
}
