// Above the matrices of a place: a question, and one sentence that answers it with this model's own numbers.

import { count, minus, passing, significant } from "pellucid/format.js";
import { moveOf, parameterOf } from "pellucid/move.js";
import { known, language, t } from "pellucid/words.js";

// Operations that ask alike.
const LIKE = { rnn_relu: "rnn_tanh", adaptive_avg_pool2d: "avg_pool2d", mse_loss: "cross_entropy", nll_loss: "cross_entropy", leaky_relu: "tanh", gelu: "tanh", silu: "tanh", rms_norm: "layer_norm", log_softmax: "softmax", conv1d: "conv2d", relu_: "relu" };

// What each sentence tells of its own step: sizes from the graph, and numbers that have been loaded.
const FACTS = {
  linear: (trace, step) => { const [to, from] = operand(trace, step, "weight").shape; return { from, to }; },
  embedding: (trace, step) => { const [rows, width] = operand(trace, step, "weight").shape; return { rows: count(rows), width }; },
  conv2d: (trace, step) => { const [to, from, ...kernel] = operand(trace, step, "weight").shape; return { from, to, kernel: kernel.join("×") }; },
  max_pool2d: pooled, avg_pool2d: pooled,
  relu: (trace, step) => ({ negative: count(whole(step).reduce((sum, value) => sum + (value <= 0), 0)), all: count(step.size) }),
  tanh: (trace, step) => ends(step), sigmoid: (trace, step) => ends(step),
  add: (trace, step) => ({ shape: passing(step) }),
  layer_norm: (trace, step) => ({ rows: count(step.size / step.shape.at(-1)), width: step.shape.at(-1) }),
  softmax: (trace, step) => ({ width: count(step.shape.at(-1)) }),
  cross_entropy: (trace, step) => ({ loss: number(whole(step)[0]) }),
  gru: sequence, lstm: sequence, rnn_tanh: sequence,
  input: (trace, step) => ({ shape: passing(step) }),
};

function pooled(trace, step) {
  return { before: passing(trace.operands(step)[0]), after: passing(step) };
}

function sequence(trace, step) {
  return { steps: step.shape.at(-2), hidden: step.shape.at(-1) };
}

function operand(trace, step, role) {
  return trace.steps[step.operands.find(([one]) => one === role)[1]];
}

const number = value => minus(significant(value, 3));

// All numbers of a step; of one of which some are not in the file nothing is told.
function whole(step) {
  if (!step.values || step.rowsThere || step.absent) throw new TypeError(`${step.name} is not whole`);
  return step.values;
}

const COUNTED = new Set(["relu", "tanh", "sigmoid", "cross_entropy"]); // sentences that need the numbers of their step

const servedBy = (trace, step) => ["parameter", "constant"].includes(step.op) ? (trace.made.get(step.id) ?? [])[0] ?? step : step;

// The step whose numbers have to be there before its place is headed, or null.
export function countedStep(trace, step) {
  const main = servedBy(trace, step), one = [main, trace.innermost(main)].find(it => COUNTED.has(LIKE[it.op] ?? it.op));
  return one ?? null;
}

function ends(step) {
  const numbers = whole(step).filter(Number.isFinite);
  return { name: step.op, low: number(numbers.reduce((a, b) => Math.min(a, b))), high: number(numbers.reduce((a, b) => Math.max(a, b))) };
}

export function heading(app, plan) {
  const { trace, state } = app, step = state.step, move = moveOf(trace, parameterOf(trace, step));
  if (state.update || step.update !== undefined) {
    const reason = trace.training.still[step.id];
    return { title: t("move.title"), lead: move ? t("move.lead", { optimizer: move.optimizer, step: move.number ?? trace.training.number ?? "?" }) : t(`move.${reason ?? "not held"}`) };
  }
  if (plan.stage) return { title: `${plan.stage.title[language]}`, lead: plan.stage.sentence[language] };
  const key = step.group?.key ?? step.name, call = plan.call;
  if (call) return { title: t("attention.title"), lead: t("attention.lead", { place: key, heads: trace.steps[call.weights].shape.at(-3) ?? 1, d: trace.steps[call.query].shape.at(-1) }) };
  const main = servedBy(trace, step);
  const op = [main.op, trace.innermost(main).op].map(one => LIKE[one] ?? one).find(one => known(`ask.${one}`));
  return { title: op ? t(`ask.${op}`) : t("ask.place", { place: key }), lead: [op ? answer(trace, main, op) : "", t("sheet.lead")].filter(Boolean).join(language === "zh" ? "" : " ") };
}

// Nothing is said where a number of it cannot be told, such as a weight that was computed.
function answer(trace, step, op) {
  try {
    const facts = FACTS[op]?.(trace, step.op === op || LIKE[step.op] === op ? step : trace.innermost(step)) ?? {};
    return Object.values(facts).every(value => value !== undefined) ? t(`op.${op}`, facts) : "";
  } catch (error) {
    if (error instanceof TypeError) return "";
    throw error;
  }
}
