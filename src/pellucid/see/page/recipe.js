// Recipes read: from the one description of all cells of a step to the expression of one cell, to its value, to its
// derivative by one cell of an operand, and back from a cell to all cells that it goes into.

import { cellAt } from "pellucid/address.js";
import { FUNCTIONS, cellsOf, evaluate, slope } from "pellucid/expression.js";

const place = (constant, factors, cell, loops) => {
  let at = constant;
  for (const [variable, factor, by] of factors) {
    const value = variable < 0 ? loops[-1 - variable] : cell[variable];
    at += factor * (by ? Math.floor(value / by) : value);
  }
  return at;
};

const outside = (leaf, cell, loops) =>
  (leaf[4] ?? []).some(([constant, factors, size]) => {
    const at = place(constant, factors, cell, loops);
    return at < 0 || at >= size;
  });

export const constant = value => typeof value === "string" ? Number(value.replace("inf", "Infinity")) : value;

// The expression of one cell: nodes are {kind, ...}; leaves are {kind: "x", step, offset, value}.
export function expressionOf(trace, step, cell, offset) {
  const operands = trace.operands(step);
  const leaf = (one, at) => ({ kind: "x", step: one, offset: at, value: trace.at(one, at) });

  function many(bodies, loops) {
    const found = [];
    for (const body of bodies) {
      if (body[0] === "each") {
        for (const values of counted(body[1])) found.push(...many([body[2]], values));
      } else {
        const one = single(body, loops);
        if (one) found.push(one);
      }
    }
    return found;
  }

  function formed(form, numbers) {
    const of = part => formed(part, numbers);
    switch (form[0]) {
      case "s": { const one = trace.steps[numbers.shift()]; return leaf(one, numbers.shift()); }
      case "c": return { kind: "n", value: numbers.shift() };
      case "+": case "*": return { kind: form[0], parts: form[1].map(of) };
      case "f": return { kind: "f", name: form[1], parts: form[2].map(of) };
      default: return { kind: form[0], parts: [of(form[1]), of(form[2])] };
    }
  }

  function single(body, loops) {
    switch (body[0]) {
      case "n": return { kind: "n", value: constant(body[1]) };
      case "i": return { kind: "n", value: place(body[1], body[2], cell, loops) };
      case "at": return { kind: "n", value: body[2][cell[body[1]]] };
      case "case": return single(body[3][body[2][cell[body[1]]]], loops);
      case "cells": { const [form, ...numbers] = body[2][offset]; return formed(body[1][form], numbers); }
      case "x": return outside(body, cell, loops) ? null : leaf(operands[body[1]], place(body[2], body[3], cell, loops));
      case "map": {
        const kept = step.tableRowsThere;
        if (kept && !kept.there[Math.floor(offset / kept.width)]) return { kind: "x", step, offset, value: undefined };
        let number = (step.tableNumbers ? step.tableNumbers[offset] : 0) - 1;
        for (const role of number >= 0 ? body[1] : []) {
          if (number < operands[role].size) return leaf(operands[role], number);
          number -= operands[role].size;
        }
        return { kind: "n", value: trace.at(step, offset) };
      }
      case "+": return { kind: "+", parts: many(body[1], loops) };
      case "f": return { kind: "f", name: body[1], parts: many(body[2], loops) };
      case "*": {
        const parts = body[1].map(one => single(one, loops));
        return parts.includes(null) ? null : { kind: "*", parts };
      }
      case "rounded": return withRounding(single(body[1], loops), trace.at(step, offset));
      case "?": return single(evaluate(single(body[1], loops)) > 0 ? body[2] : body[3], loops);
      default: return { kind: body[0], parts: [single(body[1], loops), single(body[2], loops)] };
    }
  }
  return single(step.recipe, []);
}

const ROUNDING = 1e-6; // of a number; a larger part by the number format is a term of its sum

function withRounding(sum, value) {
  const rounding = value - evaluate(sum);
  if (!(Math.abs(rounding) > ROUNDING * Math.abs(value))) return sum;
  return { kind: "+", parts: [...sum.parts, { kind: "n", value: rounding }] };
}

function* counted(counts, before = []) {
  if (before.length === counts.length) {
    yield before;
    return;
  }
  for (let value = 0; value < counts[before.length]; value++) yield* counted(counts, [...before, value]);
}

// The cells that one cell is made of, as [step, offset]; their numbers need not be there. null where the numbers decide.
export function leavesAt(trace, step, offset) {
  if (step.recipe[0] === "map" || step.recipe[0] === "?") return null;
  return cellsOf(expressionOf({ operands: one => trace.operands(one), steps: trace.steps, at: () => 0 }, step, cellAt(step.shape, offset), offset)).map(one => [one.step, one.offset]);
}

// The factors of a cell that stands where it stands in its shape: [dimension, stride], those of one position left out.
export const strided = shape => shape.map((size, d) => [d, shape.slice(d + 1).reduce((a, b) => a * b, 1), size]).filter(([, , size]) => size > 1).map(([d, stride]) => [d, stride]);

// A recipe of single cells (no loops) as a function of the cell, and whether one of those that it reads is missing.
export function terms(body, operands, missing) {
  const leaves = leavesOf(body).filter(({ leaf }) => missing[leaf[1]]);
  return { value: compile(body), lacks: cell => leaves.some(({ leaf }) => missing[leaf[1]][place(leaf[2], leaf[3], cell, [])]) };

  function compile(one) {
    switch (one[0]) {
      case "n": { const value = constant(one[1]); return () => value; }
      case "x": {
        const values = operands[one[1]].values, start = one[2], factors = one[3];
        if (factors.every(factor => factor.length === 2)) {
          return cell => {
            let at = start;
            for (const [d, factor] of factors) at += factor * cell[d];
            return values[at];
          };
        }
        return cell => values[place(start, factors, cell, [])];
      }
      case "+": case "*": {
        const parts = one[1].map(compile), plus = one[0] === "+";
        return cell => parts.slice(1).reduce((a, part) => plus ? a + part(cell) : a * part(cell), parts[0](cell));
      }
      case "-": { const [a, b] = one.slice(1).map(compile); return cell => a(cell) - b(cell); }
      case "/": { const [a, b] = one.slice(1).map(compile); return cell => a(cell) / b(cell); }
      case "^": { const [a, b] = one.slice(1).map(compile); return cell => Math.pow(a(cell), b(cell)); }
      case "f": { const parts = one[2].map(compile), f = Math[one[1]] ?? FUNCTIONS[one[1]]; return cell => f(...parts.map(p => p(cell))); }
    }
    throw new Error(one[0]);
  }
}

// All leaves of a body, each with the counts of the loops around it.
export function leavesOf(body, counts = [], found = []) {
  switch (body[0]) {
    case "x": found.push({ leaf: body, counts }); break;
    case "each": leavesOf(body[2], body[1], found); break;
    case "+": case "*": for (const one of body[1]) leavesOf(one, counts, found); break;
    case "f": for (const one of body[2]) leavesOf(one, counts, found); break;
    case "case": for (const one of body[3]) leavesOf(one, counts, found); break;
    case "?": case "-": case "/": case "^": case "rounded": for (const one of body.slice(1)) leavesOf(one, counts, found); break;
  }
  return found;
}

// The cells of `step`, by their places, that the cell at `offset` of `source` goes into, in order.
export function cellsWith(trace, step, source, offset) {
  const found = new Set(), operands = trace.operands(step);
  if (step.recipe[0] === "map") {
    let start = 1;
    for (const role of step.recipe[1]) {
      if (operands[role] === source) {
        const wanted = start + offset;
        step.tableNumbers?.forEach((number, at) => { if (number === wanted) found.add(at); });
      }
      start += operands[role].size;
    }
    return [...found].sort((a, b) => a - b);
  }
  if (step.recipe[0] === "cells") {
    for (let at = 0; at < step.size; at++) {
      if (cellsOf(expressionOf(trace, step, cellAt(step.shape, at), at)).some(one => one.step === source && one.offset === offset)) found.add(at);
    }
    return [...found];
  }
  const strides = step.shape.map((_, d) => step.shape.slice(d + 1).reduce((a, b) => a * b, 1));
  for (const { leaf, counts } of leavesOf(step.recipe)) {
    if (operands[leaf[1]] !== source) continue;
    solve(leaf, counts, step.shape, offset, (cell, loops) => {
      if (!outside(leaf, cell, loops)) found.add(cell.reduce((at, index, d) => at + index * strides[d], 0));
    });
  }
  return [...found].sort((a, b) => a - b);
}

// All cells and loop values at which a leaf is the place `offset`: large factors first, and no branch that cannot
// reach what is left.
function solve(leaf, counts, shape, offset, tell) {
  const variables = [...shape.map((size, d) => [d, size]), ...counts.map((count, k) => [-1 - k, count])].map(
    ([variable, size]) => {
      const factors = leaf[3].filter(([v]) => v === variable);
      const part = index => factors.reduce((sum, [, f, by]) => sum + f * (by ? Math.floor(index / by) : index), 0);
      const ends = [part(0), part(size - 1)];
      return { variable, size, part, simple: factors.length === 1 && !factors[0][2] ? factors[0][1] : 0,
        low: Math.min(...ends), high: Math.max(...ends), free: !factors.length };
    }).sort((a, b) => (b.high - b.low) / b.size - (a.high - a.low) / a.size);
  const low = new Array(variables.length + 1).fill(0), high = [...low];
  for (let n = variables.length - 1; n >= 0; n--) {
    low[n] = low[n + 1] + variables[n].low;
    high[n] = high[n + 1] + variables[n].high;
  }
  const cell = new Array(shape.length).fill(0), loops = new Array(counts.length).fill(0);
  (function next(n, left) {
    if (left < low[n] || left > high[n]) return;
    if (n === variables.length) { tell(cell, loops); return; }
    const { variable, size, part, simple } = variables[n];
    let from = 0, to = size - 1;
    if (simple) {
      const ends = [(left - high[n + 1]) / simple, (left - low[n + 1]) / simple];
      from = Math.max(0, Math.ceil(Math.min(...ends)));
      to = Math.min(size - 1, Math.floor(Math.max(...ends)));
    }
    for (let index = from; index <= to; index++) {
      if (variable < 0) loops[-1 - variable] = index; else cell[variable] = index;
      next(n + 1, left - part(index));
    }
  })(0, offset - leaf[2]);
}

// dy/dx of one cell y of `step` by one cell x of `source`, at the numbers of the trace; undefined where it depends on
// one that is not in the file.
export function derivativeOf(trace, step, at, source, offset) {
  const tree = expressionOf(trace, step, cellAt(step.shape, at), at);
  const found = slope(tree, node => node.step === source && node.offset === offset, step.op);
  if (!cellsOf(tree).some(one => one.value === undefined)) return found;
  return ["+", "-"].includes(tree.kind) && tree.parts.every(one => ["x", "n"].includes(one.kind)) ? found : undefined;
}

// The cells of `step` that the cell at `offset` of `source` goes into, in order, each with its derivative: [at, dy/dx].
export function localsOf(trace, step, source, offset) {
  const products = productsOf(step.recipe);
  if (!products) return cellsWith(trace, step, source, offset).map(at => [at, derivativeOf(trace, step, at, source, offset)]);
  const operands = trace.operands(step), found = new Map();
  const strides = step.shape.map((_, d) => step.shape.slice(d + 1).reduce((a, b) => a * b, 1));
  const number = (one, cell, loops) => one[0] === "n" ? constant(one[1]) : trace.at(operands[one[1]], place(one[2], one[3], cell, loops));
  for (const { factors, counts } of products) {
    factors.forEach((leaf, own) => {
      if (leaf[0] !== "x" || operands[leaf[1]] !== source) return;
      solve(leaf, counts, step.shape, offset, (cell, loops) => {
        if (factors.some(one => one[0] === "x" && outside(one, cell, loops))) return;
        const at = cell.reduce((sum, index, d) => sum + index * strides[d], 0);
        const others = factors.filter((_, i) => i !== own).map(one => number(one, cell, loops));
        const local = others.includes(undefined) ? undefined : others.reduce((product, one) => product * one, 1);
        found.set(at, !found.has(at) ? local : found.get(at) === undefined || local === undefined ? undefined : found.get(at) + local);
      });
    });
  }
  return [...found].sort((a, b) => a[0] - b[0]);
}

// A recipe that is a sum of products of single cells and constants as these products, each with the counts of the loops
// around it; null where it is something else. Such as x W + b: of it all slopes are found without writing out a sum.
function productsOf(body) {
  if (body[0] !== "+") return null;
  const found = [], leaf = one => one[0] === "x" || one[0] === "n";
  for (const term of body[1]) {
    const [counts, one] = term[0] === "each" ? [term[1], term[2]] : [[], term];
    const factors = leaf(one) ? [one] : one[0] === "*" && one[1].every(leaf) ? one[1] : null;
    if (!factors) return null;
    found.push({ factors, counts });
  }
  return found;
}
