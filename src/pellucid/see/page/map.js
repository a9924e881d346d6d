// The map: the model as boxes in the order in which the data flows, with the shape that passes on each line.
// A translator is drawn as in the paper, encoder left and decoder right; any other model from its module tree.
// Of layers that repeat one is open and the others are folded; the address says which are open.

import { diagram } from "pellucid/diagram.js";
import { el, svg } from "pellucid/dom.js";
import { count, passing, significant, minus } from "pellucid/format.js";
import { known, t } from "pellucid/words.js";

export async function map(app) {
  if (app.trace.loss !== null) await app.trace.load(app.trace.steps[app.trace.loss]);
  const room = app.roomFor(1400), { picture, edges } = drawn(app, room >= 900 ? room - 292 : room);
  for (const link of picture.querySelectorAll("[data-fold]")) link.addEventListener("click", () => { app.refold = link.dataset.fold; });
  if (app.refold) {
    const again = app.refold;
    app.refold = null;
    requestAnimationFrame(() => (picture.querySelector(`[data-fold="${CSS.escape(again)}"]`) ?? picture.querySelector("[data-fold]"))?.focus({ preventScroll: true }));
  }
  return el("div", { class: "map-and-legend" }, el("div", { class: "map", tabindex: 0, role: "region", "aria-label": t("map.title") }, picture),
    el("div", { class: "legend" }, legend(edges), facts(app)));
}

// The boxes and lines alone, with the layers open that the state says.
export function drawn(app, room) {
  const { columns, edges, frames, up } = app.walk_ ? translator(app) : generic(app);
  return { picture: diagram(columns, edges, { room, up, frames }), edges };
}

// The sentence above the map, with this model's own numbers.
export function mapLead(app) {
  const { trace } = app, about = trace.about ?? {};
  const parameters = count(parametersOf(trace));
  if (!app.walk_) return t("map.lead", { parameters, parts: app.groups.filter(group => group.first < Infinity).length });
  return t("map.lead.translator", { parameters, encoder: layersOf(trace, "encoder"), decoder: layersOf(trace, "decoder"), source: about.source ?? "", target: about.target ?? "" });
}

const parametersOf = trace => trace.steps.filter(step => step.op === "parameter").reduce((sum, step) => sum + step.size, 0);

function legend(edges) {
  const kinds = [["wire", true], ["skip", edges.some(edge => edge.kind === "skip")], ["memory", edges.some(edge => edge.kind === "memory")], ["dotted", edges.some(edge => edge.dotted)]];
  const sample = kind => svg("svg", { width: 34, height: 10, "aria-hidden": "true", class: "diagram" }, svg("g", { class: `edge ${kind === "dotted" ? "memory dotted" : kind}` }, svg("path", { class: kind === "dotted" ? "memory" : kind, d: "M1 5H33" })));
  return el("div", {}, el("h3", {}, t("legend.title")), el("ul", {}, kinds.filter(([, there]) => there).map(([kind]) => el("li", {}, sample(kind), el("span", {}, t(`legend.${kind}`)))),
    el("li", {}, el("span", { class: "mono", "aria-hidden": "true" }, "7×128"), el("span", {}, t("legend.shape")))));
}

function facts(app) {
  const { trace } = app, rows = [["facts.parameters", count(parametersOf(trace))]];
  if (app.walk_) {
    rows.push(["facts.layers", `${layersOf(trace, "encoder")} + ${layersOf(trace, "decoder")}`], ["facts.heads", trace.steps[trace.attentions[0].weights].shape.at(-3) ?? 1],
      ["facts.width", trace.find("memory").shape.at(-1)], ["facts.vocabulary", count(trace.find("logits").shape.at(-1))]);
  }
  rows.push(["facts.tensors", count(trace.steps.filter(step => !step.aside && step.update === undefined).length)], ["facts.digits", [...new Set(trace.steps.filter(step => /^b?float/.test(step.dtype)).map(step => step.dtype))].join(", ")]);
  const loss = trace.loss === null ? null : trace.steps[trace.loss], apart = Math.max(...trace.steps.map(step => step.difference ?? 0));
  if (loss?.values) rows.push(["facts.loss", minus(significant(loss.values[0], 4))]);
  if (apart > 0) rows.push(["facts.apart", minus(significant(apart, 2))]);
  return el("div", {}, el("h3", {}, t("facts.title")), el("dl", {}, rows.flatMap(([key, value]) => [el("dt", {}, t(key)), el("dd", {}, value)])));
}

// --- folding ---------------------------------------------------------------------------------------------------------

const mapHref = (app, open) => `${app.href("/map")}&open=${[...open].sort().join(",")}`;

// Runs of layers one after the other that are all open, or all folded: [{layers, open}].
function runsOf(count, isOpen) {
  const runs = [];
  for (let layer = 0; layer < count; layer++) {
    const open = isOpen(layer);
    if (!open && runs.at(-1)?.open === false) runs.at(-1).layers.push(layer); else runs.push({ layers: [layer], open });
  }
  return runs;
}

const layersName = layers => layers.length > 1 ? t("map.layers", { from: layers[0], to: layers.at(-1) }) : t("map.layer", { layer: layers[0] });

// --- a translator ----------------------------------------------------------------------------------------------------

const layersOf = (trace, side) => new Set(trace.attentions.filter(call => call.place.startsWith(`${side}.`)).map(call => call.place.split(".")[1])).size;

function translator(app) {
  const { trace, state } = app, find = name => trace.find(name), callAt = place => trace.attentions.find(call => call.place === place);
  const stage = key => app.stages().find(one => one.key === key), now = state.special ? null : app.stage();
  const open = state.open ?? new Set(["encoder", "decoder"].map(side => `${side}.${Math.min(state.layer, layersOf(trace, side) - 1)}`));
  const columns = [], edges = [], frames = {}, nodes = {};
  for (const [side, input] of [["encoder", "source"], ["decoder", "target"]]) {
    const first = side === "encoder", list = nodes[side] = [];
    let frame = null;
    // A box, and the line that leads into it from the one before: `out` is what it hands on.
    const node = (kind, label, name, out, more = {}) => {
      const found = { kind, label, name, href: app.href(name), frame, out: find(out), ...more };
      if (more.key) Object.assign(found, { number: stage(more.key)?.number, current: now?.key === more.key });
      if (list.length) edges.push({ from: list.at(-1), to: found, steps: [list.at(-1).out] });
      list.push(found);
      return found;
    };
    const vectors = find(`${input}.scaled`) ? `${input}.scaled` : `${input}.embedding`;
    node("box", t(`map.${input}`), input, input, { key: first && "tokens" });
    node("box", t(find(`${input}.scaled`) ? "map.embedding" : "map.embedding.plain"), vectors, vectors, { key: first && "embeddings" });
    if (find(`${input}.positions`)) node("box", t("map.positions"), `${input}.embedded`, `${input}.embedded`, { key: first && "positions" });
    for (const run of runsOf(layersOf(trace, side), layer => open.has(`${side}.${layer}`))) {
      const last = `${side}.${run.layers.at(-1)}`;
      if (!run.open) {
        node("folded", `+ ${layersName(run.layers)}`, last, last, { href: mapHref(app, new Set([...open, ...run.layers.map(layer => `${side}.${layer}`)])), fold: `${side}.${run.layers[0]}`, detail: t("map.unfold"), hidden: run.layers });
        continue;
      }
      frame = last;
      const layer = run.layers[0], shown = layer === Math.min(state.layer, layersOf(trace, side) - 1), more = key => ({ key: shown && key });
      frames[frame] = { label: t("map.layer", { layer }), said: t("map.fold", { layer: `${t(`map.${side}`)}, ${t("map.layer", { layer })}` }), href: layersOf(trace, side) > 1 ? mapHref(app, [...open].filter(one => one !== last)) : null };
      const parts = first ? [["self_attention", "encoder_attention"], ["feed_forward", "feed_forward"]] : [["self_attention", "decoder_attention"], ["cross_attention", "cross_attention"], ["feed_forward", null]];
      for (const [part, key] of parts) {
        const at = `${last}.${part}`, norm = find(`${at}_residual.norm`), add = find(`${at}_residual.add`), main = find(at), pre = norm && main && norm.id < main.id, before = list.at(-1);
        if (pre) node("norm", t("map.norm"), norm.name, norm.name);
        const call = callAt(at), name = call ? trace.steps[call.weights].name : at, out = call?.output === undefined ? at : trace.steps[call.output].name;
        const inner = call ? t("map.heads", { count: trace.steps[call.weights].shape.at(-3) ?? 1 }) : find(`${at}.wide`) ? t("map.inner", { count: find(`${at}.wide`).shape.at(-1) }) : null;
        const box = node(call ? "attention" : "box", t(`map.${first || part !== "self_attention" ? part : "masked_attention"}`), name, out, { ...more(key), detail: inner });
        if (part === "cross_attention") Object.assign(box, { cross: call });
        if (add) {
          const plus = node("add", t("map.add"), add.name, add.name, more(first && part === "self_attention" ? "add_and_norm" : null));
          edges.push({ from: before, to: plus, steps: [before.out], kind: "skip" });
        }
        if (!pre && norm) node("norm", t("map.norm"), norm.name, norm.name);
      }
      frame = null;
    }
    if (trace.named.has(`${side}_norm`)) node("norm", t("map.norm"), `${side}_norm`, `${side}_norm`);
    if (first) node("box", t("map.memory"), "memory", "memory", { key: "keys_and_values" });
    else {
      node("box", t("map.projection"), "logits", "logits", { key: "projection" });
      if (find("probabilities")) node("box", t("map.softmax"), "probabilities", "probabilities", { key: "softmax" });
    }
    columns.push({ title: t(`map.${side}`), nodes: list });
  }
  // Keys and values cross over: to each open layer its own, to folded ones the memory that they make theirs of.
  const memory = nodes.encoder.at(-1);
  for (const to of nodes.decoder) {
    if (to.cross) for (const [part, mark, shift] of [["key", "K", -10], ["value", "V", 10]]) edges.push({ from: memory, to, steps: [trace.steps[to.cross[part]]], kind: "memory", mark, shift });
    else if (to.hidden) edges.push({ from: memory, to, steps: [memory.out], kind: "memory", dotted: true });
  }
  return { columns, edges, frames, up: true };
}

// --- any model -------------------------------------------------------------------------------------------------------

export const LAYER = /^((?:.*?\.)?)(\d+)(?=\.|$)/;

// The boxes of a model: its places, of layers that are alike one open and the others folded into one box.
function generic(app) {
  const { trace, state } = app, parts = partsOf(trace, app.groups), frames = {}, all = [];
  const runs = alike(parts), open = state.open ?? new Set(runs.map(run => run.layers[0].key));
  const now = state.special ? null : state.step?.group;
  const add = (part, frame) => {
    const last = lastOf(trace, part), inner = trace.innermost(last), call = part.group.call && part.steps.includes(trace.steps[part.group.call.weights]) ? part.group.call : null;
    const label = (frame === null ? part.key : part.key.slice(frame.length).replace(/^\./, "")) || (frame === null ? last.name : t("map.layer", { layer: frame.split(".").at(-1) }));
    const detail = call ? t("map.heads", { count: trace.steps[call.weights].shape.at(-3) ?? 1 }) : known(`kind.${last.op}`) ? t(`kind.${last.op}`) : [last.op, inner.op].includes(label) ? null : last.op;
    all.push({ kind: call ? "attention" : trace.isLeaf(last) ? "norm" : "box", label, detail, name: last.name, href: app.href(last.name), frame, current: now === part.group, parts: [part] });
  };
  for (let i = 0; i < parts.length;) {
    const run = runs.find(one => one.layers[0].parts[0] === parts[i]);
    if (!run) { add(parts[i++], null); continue; }
    for (const some of runsOf(run.layers.length, n => open.has(run.layers[n].key))) {
      const layers = some.layers.map(n => run.layers[n]), key = layers[0].key;
      if (some.open) {
        frames[key] = { label: t("map.layer", { layer: layers[0].number }), said: t("map.fold", { layer: key }), href: mapHref(app, [...open].filter(one => one !== key)) };
        for (const part of layers[0].parts) add(part, key);
      } else {
        const inside = layers.flatMap(layer => layer.parts);
        all.push({ kind: "folded", label: `+ ${layersName(layers.map(layer => layer.number))}`, detail: t("map.unfold"), name: lastOf(trace, inside.at(-1)).name, href: mapHref(app, new Set([...open, ...layers.map(layer => layer.key)])), fold: key, frame: null, parts: inside });
      }
    }
    i += run.layers.reduce((sum, layer) => sum + layer.parts.length, 0);
  }
  const edges = linesBetween(trace, all);
  return { columns: sides(all, edges), edges, frames, up: false };
}

// A place is one box, unless others compute between its steps: then it is as many as nothing flows back to.
function partsOf(trace, groups) {
  const parts = [], latest = new Map(), partOf = new Map(), seen = new Set(groups.filter(group => group.first < Infinity));
  for (const step of trace.steps) {
    if (!seen.has(step.group) || step.aside || ["parameter", "constant"].includes(step.op)) continue;
    const after = Math.max(-1, ...step.operands.map(([, id]) => partOf.get(trace.steps[id])?.at ?? -1));
    let part = latest.get(step.group);
    if (!part || after > part.at) {
      parts.push(part = { key: step.group.key, group: step.group, steps: [], at: parts.length });
      latest.set(step.group, part);
    }
    part.steps.push(step);
    partOf.set(step, part);
  }
  return parts;
}

const lastOf = (trace, part) => part.steps.filter(step => !trace.isLeaf(step) && !step.within && !step.aside).at(-1) ?? part.steps[0];

// Layers one after the other with the same operations and shapes, two or more: [{layers: [{key, number, parts}]}].
function alike(parts) {
  const layers = [];
  for (const part of parts) {
    const found = LAYER.exec(part.key);
    const key = found && found[1] + found[2];
    if (found && layers.at(-1)?.key === key) layers.at(-1).parts.push(part);
    else layers.push({ key, number: found && Number(found[2]), prefix: found?.[1], parts: [part] });
  }
  for (const layer of layers) layer.form = layer.parts.map(part => part.steps.filter(step => !step.within).map(step => step.op + passing(step))).join(";");
  const runs = [];
  for (let i = 0; i < layers.length;) {
    let end = i + 1;
    while (layers[i].key !== null && end < layers.length && layers[end].prefix === layers[i].prefix && layers[end].form === layers[i].form) end++;
    if (end - i >= 2 && layers[i].key !== null) runs.push({ layers: layers.slice(i, end) });
    i = Math.max(end, i + 1);
  }
  return runs;
}

// What passes from box to box, each pair once, with all the steps that pass.
function linesBetween(trace, all) {
  const lines = new Map(), boxOf = new Map(all.flatMap(node => node.parts.flatMap(part => part.steps.map(step => [step, node]))));
  for (const [step, to] of boxOf) {
    for (const [, id] of step.operands) {
      const operand = trace.steps[id], from = boxOf.get(operand);
      if (!from || from === to) continue;
      const key = `${all.indexOf(from)}-${all.indexOf(to)}`;
      if (!lines.has(key)) lines.set(key, { from, to, steps: [] });
      if (!lines.get(key).steps.includes(operand)) lines.get(key).steps.push(operand);
    }
  }
  return [...lines.values()];
}

// An encoder and a decoder stand side by side, each with what leads to it alone; all else is one column.
function sides(all, edges) {
  const isEncoder = node => /(^|\.)encoder/.test(node.parts[0].key), isDecoder = node => /(^|\.)decoder/.test(node.parts[0].key);
  if (!all.some(isEncoder) || !all.some(isDecoder)) return [{ nodes: all }];
  const left = new Set(all.filter(isEncoder));
  for (const node of [...all].reverse()) {
    const users = edges.filter(edge => edge.from === node).map(edge => edge.to);
    if (!isDecoder(node) && users.length && users.every(one => left.has(one))) left.add(node);
  }
  return [{ nodes: all.filter(node => left.has(node)) }, { nodes: all.filter(node => !left.has(node)) }];
}
