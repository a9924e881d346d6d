// The middle of the page: the matrices of one stage or one place, in the order in which they are computed.

import { TABLES, compared, headShares, multiples } from "pellucid/attention.js";
import { button, el } from "pellucid/dom.js";
import { Figure } from "pellucid/figure.js";
import { passing } from "pellucid/format.js";
import { mainSteps, onlyMoves, rowsOf } from "pellucid/groups.js";
import { maskLegend } from "pellucid/mask.js";
import { pictures, seenWhole } from "pellucid/pictures.js";
import { countedStep } from "pellucid/questions.js";
import { alongTime, timeView } from "pellucid/time.js";
import { moveOf, partsOf } from "pellucid/move.js";
import { axisName, t } from "pellucid/words.js";

const MOST = 24; // figures at once; more of a place are links

// What is on it; of that `now` has to be read before it is built, and the rest is read as it is drawn.
export function sheetSteps(app) {
  const { trace, state } = app, step = state.step;
  if (state.update) return stepOf(app);
  const call = callOf(app);
  let steps = call ? TABLES.map(part => call[part]).filter(id => id !== undefined).map(id => trace.steps[id]) : [];
  const stage = app.stage();
  if (!call && stage) steps = stage.steps.map(id => trace.steps[id]).flatMap(one => opened(trace, one, step, trace.steps[stage.show]));
  else if (!call) steps = mainSteps(trace, step.group, step).slice(0, MOST);
  steps = [...new Set(steps)];
  const recurrent = !stage && !call && alongTime(trace, step.group, step).length > 0;
  if (recurrent) steps = steps.filter(one => one === step || !/\.t\d+\./.test(one.name));
  const rows = call ? [] : rowsOf(trace, steps.includes(step) ? steps : [...steps, step]);
  const shown = new Set([...steps, ...rows.flatMap(row => [...row.operands, row.result])]);
  const extra = [];
  if (call && !shown.has(step)) extra.push(step);
  if (state.cell) for (const one of operandsOf(app, step)) if (!shown.has(one) && one !== step) extra.push(one);
  const lines = stage ? [] : alongTime(trace, step.group, step);
  for (const line of lines) for (const one of line.steps) shown.add(one);
  const counted = stage || call ? null : countedStep(trace, step);
  const now = [...lines.flatMap(line => line.steps), ...(call && state.heads.two !== null ? [trace.steps[call.weights]] : []), ...(call ? sharesFrom(trace, call) : []), ...seenWhole(rows)];
  return { call, stage, lines, steps, rows, now, counted, extra: [...new Set(extra)], all: [...new Set([...shown, ...extra, ...(call ? sharesFrom(trace, call) : [])])] };
}

// All that a training step makes of a parameter, from its gradient to its new value.
function stepOf(app) {
  const { trace, state } = app, move = moveOf(trace, state.step);
  const steps = move ? partsOf(trace, state.step) : [state.step], rows = rowsOf(trace, steps.filter(one => one === state.step || one.update !== undefined));
  return { call: null, stage: null, lines: [], steps, rows, now: [], counted: null, extra: [], all: [...new Set(rows.flatMap(row => [...row.operands, row.result]))] };
}

const sharesFrom = (trace, call) => call.output === undefined ? [] : [trace.steps[call.heads], ...trace.operands(trace.steps[call.output])];

export function operandsOf(app, step) {
  const { trace, state } = app;
  if (state.backward) return (trace.made.get(step.id) ?? []).filter(one => trace.hasGradient(one));
  return trace.operands(trace.innermost(step));
}

// A fused step as those it was opened into, and itself at the end in the place of the last; closed, where nothing of
// it is chosen.
function opened(trace, step, chosen, main) {
  let within = chosen;
  while (within && within !== step) within = within.within;
  if (!step.inside || (step !== within && step !== main)) return [step];
  return [...step.inside.slice(0, -1).map(id => trace.steps[id]).filter(one => one.op !== "constant" && !onlyMoves(one)).flatMap(one => opened(trace, one, chosen, null)), step];
}

function callOf(app) {
  const { trace, state } = app, stage = app.stage();
  if (stage) return trace.attentions.find(call => stage.steps.includes(call.weights)) ?? null;
  return state.step.group?.call ?? callWith(trace, state.step);
}

// The attention of which a step is a part, where its place has no name of its own.
function callWith(trace, step) {
  const holds = one => call => ["scores", "scaled", "masked", "weights", "heads"].some(part => call[part] === one.id);
  for (; step; step = step.within) {
    const call = trace.attentions.find(holds(step));
    if (call) return call;
  }
  return null;
}

export function sheet(app, plan) {
  const { trace, state } = app, figures = [], limit = state.oneScale ? largestOf(trace, plan.all, state.backward) : 0;
  const make = (step, width, { title, sign, dense = false } = {}) => {
    const figure = new Figure(trace, step, { dense, limit, sign, kind: state.backward ? "gradient" : "value", lead: state.lead, width: app.roomFor(width), title: title ?? titleOf(step) });
    app.attach(figure);
    figures.push(figure);
    return figure.element;
  };
  const body = [tools(app, plan)], narrow = state.update || state.step.update !== undefined ? 372 : null; // many of one shape, side by side
  if (plan.call) body.push(...attentionTables(app, plan.call, make));
  const time = plan.lines.length ? timeView(app, plan.lines, figures) : null;
  if (time) body.push(time);
  const picture = pictures(app, plan);
  if (picture) body.push(picture);
  const flowing = el("div", { class: "row sheet-row" });
  body.push(flowing);
  for (const row of plan.rows) {
    if (state.backward && ![row.result, ...row.operands].some(one => trace.hasGradient(one))) continue;
    const parts = [];
    row.operands.forEach((one, i) => {
      if (state.backward && !trace.hasGradient(one)) return;
      const mark = one.name.endsWith("bias") && row.sign ? "+" : row.sign;
      parts.push(make(one, narrow ?? 800, { sign: i && mark ? mark : null }));
    });
    if (!state.backward || trace.hasGradient(row.result)) parts.push(make(row.result, narrow ?? 800, { sign: parts.length ? state.backward ? "←" : "→" : null }));
    flowing.append(...parts);
  }
  const extra = plan.extra.filter(one => !state.backward || trace.hasGradient(one));
  if (extra.length) {
    body.push(el("section", {}, el("h3", {}, t(state.backward ? "sheet.consumers" : "sheet.operands")), el("div", { class: "row" }, extra.map(one => make(one, 700)))));
  }
  body.push(others(app, plan));
  return { element: el("div", { class: "sheet" }, body), figures };
}

// The largest finite number of all matrices of a sheet.
function largestOf(trace, steps, backward) {
  let most = 0;
  for (const step of steps) {
    if (/^u?int|bool/.test(step.dtype)) continue;
    for (const value of (backward ? step.gradients : step.values) ?? []) {
      const size = Math.abs(value);
      if (size > most && size !== Infinity) most = size;
    }
  }
  return most;
}

function titleOf(step) {
  if (step.update !== undefined) return step.name.slice(step.place.length + 1); // exp_avg.before
  const parts = step.name.split(".");
  return ["weight", "bias"].includes(parts.at(-1)) || /^\d+$/.test(parts.at(-1)) ? parts.slice(-2).join(".") : parts.at(-1);
}

function tools(app, plan) {
  const { trace, state } = app, axes = new Map();
  for (const step of plan.all) {
    step.axes.slice(0, -2).forEach(([axis, labels], d) => {
      if (step.shape[d] > 1) axes.set(axis, { size: Math.max(step.shape[d], axes.get(axis)?.size ?? 0), labels });
    });
  }
  const choosers = [...axes].map(([axis, { size, labels }]) => el("label", {}, axisName(axis),
    el("select", { "aria-label": axisName(axis), "data-axis": axis, onchange: event => app.lead(axis, Number(event.target.value)) },
      Array.from({ length: Math.min(size, 512) }, (_, i) => el("option", { value: i, selected: i === (state.lead[axis] ?? 0) }, labels === undefined ? i : `${i} ${trace.labels[labels][i]}`)))));
  const stage = plan.stage, layers = stage ? app.layersOf(stage.key) : [];
  if (layers.length > 1) {
    choosers.unshift(el("label", {}, t("layer"), el("select", { "aria-label": t("layer"), onchange: event => app.toLayer(Number(event.target.value)) },
      layers.map(layer => el("option", { value: layer, selected: layer === state.layer }, layer)))));
  }
  if (plan.call) choosers.push(el("span", {}, t(`mask.${plan.call.reason}`)));
  choosers.push(button(t("scale.one"), () => app.set({ oneScale: !state.oneScale }), { "aria-pressed": state.oneScale, title: t("scale.one.long") }));
  return el("div", { class: "tools" }, choosers, state.heads.one !== null ? button(t("heads.free"), () => app.freeHeads()) : null);
}

function attentionTables(app, call, make) {
  const { trace, state } = app, part = name => call[name] === undefined ? null : trace.steps[call[name]];
  const table = (name, width, sign) => {
    const step = part(name);
    return !step || (state.backward && !trace.hasGradient(step)) ? null : make(step, width, { title: t(`table.${name}`), dense: true, sign });
  };
  const then = (name, width) => table(name, width, state.backward ? "←" : "→");
  const room = app.roomFor(2000), third = room < 520 ? room : Math.min(264, Math.floor((room - 40) / 3));
  const same = part("masked") === part("scaled");
  const hidden = element => {
    const figure = element?.matches("figure") ? element : element?.querySelector("figure");
    const legend = () => figure.append(maskLegend(trace, call, figure.figure));
    if (figure && call.reason !== "none" && !state.backward) figure.figure.there ? legend() : figure.figure.ready().then(legend);
    return element;
  };
  return [multiples(trace, call, app), compared(trace, call, app),
    el("div", { class: "row sheet-row" }, table("query", third), table("key", third), table("value", third)),
    el("div", { class: "row sheet-row" }, table("scores", 560), then("scaled", 560), same ? null : hidden(then("masked", 560)), then("weights", 560)),
    el("div", { class: "row sheet-row" }, table("heads", 480), then("output", 800)),
    state.backward ? null : headShares(trace, call, app)].flat().filter(Boolean);
}

// Steps of the place that have no figure on the sheet.
function others(app, plan) {
  const shown = new Set(plan.all), group = app.state.step.group;
  const rest = (group?.steps ?? []).filter(one => !shown.has(one));
  if (!rest.length) return null;
  return el("details", { class: "others" }, el("summary", {}, t("sheet.others", { count: rest.length })),
    el("ul", { class: "plain" }, rest.map(one => el("li", {}, el("a", { href: app.href(one.name), class: "mono" }, one.name), el("span", { class: "quiet mono" }, ` ${passing(one)}`)))));
}
