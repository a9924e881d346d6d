// Arithmetic that can be read: the same tree, text and value as pellucid.see.expression has in Python.

import { exactText, rounded, signed, total } from "pellucid/format.js";

export const SHOWN = 4; // terms of a sum that are written out before the rest is added up
export const DIGITS = 4;
const WHOLE = 1e6; // constants below it that are whole numbers are written so

export const FUNCTIONS = {
  abs: Math.abs, cos: Math.cos, exp: Math.exp, sin: Math.sin, sqrt: Math.sqrt, tanh: Math.tanh, erf,
  log: x => x > 0 ? Math.log(x) : -Infinity,
  max: (...x) => x.reduce((a, b) => b > a ? b : a),
  both: (a, b) => Number(Boolean(a) && Boolean(b)), either: (a, b) => Number(Boolean(a) || Boolean(b)),
  equal: (a, b) => Number(a === b), unequal: (a, b) => Number(a !== b), greater: (a, b) => Number(a > b),
  greater_or_equal: (a, b) => Number(a >= b), less: (a, b) => Number(a < b), less_or_equal: (a, b) => Number(a <= b),
  min: (...x) => x.reduce((a, b) => b < a ? b : a),
  sigmoid: x => x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)),
};

const SLOPES = {
  abs: x => Math.sign(x), cos: x => -Math.sin(x), exp: Math.exp, sin: Math.cos, sqrt: x => 0.5 / Math.sqrt(x),
  tanh: x => 1 - Math.tanh(x) ** 2, log: x => 1 / x, erf: x => 2 / Math.sqrt(Math.PI) * Math.exp(-x * x),
  sigmoid: x => { const y = FUNCTIONS.sigmoid(x); return y * (1 - y); },
};

export function evaluate(node) {
  switch (node.kind) {
    case "n": case "x": return node.value;
    case "+": return total(node.parts.map(evaluate));
    case "*": return node.parts.reduce((product, part) => product * evaluate(part), 1);
    case "-": return evaluate(node.parts[0]) - evaluate(node.parts[1]);
    case "/": {
      const above = evaluate(node.parts[0]), below = evaluate(node.parts[1]);
      if (below) return above / below;
      return above ? (above > 0 ? Infinity : -Infinity) : NaN;
    }
    case "^": return Math.pow(evaluate(node.parts[0]), evaluate(node.parts[1]));
    case "f": return FUNCTIONS[node.name](...node.parts.map(evaluate));
  }
}

export function textOf(node, digits = DIGITS, shown = SHOWN) {
  const text = part => textOf(part, digits, shown);
  const within = part => enclosed(part, node.kind, digits, shown);
  switch (node.kind) {
    case "n": return Number.isInteger(node.value) && Math.abs(node.value) < WHOLE ? signed(Object.is(node.value, -0) ? "-0" : node.value.toFixed(0)) : rounded(node.value, digits);
    case "x": return rounded(node.value, digits);
    case "+": {
      if (node.parts.length === 1) return text(node.parts[0]);
      const order = node.parts.length > shown ? bySize(node.parts) : node.parts;
      const parts = order.slice(0, shown).map(within);
      if (order.length > shown) {
        const rest = total(order.slice(shown).map(evaluate));
        parts.push(`${rounded(rest, digits)} (of ${order.length - shown} more)`);
      }
      return parts.join(" + ") || "0";
    }
    case "*": return node.parts.map(within).join("*");
    case "-": return `${text(node.parts[0])} - ${within(node.parts[1])}`;
    case "/": return `${within(node.parts[0])} / ${within(node.parts[1])}`;
    case "^": return `${within(node.parts[0])}^${within(node.parts[1])}`;
    case "f": {
      const found = node.parts.map(text);
      if (found.length > shown + 1) found.splice(shown, Infinity, `${found.length - shown} more`);
      return `${node.name}(${found.join(", ")})`;
    }
  }
}

function enclosed(part, within, digits, shown) {
  const text = textOf(part, digits, shown);
  const loose = (part.kind === "+" && part.parts.length > 1) || part.kind === "-";
  const tight = (within === "/" ? ["*", "/"] : within === "^" ? ["*", "/", "^"] : []).includes(part.kind);
  return (loose && within !== "+") || tight ? `(${text})` : text;
}

// Arithmetic that any calculator repeats.
export function exact(node) {
  const parts = node.parts?.map(exact);
  switch (node.kind) {
    case "n": case "x": return signed(exactText(node.value));
    case "+": return `(${parts.join(" + ") || "0.0"})`;
    case "*": return parts.join("*");
    case "-": return `(${parts.join(" - ")})`;
    case "/": return `(${parts[0]} / ${grouped(node.parts[1])})`;
    case "^": return `(${parts[0]}) ** ${grouped(node.parts[1])}`;
    case "f": return `${node.name}(${parts.join(", ")})`;
  }
}

// In brackets where it would be read otherwise, after a sign that binds as tightly.
const grouped = part => ["*", "^"].includes(part.kind) ? `(${exact(part)})` : exact(part);

export function bySize(parts) {
  return parts.map(part => [part, Math.abs(evaluate(part))]).sort((a, b) => b[1] - a[1]).map(([part]) => part);
}

// All cells in it, in their order.
export function cellsOf(node, found = []) {
  if (node.kind === "x") found.push(node);
  else if (node.parts) for (const part of node.parts) cellsOf(part, found);
  return found;
}

// The derivative by the leaves that `chosen` accepts; `op` says what happens where several are the largest.
export function slope(node, chosen, op) {
  const of = part => slope(part, chosen, op);
  switch (node.kind) {
    case "n": return 0;
    case "x": return chosen(node) ? 1 : 0;
    case "+": return node.parts.reduce((sum, part) => sum + of(part), 0);
    case "*": return node.parts.reduce((sum, part, i) => {
      const own = of(part);
      return own ? sum + node.parts.reduce((p, other, j) => j === i ? p : p * evaluate(other), own) : sum;
    }, 0);
    case "-": return of(node.parts[0]) - of(node.parts[1]);
    case "/": {
      const [a, b] = node.parts, below = evaluate(b);
      return of(a) / below - (of(b) ? of(b) * evaluate(a) / (below * below) : 0);
    }
    case "^": {
      const [a, b] = node.parts, base = evaluate(a), power = evaluate(b);
      return (of(a) ? of(a) * power * Math.pow(base, power - 1) : 0) +
        (of(b) ? of(b) * Math.pow(base, power) * Math.log(base) : 0);
    }
    case "f": {
      if (node.name !== "max" && node.name !== "min") {
        const own = of(node.parts[0]);
        return own && SLOPES[node.name] ? own * SLOPES[node.name](evaluate(node.parts[0])) : 0;
      }
      const values = node.parts.map(evaluate), best = FUNCTIONS[node.name](...values);
      const first = values.indexOf(best), tied = values.filter(value => value === best).length;
      const shared = !node.parts.some(part => part.kind === "n") && !/along|pool/.test(op);
      return node.parts.reduce((sum, part, i) => {
        const own = values[i] === best ? of(part) : 0;
        if (!own) return sum;
        if (op === "relu") return sum + (values[i] > 0 ? own : 0);
        return sum + (shared ? own / tied : /along|pool/.test(op) ? (i === first ? own : 0) : own);
      }, 0);
    }
  }
}

// The error function: its series near zero, a continued fraction beyond.
export function erf(x) {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let term = x, sum = x;
    for (let n = 1; n < 80; n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
      if (Math.abs(term) < 1e-18 * Math.abs(sum)) break;
    }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (size + fraction);
  return Math.sign(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / (size + fraction));
}
