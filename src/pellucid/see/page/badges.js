// How numbers were obtained, and how well they are known: a sign for each panel, and more about one number.

import { difference } from "pellucid/explain.js";
import { el } from "pellucid/dom.js";
import { minus, percent, significant } from "pellucid/format.js";
import { t } from "pellucid/words.js";

const LEAVES = { input: "an input", parameter: "a parameter", constant: "a constant" };
const DIGITS = { float16: 4, bfloat16: 3, float32: 7, float64: 16 }; // decimal, that a number of this kind holds

export const badge = (kind, text, title = null) => el("span", { class: `badge ${kind}`.trim(), title }, text);

// Of a matrix: captured, opened, recomputed, not opened, or computed by the page; sampled; and its kind of numbers.
export function panelBadges(trace, step, backward = false) {
  const found = [], source = backward ? step.gradient : step.value, inner = step.inside && !step.computed ? trace.innermost(step) : step;
  if (step.computed) found.push(badge("recomputed", t("badge.here")));
  else if (backward) found.push(source?.added ? badge("recomputed", t("badge.here"), t("badge.here.long")) : badge("opened", t("badge.gradient"), t("badge.gradient.long")));
  else if (step.how === "not kept") found.push(badge("sampled", t("badge.unkept")));
  else if (trace.isLeaf(step)) found.push(badge("captured", t("badge.captured"), t(`formula.${LEAVES[step.op] ?? step.formula}`)));
  else if (inner.how === "whole" || step.how === "whole") found.push(badge("whole", t("badge.whole"), t("badge.whole.long")));
  else if (step.how === "opened" || step.inside) found.push(opened(inner.difference ?? step.difference));
  else if (step.how === "recomputed") found.push(badge("recomputed", t("badge.recomputed"), t("badge.recomputed.long")));
  else found.push(badge("captured", t("badge.captured"), source?.derived === undefined ? null : t("badge.derived.long")));
  if (source?.rows) found.push(badge("sampled", t("badge.sampled", { kept: source.kept, all: source.of }), t("badge.sampled.long", { share: percent(source.kept / source.of) })));
  found.push(kindOf(backward ? gradientKind(trace, source) : step.dtype));
  return found;
}

const opened = apart => apart === undefined ? badge("opened", t("badge.opened"), t("badge.opened.long"))
  : badge("opened", t("badge.opened.by", { difference: minus(significant(apart, 2)) }), t("badge.opened.long"));

const STORED = { f2: "float16", b2: "bfloat16", f4: "float32", f8: "float64" };

const gradientKind = (trace, source) => STORED[trace.blocks[source?.block]?.[2]] ?? "float32";

const kindOf = dtype => badge("kind", DIGITS[dtype] ? t("badge.digits", { dtype, digits: DIGITS[dtype] }) : t("badge.exact", { dtype }));

// Of one number: those of its matrix, and how far rounding put it from what its printed numbers give.
export function badges(trace, x) {
  const found = panelBadges(trace, x.step, x.backward);
  if (x.tree && !x.missing && !x.backward && difference(x) > 0) {
    found.splice(-1, 0, badge("", t("badge.rounding", { difference: minus(significant(difference(x), 2)) }), t("badge.rounding.long")));
  }
  return el("div", { class: "badges" }, found);
}
