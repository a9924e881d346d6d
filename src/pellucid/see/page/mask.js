// Why a query may not look at a key: it comes later, it is padding, or a mask of the model's own hides it.

import { offsetOf } from "pellucid/address.js";
import { el } from "pellucid/dom.js";
import { t } from "pellucid/words.js";

// "ahead", "padding", "ahead and padding" or "other"; null where the key may be seen. `at` has the numbers after masking.
export function reasonOf(at, reason, rows, query, key) {
  if (at(query, key) !== -Infinity) return null;
  const ahead = reason.includes("causal") && key > query;
  const padding = reason.includes("padding") && Array.from({ length: rows }, (_, row) => row).every(row => (reason.includes("causal") && key > row) || at(row, key) === -Infinity)
    && (!ahead || at(rows - 1, key) === -Infinity);
  return ahead && padding ? "ahead and padding" : ahead ? "ahead" : padding ? "padding" : "other";
}

const callOf = (trace, step) => trace.attentions.find(call => [call.masked, call.weights].includes(step.id) && call.reason !== "none");

// Of one number of the masked scores or of the weights, in words.
export function maskNote(trace, step, cell) {
  const call = callOf(trace, step), masked = call && trace.steps[call.masked];
  if (!masked?.values || masked.shape.length !== cell.length) return null;
  const at = (query, key) => trace.at(masked, offsetOf(masked.shape, [...cell.slice(0, -2), query, key]));
  const reason = reasonOf(at, call.reason, masked.shape.at(-2), cell.at(-2), cell.at(-1));
  return reason && t(`mask.why.${reason}`);
}

// Of a whole table: how many of its cells are hidden, and why.
export function maskLegend(trace, call, figure) {
  const counts = new Map();
  for (let query = 0; query < figure.rows; query++) {
    for (let key = 0; key < figure.columns; key++) {
      const reason = reasonOf((q, k) => figure.value(q, k), call.reason, figure.rows, query, key);
      if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    }
  }
  return el("ul", { class: "reasons" }, [...counts].map(([reason, count]) => el("li", {}, t("mask.count", { count, why: t(`mask.why.${reason}`) }))));
}
