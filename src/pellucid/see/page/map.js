// The map: the model as boxes in the order in which the data flows, with the shape that passes on each edge.
// A translator is drawn as in the paper, encoder left and decoder right; any other model from its module tree.

import { el, svg } from "pellucid/dom.js";
import { sizes } from "pellucid/format.js";
import { t } from "pellucid/words.js";

const WIDTH = 246, GAP = 20;

export function map(app) {
  const picture = app.walk_ ? translator(app) : generic(app);
  return el("div", { class: "map" }, picture);
}

function arrowHead() {
  return svg("defs", {}, ["wire", "skip", "memory"].map(kind => svg("marker", { id: `arrow-${kind}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto-start-reverse" },
    svg("path", { d: "M0 0L8 4L0 8z", style: `fill:${kind === "wire" ? "var(--quiet)" : kind === "skip" ? "rgb(var(--neg))" : "rgb(var(--share))"}` }))));
}

function box(app, x, y, w, h, { label, shape, name, number, current }) {
  const link = svg("a", { href: app.href(name), "data-name": name, "aria-current": current ? "step" : null, class: current ? "here" : null, "aria-label": `${number ? `${number}. ` : ""}${label}${shape ? `, ${shape}` : ""}` },
    svg("rect", { class: "box", x, y, width: w, height: h }), svg("text", { x: x + (number ? 34 : 12), y: y + h / 2 + 4.5 }, label),
    shape ? svg("text", { class: "q", x: x + w - 10, y: y + h / 2 + 4, "text-anchor": "end" }, shape) : null);
  if (number) link.append(svg("circle", { class: "no", cx: x + 18, cy: y + h / 2, r: 10 }), svg("text", { class: "n", x: x + 18, y: y + h / 2 + 4, "text-anchor": "middle" }, number));
  return link;
}

// --- a translator --------------------------------------------------------------------------------------------------

function translator(app) {
  const { trace } = app, has = name => trace.find(name), stage = key => app.stages().find(one => one.key === key);
  const layerCount = side => new Set(trace.attentions.map(call => call.place).filter(place => place.startsWith(`${side}.`)).map(place => place.split(".")[1])).size;
  const columns = { encoder: [], decoder: [] };
  const shapeOf = name => has(name) ? sizes(has(name).shape.filter((n, d) => d > 0 || n > 1)) : "";
  const node = (side, kind, label, name, number) => columns[side].push({ kind, label, name, number, shape: kind === "add" ? "" : shapeOf(name) });
  const numberOf = key => stage(key)?.number;
  for (const [side, input] of [["encoder", "source"], ["decoder", "target"]]) {
    const first = side === "encoder", layer = Math.min(app.state.layer, layerCount(side) - 1), at = part => `${side}.${layer}.${part}`;
    node(side, "box", t(`map.${input}`), input, first ? numberOf("tokens") : null);
    node(side, "box", t("map.embedding"), has(`${input}.scaled`) ? `${input}.scaled` : `${input}.embedding`, first ? numberOf("embeddings") : null);
    if (has(`${input}.positions`)) node(side, "box", t("map.positions"), `${input}.embedded`, first ? numberOf("positions") : null);
    for (let l = 0; l < layer; l++) node(side, "folded", t("map.layer", { layer: l }), `${side}.${l}`, null);
    const subs = first ? [["self_attention", "encoder_attention"], ["feed_forward", "feed_forward"]] : [["self_attention", "decoder_attention"], ["cross_attention", "cross_attention"], ["feed_forward", null]];
    for (const [part, key] of subs) {
      const norm = at(`${part}_residual.norm`), name = at(part), pre = has(norm) && has(name) && has(norm).id < has(name).id;
      const from = columns[side].length - 1;
      const add = at(`${part}_residual.add`);
      if (pre) node(side, "norm", t("map.norm"), norm, null);
      node(side, part === "cross_attention" ? "cross" : "box", t(`map.${first || part !== "self_attention" ? part : "masked_attention"}`), part.endsWith("attention") ? at(`${part}.weights`) : name, key ? numberOf(key) : null);
      if (has(add)) { node(side, "add", "+", add, first && part === "self_attention" ? numberOf("add_and_norm") : null); columns[side].at(-1).skipFrom = from; }
      if (!pre && has(norm)) node(side, "norm", t("map.norm"), norm, null);
    }
    for (let l = layer + 1; l < layerCount(side); l++) node(side, "folded", t("map.layer", { layer: l }), `${side}.${l}`, null);
    if (has(`${side}_norm`) && trace.named.has(`${side}_norm`)) node(side, "norm", t("map.norm"), `${side}_norm`, null);
    if (first) node(side, "box", t("map.memory"), "memory", numberOf("keys_and_values"));
    else {
      node(side, "box", t("map.projection"), "logits", numberOf("projection"));
      if (has("probabilities")) node(side, "box", t("map.softmax"), "probabilities", numberOf("softmax"));
    }
  }
  const heights = { box: 34, cross: 34, norm: 26, folded: 24, add: 20 };
  const tall = side => columns[side].reduce((sum, one) => sum + heights[one.kind] + GAP, 0);
  const height = Math.max(tall("encoder"), tall("decoder")) + 24, x = { encoder: 34, decoder: 420 };
  const drawn = [], wires = [];
  for (const side of ["encoder", "decoder"]) {
    let y = height - 12;
    for (const [i, one] of columns[side].entries()) {
      const h = heights[one.kind];
      y -= h;
      Object.assign(one, { y, h, x: x[side], mid: x[side] + WIDTH / 2 });
      const current = app.stage() && one.number === app.stage().number && !app.state.special;
      if (one.kind === "add") {
        drawn.push(svg("a", { href: app.href(one.name), "data-name": one.name, "aria-label": t("map.add") }, svg("rect", { class: "box", x: one.mid - 10, y, width: 20, height: 20, style: "rx:10px" }), svg("text", { x: one.mid, y: y + 15, "text-anchor": "middle" }, "+")));
        if (one.number) drawn.push(svg("circle", { class: "no", cx: one.mid + 26, cy: y + 10, r: 10 }), svg("text", { class: "n", x: one.mid + 26, y: y + 14, "text-anchor": "middle" }, one.number));
      } else drawn.push(box(app, one.x, y, WIDTH, h, { ...one, current }));
      if (i) wires.push(svg("path", { class: "wire", d: `M${one.mid} ${columns[side][i - 1].y}V${y + h + 1}`, "marker-end": "url(#arrow-wire)" }));
      if (one.skipFrom !== undefined) {
        const from = columns[side][one.skipFrom], out = side === "encoder" ? one.x - 22 : one.x + WIDTH + 22, start = from.y - GAP / 2 + 2;
        wires.push(svg("path", { class: "skip", d: `M${one.mid} ${start}H${out}V${y + 10}H${one.mid + (side === "encoder" ? -12 : 12)}`, "marker-end": "url(#arrow-skip)" }));
      }
      y -= GAP;
    }
  }
  const memory = columns.encoder.at(-1), cross = columns.decoder.find(one => one.kind === "cross");
  if (memory && cross) {
    const out = memory.x + WIDTH, mid = (out + cross.x) / 2;
    wires.push(svg("path", { class: "memory", d: `M${out} ${memory.y + memory.h / 2}H${mid}V${cross.y + cross.h / 2}H${cross.x - 2}`, "marker-end": "url(#arrow-memory)" }),
      svg("text", { class: "q", x: mid + 6, y: (memory.y + cross.y) / 2 + 20 }, "K, V"));
    for (const other of columns.decoder.filter(one => one.kind === "folded")) wires.push(svg("path", { class: "memory", d: `M${mid} ${cross.y + cross.h / 2}V${other.y + other.h / 2}H${other.x - 2}`, "marker-end": "url(#arrow-memory)", "stroke-dasharray": "3 3" }));
  }
  const titles = ["encoder", "decoder"].map(side => svg("text", { class: "q", x: x[side], y: columns[side].at(-1).y - 10 }, t(`map.${side}`)));
  return svg("svg", { viewBox: `0 -14 700 ${height + 16}`, width: 700, role: "group", "aria-label": t("map.title") }, arrowHead(), wires, drawn, titles);
}

// Repeated layers, blocks.0, blocks.1, ..., with all between the first and the last folded into one line.
function folded(groups) {
  const layerOf = group => /^(.*?)\.?(\d+)(?:\.|$)/.exec(group.key);
  const found = [];
  for (let i = 0; i < groups.length;) {
    const first = layerOf(groups[i]);
    let end = i;
    while (first && end < groups.length && layerOf(groups[end])?.[1] === first[1]) end++;
    const numbers = first ? [...new Set(groups.slice(i, end).map(group => Number(layerOf(group)[2])))] : [];
    const whole = first && first[1] && numbers.length > 3;
    if (!whole) { found.push(...groups.slice(i, Math.max(end, i + 1))); i = Math.max(end, i + 1); continue; }
    const inside = numbers.slice(1, -1), of = group => Number(layerOf(group)[2]);
    found.push(...groups.slice(i, end).filter(group => of(group) === numbers[0]));
    found.push({ hidden: inside.length, from: `${first[1]}.${inside[0]}`, to: `${first[1]}.${inside.at(-1)}`, steps: [], key: "" });
    found.push(...groups.slice(i, end).filter(group => of(group) === numbers.at(-1)));
    i = end;
  }
  return found;
}

// --- any model -----------------------------------------------------------------------------------------------------

function generic(app) {
  const { trace } = app, groups = folded(app.groups.filter(group => group.first < Infinity));
  const at = new Map(groups.map((group, i) => [group, i])), edges = new Map();
  for (const group of groups) {
    for (const step of group.steps) {
      for (const [, id] of step.operands) {
        const from = trace.steps[id].group;
        if (from !== group && at.has(from) && !["parameter", "constant"].includes(trace.steps[id].op)) edges.set(`${at.get(from)}-${at.get(group)}`, trace.steps[id]);
      }
    }
  }
  const h = 34, pitch = 62, x = 60, width = 320, height = groups.length * pitch + 10, drawn = [], wires = [];
  groups.forEach((group, i) => {
    if (group.hidden) {
      drawn.push(svg("text", { class: "q", x: x + width / 2 + 8, y: 10 + i * pitch + h / 2 + 4 }, t("map.folded", { count: group.hidden, from: group.from, to: group.to })));
      if (i) wires.push(svg("path", { class: "wire", "stroke-dasharray": "3 4", d: `M${x + width / 2} ${10 + (i - 1) * pitch + h}V${10 + (i + 1) * pitch - 1}`, "marker-end": "url(#arrow-wire)" }));
      return;
    }
    const last = group.steps.filter(step => !trace.isLeaf(step) && !step.within && !step.aside).at(-1) ?? group.steps[0];
    drawn.push(box(app, x, 10 + i * pitch, width, h, { label: group.key || last.name, shape: sizes(last.shape), name: last.name, current: app.state.step?.group === group && !app.state.special }));
  });
  let lanes = 0;
  for (const [key, step] of edges) {
    const [from, to] = key.split("-").map(Number), start = 10 + from * pitch + h, end = 10 + to * pitch;
    if (to === from + 1) {
      wires.push(svg("path", { class: "wire", d: `M${x + width / 2} ${start}V${end - 1}`, "marker-end": "url(#arrow-wire)" }),
        svg("text", { class: "q", x: x + width / 2 + 8, y: (start + end) / 2 + 4 }, sizes(step.shape)));
    } else if (to > from) {
      const out = x + width + 18 + (lanes++ % 6) * 12;
      wires.push(svg("path", { class: "skip", d: `M${x + width} ${start - h / 2 + 6}H${out}V${end + h / 2 - 6}H${x + width + 2}`, "marker-end": "url(#arrow-skip)" }));
    }
  }
  return svg("svg", { viewBox: `0 0 640 ${height}`, width: 640, role: "group", "aria-label": t("map.title") }, arrowHead(), wires, drawn);
}
