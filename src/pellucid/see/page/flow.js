// The backward pass at a glance: how large the gradient is that reaches each place, and which positions it reaches.
// Above it the pass is played, operation by operation.

import { broken, el } from "pellucid/dom.js";
import { colourOf } from "pellucid/colour.js";
import { minus, significant } from "pellucid/format.js";
import { Player } from "pellucid/play.js";
import { due, turn } from "pellucid/turns.js";
import { t } from "pellucid/words.js";

export async function flow(app) {
  const { trace } = app;
  if (trace.loss === null) return el("p", { class: "note" }, t("backward.none"));
  const rows = app.groups.filter(group => group.first < Infinity).map(group => mainOf(trace, group)).filter(step => step && trace.hasGradient(step) && step.gradient.block !== undefined);
  await Promise.all(rows.map(step => trace.load(step, "gradient")));
  const measured = [];
  for (const step of rows) {
    measured.unshift({ step, ...measure(trace, step) });
    if (due()) await turn();
  }
  const logs = measured.map(one => Math.log10(one.size)).filter(Number.isFinite), low = Math.min(...logs) - 0.3, high = Math.max(...logs, low + 1);
  const cells = measured.flatMap(one => one.along.filter(value => value > 0).map(Math.log10)), least = Math.min(...cells), most = Math.max(...cells);
  const longest = Math.min(64, Math.max(...measured.map(one => one.along.length)));
  const body = el("tbody", {}, measured.map(one => {
    const part = Number.isFinite(Math.log10(one.size)) ? (Math.log10(one.size) - low) / (high - low) * 100 : 0;
    return el("tr", { "data-flow": one.step.name }, el("th", { scope: "row" }, el("a", { href: app.href(one.step.name, true) }, broken(one.step.name))),
      el("td", {}, el("span", { class: "sharebar wide", "aria-hidden": "true" }, el("i", { style: `width:${part.toFixed(1)}%` }))), el("td", { class: "number" }, minus(significant(one.size, 3))),
      el("td", {}, heat(one.along, least, most, longest, one.step), one.step.gradient.rows ? el("span", { class: "badge sampled" }, t("badge.sampled", { kept: one.step.gradient.kept, all: one.step.gradient.of })) : null));
  }));
  const table = el("table", { class: "plain flow" }, el("thead", {}, el("tr", {}, [t("flow.place"), t("flow.size"), "", t("flow.along")].map(text => el("th", { scope: "col" }, text || el("span", { class: "unseen" }, t("flow.number")))))), body);
  const places = new Map(measured.map((one, i) => [one.step.group, body.rows[i]]));
  const player = new Player(app, step => {
    for (const row of body.rows) row.removeAttribute("aria-current");
    places.get(step.group)?.setAttribute("aria-current", "step");
  });
  await player.show(player.at);
  return el("div", {}, player.element, el("h3", {}, t("flow.table")), el("div", { class: "map" }, table), el("p", { class: "says" }, t("flow.says")));
}

// The last computed step of a place, before which others of it stand.
function mainOf(trace, group) {
  const steps = group.steps.filter(step => !trace.isLeaf(step) && !step.within && !step.aside);
  return steps.at(-1) ?? group.steps.find(step => step.op === "input") ?? null;
}

// The root mean square of a gradient, over all of it and along its positions.
function measure(trace, step) {
  const numbers = step.gradients, d = step.axes.findIndex(([axis]) => ["position", "query", "row"].includes(axis));
  const axis = d >= 0 ? d : Math.max(step.shape.length - 2, 0), count = step.shape[axis] ?? 1;
  const below = step.shape.slice(axis + 1).reduce((a, b) => a * b, 1), along = new Array(count).fill(0);
  const kept = step.gradientRowsThere, there = new Array(count).fill(0);
  let sum = 0, known = 0;
  for (let i = 0; i < numbers.length; i++) {
    if (kept && !kept.there[Math.floor(i / kept.width)]) continue;
    const square = numbers[i] * numbers[i], at = Math.floor(i / below) % count;
    sum += square;
    known++;
    along[at] += square;
    there[at]++;
  }
  return { size: Math.sqrt(sum / known), along: along.map((one, at) => Math.sqrt(one / there[at])) };
}

function heat(along, least, most, longest, step) {
  const wide = 10, canvas = el("canvas", { role: "img", "aria-label": t("flow.heat", { name: step.name, values: along.slice(0, 8).map(one => significant(one, 2)).join(", ") }) }), count = Math.min(along.length, longest);
  canvas.width = longest * wide * devicePixelRatio;
  canvas.height = 14 * devicePixelRatio;
  canvas.style.cssText = `width:${longest * wide}px;height:14px;display:block`;
  const g = canvas.getContext("2d");
  g.scale(devicePixelRatio, devicePixelRatio);
  for (let i = 0; i < count; i++) {
    const index = Math.floor(i * along.length / count), value = along[index];
    g.fillStyle = `rgb(${colourOf(value > 0 ? 0.08 + 0.92 * (Math.log10(value) - least) / (most - least || 1) : 0, 1, true)})`;
    g.fillRect(i * wide, 0, wide - 1, 14);
  }
  return canvas;
}
