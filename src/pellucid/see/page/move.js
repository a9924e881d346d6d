// Why a weight moved: one optimizer step of one number, line by line, and the examples that pushed it.
// Formulas, numbers and their order are those of trace.why_moved in Python.

import { offsetOf, printed } from "pellucid/address.js";
import { DIGITS, SHOWN, cellsOf, evaluate, exact, textOf } from "pellucid/expression.js";
import { exactText, significant, total } from "pellucid/format.js";
import { expressionOf } from "pellucid/recipe.js";
import { language, t } from "pellucid/words.js";

const MORE = 3; // digits of a weight beyond those of other numbers: a step is often a thousandth of its weight
const ROUNDING = 1e-5; // of a gradient; a larger part is a term of its sum

export const digitsOf = (line, digits = DIGITS) => ["new", "moved"].includes(line.name) ? digits + MORE : digits;

// The parameter that a step is, or to whose move it belongs; null for all else.
export function parameterOf(trace, step) {
  if (!trace.training || !step) return null;
  if (step.update !== undefined) return trace.steps[step.update];
  return step.op === "parameter" ? step : null;
}

export const moveOf = (trace, parameter) => parameter ? trace.training?.moves[parameter.id] ?? null : null;

// The tensors of a parameter's move, in the order in which they are computed; itself first.
export const partsOf = (trace, parameter) => [parameter, ...moveOf(trace, parameter).parts.map(id => trace.steps[id])];

// What the arithmetic of one weight reads: of large tensors the tiles that its numbers lie in.
export async function loadMove(trace, parameter, cell) {
  const move = moveOf(trace, parameter), rounds = move.rounds.map(id => trace.steps[id]), offset = offsetOf(parameter.shape, cell), count = trace.training.who.en.length;
  if (move.pushes) move.pushed ??= { size: parameter.size * count, value: move.pushes, loads: {} };
  const last = offset * count + count - 1; // those of one weight may lie in two tiles
  await Promise.all([...rounds.map(one => trace.load(one)), ...partsOf(trace, parameter).map(one => trace.loadCell(one, offset)), ...move.pushes && count ? [trace.loadCell(move.pushed, offset * count), trace.loadCell(move.pushed, last)] : []]);
}

// Everything has been loaded. {address, step, cell, offset, move, lines, pushes, rounding, old, value}; a number that is
// not in the file makes `missing` true.
export function moved(trace, parameter, cell) {
  const move = moveOf(trace, parameter), offset = offsetOf(parameter.shape, cell), address = printed(parameter, cell);
  const found = { address, step: parameter, cell, offset, move, tree: null, formula: "", backward: false, how: parameter.how };
  const old = trace.at(parameter, offset);
  if (!move || old === undefined) return { ...found, lines: [], pushes: [], old, missing: true };
  const gradient = trace.steps[move.lines[0][2]], g = trace.at(gradient, offset), who = pushesOn(trace, parameter, offset, address);
  const rounding = who.length ? g - total(who.map(one => one.value)) : 0;
  let orthogonal = null;
  const lines = move.lines.map(([name, formula, id, body]) => {
    const step = id === null ? null : trace.steps[id];
    if (name === "gradient") return { name, ...pushedBy(gradient, offset, g, who, rounding), step };
    if (name === "orthogonal" && !step.recipe) return { name, formula, step, tree: null, value: trace.at(step, offset) };
    const tree = step ? expressionOf(trace, body ? { ...step, recipe: body } : step, cell, offset) : expressionOf(trace, { operands: [], recipe: body, shape: [] }, [], 0);
    // What was summed in a narrower format goes on as the sum of its terms, as in Python.
    for (const leaf of orthogonal ? cellsOf(tree) : []) if (leaf.step === orthogonal.step) leaf.value = orthogonal.value;
    const line = { name, formula, tree, step, value: evaluate(tree) };
    if (name === "orthogonal") orthogonal = line;
    return line;
  });
  const value = trace.training.skipped ? old : lines.at(-1).value;
  return { ...found, lines, pushes: who, rounding, old, value, gradient: g, missing: false };
}

function pushedBy(gradient, offset, g, who, rounding) {
  if (!who.length) return { formula: "g = dL/dw", tree: { kind: "x", step: gradient, offset, value: g }, value: g };
  const pushing = who.filter(one => one.value), terms = (pushing.length ? pushing : who.slice(0, 1)).map(one => ({ kind: "n", value: one.value, push: true }));
  if (Math.abs(rounding) > ROUNDING * Math.abs(g)) terms.push({ kind: "n", value: rounding, push: true });
  const tree = { kind: "+", parts: terms };
  return { formula: "g = sum_i g_i", tree, value: evaluate(tree) };
}

// [{name, value}] of the examples; none where they are not in the file or cannot be told apart.
function pushesOn(trace, parameter, offset, address) {
  const { why, who } = trace.training, move = moveOf(trace, parameter);
  const called = (names, i) => names[language][i] ?? t("move.itself");
  if (why?.address === address) return why.pushes.map((value, i) => ({ name: called(why.who, i), value: Number(value) }));
  const found = move.pushed ? Array.from(who.en, (_, i) => ({ name: called(who, i), value: trace.at(move.pushed, offset * who.en.length + i) })) : [];
  return found.some(one => one.value === undefined) ? [] : found;
}

export function numbersOf(line, all = false, digits = DIGITS) {
  if (!line.tree) return "";
  return all ? exact(line.tree) : textOf(line.tree, digitsOf(line, digits), SHOWN);
}

export const valueOf = (line, all = false) => all ? exactText(line.value) : significant(line.value, digitsOf(line));

// The whole as text, to be copied or spoken.
export function moveText(x) {
  const few = DIGITS + MORE;
  const head = `${x.address}  ${significant(x.old, few)} -> ${significant(x.value, few)}`;
  return [head, ...x.lines.map(line => `${line.formula}\n  = ${line.tree ? `${numbersOf(line)} = ` : ""}${valueOf(line)}`),
    ...x.pushes.map(one => `${significant(one.value, DIGITS)}  ${one.name}`)].join("\n");
}
