// One number explained: of what it was made going forward, or what pulled at it going backward.
// The text is that of trace.explain(address) in Python, to the letter.

import { cellAt, offsetOf, printed } from "pellucid/address.js";
import { DIGITS, SHOWN, bySize, cellsOf, evaluate, exact, textOf } from "pellucid/expression.js";
import { exactText, significant } from "pellucid/format.js";
import { expressionOf, localsOf } from "pellucid/recipe.js";

const BACKWARD = "dL/dx = sum over y made of x: dL/dy dy/dx";

// Everything it reads has been loaded. {address, value, formula, tree, how, missing}; tree is null for an input, a
// parameter, a constant and what is kept whole; missing says that numbers it was made of are not in the file.
export function explain(trace, step, cell, backward = false) {
  const offset = offsetOf(step.shape, cell), address = printed(step, cell);
  if (backward) return explainGradient(trace, step, offset, address);
  const inner = trace.innermost(step), value = trace.at(step, offset);
  const base = { address, step, cell, offset, value, formula: inner.formula, how: step.how, backward, tree: null };
  if (trace.isLeaf(inner) || !inner.recipe) {
    return { ...base, opaque: !trace.isLeaf(inner), whole: inner.how === "whole", leaf: trace.isLeaf(inner) };
  }
  const tree = expressionOf(trace, inner, cell, offset);
  return { ...base, tree, missing: cellsOf(tree).some(one => one.value === undefined) };
}

function explainGradient(trace, step, offset, address) {
  const base = { address, step, offset, cell: cellAt(step.shape, offset), backward: true, how: step.how, tree: null,
    formula: BACKWARD };
  if (!trace.hasGradient(step)) return { ...base, value: 0, formula: "no path leads from it to the loss", none: true };
  const parts = [];
  let opaque = false, unknown = false; // unknown: of numbers that are not in the file
  for (const made of trace.made.get(step.id) ?? []) {
    if (!trace.hasGradient(made)) continue;
    if (made.inside) {
      parts.push(term(trace, made, offset, 1));
    } else if (made.recipe) {
      for (const [at, local] of localsOf(trace, made, step, offset)) {
        if (local === undefined) { unknown = true; continue; }
        const kept = step.dtype === "float64" ? local : Math.fround(local);
        if (kept !== 0) parts.push(term(trace, made, at, kept));
      }
    } else {
      opaque = true;
    }
  }
  const tree = parts.length ? { kind: "+", parts } : null;
  const missing = unknown || (tree !== null && cellsOf(tree).some(one => one.value === undefined));
  const stored = trace.gradientAt(step, offset);
  const value = stored ?? (missing || opaque ? undefined : tree ? Math.fround(evaluate(tree)) : 0);
  const recomputed = stored === undefined || Boolean(step.gradient?.added);
  if (!tree) return { ...base, value, opaque, missing, formula: value === 1 ? "the loss itself" : BACKWARD };
  return { ...base, value, tree, opaque, missing, recomputed };
}

const term = (trace, made, at, local) => ({ kind: "*", parts: [
  { kind: "x", step: made, offset: at, value: trace.gradientAt(made, at), gradient: true },
  { kind: "n", value: local, local: true }] });

export function text(explanation, digits = DIGITS, shown = SHOWN) {
  const name = explanation.backward ? `dL/d ${explanation.address}` : explanation.address;
  const value = explanation.value === undefined ? "·" : significant(explanation.value, digits);
  if (explanation.missing) return `${explanation.formula}\n${name} = ${value}`;
  if (!explanation.tree) return `${name} = ${value}, ${explanation.formula}`;
  return `${explanation.formula}\n${name} = ${textOf(explanation.tree, digits, shown)} = ${value}`;
}

export const exactly = explanation =>
  explanation.tree ? exact(explanation.tree) : exactText(explanation.value);

// How far the value is from what its expression gives, by rounding.
export const difference = explanation =>
  explanation.tree ? Math.abs(evaluate(explanation.tree) - explanation.value) : 0;

// What adds up to the value, largest first: the terms of its outermost sum, or all there is as one.
export function termsOf(explanation) {
  let tree = explanation.tree;
  if (!tree || !cellsOf(tree).length) return [];
  if (tree.kind === "/" && tree.parts[0].kind === "+") tree = tree.parts[0];
  return bySize(tree.kind === "+" ? tree.parts : tree.kind === "f" ? tree.parts : [tree]);
}
