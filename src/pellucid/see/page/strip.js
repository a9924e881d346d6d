// Below: the words that come out, each with its best candidates. Arrow keys step through them.

import { el } from "pellucid/dom.js";
import { percent } from "pellucid/format.js";
import { t } from "pellucid/words.js";

const CANDIDATES = 3;

// The step whose rows are the scores of named classes, or null: networks side by side each have a number of their own.
export function wordsStep(trace) {
  const step = trace.outputs.map(id => trace.steps[id]).find(one => one?.value && one.shape.length && one.axes.at(-1)[1] !== undefined && one.axes.at(-1)[0] !== "network" && one.shape.at(-1) > 1);
  return step ?? null;
}

// What should come out in each row, if that is known: the tokens of a text, the one class of an example.
export function wantedOf(trace) {
  const wanted = trace.about?.wanted ?? null;
  return wanted === null ? null : [wanted].flat();
}

export function strip(app) {
  const { trace } = app, step = wordsStep(trace);
  if (!step) return null;
  const classes = step.shape.at(-1), rows = Math.min(step.size / classes, 64), wanted = wantedOf(trace);
  const shares = [...(trace.made.get(step.id) ?? [])].find(one => one.op === "softmax") ?? step;
  const element = el("footer", { "aria-label": t("strip.title") }, el("h2", {}, t("strip.title")));
  for (let row = 0; row < rows; row++) {
    if (!trace.has(step, row * classes)) continue; // not in the file
    const best = candidatesOf(trace, step, row, CANDIDATES), taken = wanted?.[row] ?? best[0].label;
    const cell = cellOfRow(shares, row, best.find(one => one.label === taken)?.index ?? best[0].index);
    element.append(el("button", { type: "button", class: "word", "data-row": row, onclick: () => app.choose(shares, cell),
      "aria-label": t("strip.word", { word: taken, best: best[0].label, share: percent(best[0].share) }),
      onkeydown: event => moved(event, element) },
    el("b", {}, taken), best.map(one => el("span", { class: one.label === taken ? "cand taken" : "cand" }, el("span", {}, one.label),
      el("i", { style: `width:${Math.max(one.share * 100, 1)}%` }), el("span", {}, percent(one.share))))));
  }
  return element;
}

function moved(event, element) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const words = [...element.querySelectorAll(".word")], to = words[words.indexOf(event.currentTarget) + step];
  to?.focus();
  to?.click();
}

export function cellOfRow(step, row, index) {
  const cell = [];
  let rest = row;
  for (let d = step.shape.length - 2; d >= 0; d--) {
    cell.unshift(rest % step.shape[d]);
    rest = Math.floor(rest / step.shape[d]);
  }
  return [...cell, index];
}

// The likeliest classes of one row: softmax of the stored scores, divided by a temperature.
export function candidatesOf(trace, step, row, most, temperature = 1) {
  const classes = step.shape.at(-1), from = row * classes, labels = trace.labels[step.axes.at(-1)[1]];
  let largest = -Infinity;
  for (let i = 0; i < classes; i++) largest = Math.max(largest, step.values[from + i]);
  let sum = 0;
  const best = [];
  for (let i = 0; i < classes; i++) {
    const score = step.values[from + i];
    sum += Math.exp((score - largest) / temperature);
    if (best.length < most || score > best.at(-1).score) {
      best.push({ index: i, score, label: labels[i] ?? String(i) });
      best.sort((a, b) => b.score - a.score);
      if (best.length > most) best.pop();
    }
  }
  for (const one of best) one.share = Math.exp((one.score - largest) / temperature) / sum;
  return best;
}
