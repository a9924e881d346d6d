// Boxes in columns and the lines between them; on each line stands the shape that passes.
//
// A line to the next box goes straight; one that passes boxes by runs in a lane beside its column; one to another
// column runs in the channel between them. Lines of one step share their lane and branch off it.

import { colours } from "pellucid/colour.js";
import { svg } from "pellucid/dom.js";
import { passing } from "pellucid/format.js";
import { axisName, t } from "pellucid/words.js";

const TALL = { box: 32, attention: 38, norm: 24, add: 18, folded: 28 };
const GAP = 24, FRAME = 14; // between boxes, and more where a layer begins or ends
const RAIL = 22, LANE = 19, CHANNEL = 15, TURN = 6;

// columns: [{title, nodes}], nodes in the order of computation: {kind, label, detail, href, number, numberHref, current, frame}.
// edges: [{from, to, steps, kind ("skip", "memory" or none), mark, dotted}]; frames: {key: {label, href, action}}.
// The width is the room there is: boxes are as wide as fits.
export function diagram(columns, edges, { room, up = false, frames = {} }) {
  for (const [c, column] of columns.entries()) column.nodes.forEach((node, i) => Object.assign(node, { column: c, at: i }));
  const straight = edges.filter(edge => edge.from.column === edge.to.column && edge.to.at === edge.from.at + 1 && edge.kind !== "skip");
  const aside = edges.filter(edge => edge.from.column === edge.to.column && !straight.includes(edge));
  const across = edges.filter(edge => edge.from.column !== edge.to.column);
  for (const [c, column] of columns.entries()) column.lanes = lanesOf(aside.filter(edge => edge.from.column === c));
  for (const edge of aside) edge.kind ??= "skip";
  for (const edge of across) edge.kind ??= "memory";
  const trunks = trunksOf(across), framed = columns.some(column => column.nodes.some(node => node.frame));
  const margin = columns.some(column => column.nodes.some(node => node.number)) ? RAIL + 16 : framed ? 16 : 2;
  const beside = columns.reduce((sum, column) => sum + margin + 14 + column.lanes.count * LANE, 0) + (columns.length - 1) * (48 + trunks.count * CHANNEL);
  const wide = Math.max(172, Math.min(columns.length > 1 ? 236 : 340, Math.floor((room - beside) / columns.length)));
  const label = Math.max(0, ...across.filter(edge => !edge.dotted).map(edge => lettering(edge).length * 6.7 + 14)); // before the channel
  let x = 0;
  for (const column of columns) {
    Object.assign(column, { frameLeft: x + 2, left: x + margin, middle: x + margin + wide / 2, right: x + margin + wide });
    column.frameRight = column.right + 12 + column.lanes.count * LANE;
    column.channel = Math.max(column.frameRight + 14, column.right + label);
    x = column.channel + 10 + trunks.count * CHANNEL;
  }
  const width = columns.at(-1).frameRight + 2;
  const height = Math.max(...columns.map(place)) + 8;
  for (const column of columns) for (const node of column.nodes) node.y = up ? height - node.far - 4 : node.near + 4;
  const draw = { columns, wide, up, trunks, frames };
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": t("map.title"), class: "diagram" }, heads(),
    columns.flatMap(column => [...framesOf(draw, column), rail(column)]),
    straight.map(edge => wire(draw, edge)), aside.map(edge => skip(draw, edge)), across.map(edge => cross(draw, edge)),
    columns.flatMap(column => column.nodes.map(node => box(draw, column, node))));
}

const heads = () => svg("defs", {}, ["wire", "skip", "memory"].map(kind => svg("marker", { id: `arrow-${kind}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto" },
  svg("path", { class: `head-${kind}`, d: "M0 0.5L8 4L0 7.5z" }))));

// How far from the beginning each box starts and ends; returns where the last ends.
function place(column) {
  let at = 10;
  column.nodes.forEach((node, i) => {
    const before = column.nodes[i - 1];
    if (before) at += GAP + (before.frame !== node.frame ? FRAME : 0);
    node.tall = TALL[node.kind] ?? TALL.box;
    node.near = at;
    node.far = at += node.tall;
  });
  return at + 10;
}

// Lanes of the lines that pass boxes by: short ones inside, those of one step together.
function lanesOf(edges) {
  const sources = new Map();
  for (const edge of edges) {
    const key = `${edge.from.at}:${edge.steps.map(step => step.name)}`;
    if (!sources.has(key)) sources.set(key, { from: edge.from.at, to: edge.to.at, edges: [] });
    const source = sources.get(key);
    source.from = Math.min(source.from, edge.to.at, edge.from.at);
    source.to = Math.max(source.to, edge.to.at, edge.from.at);
    source.edges.push(edge);
  }
  const lanes = [];
  for (const source of [...sources.values()].sort((a, b) => a.to - a.from - (b.to - b.from))) {
    let lane = lanes.findIndex(taken => taken.every(other => other.to <= source.from || other.from >= source.to));
    if (lane < 0) lane = lanes.push([]) - 1;
    lanes[lane].push(source);
    source.edges.forEach((edge, i) => Object.assign(edge, { lane, labelled: i === source.edges.length - 1 }));
  }
  return { count: lanes.length };
}

// Lines from one column to another: one way down the channel for each step.
function trunksOf(edges) {
  const trunks = new Map();
  for (const edge of edges) {
    const key = `${edge.from.column}:${edge.from.at}:${edge.mark ?? ""}${edge.steps.map(step => step.name)}`;
    edge.labelled = !trunks.has(key);
    if (!trunks.has(key)) trunks.set(key, trunks.size);
    edge.trunk = trunks.get(key);
  }
  return { count: trunks.size };
}

const shapesOf = edge => [...new Set(edge.steps.map(passing))].join(", ");
const lettering = edge => `${edge.mark ? `${edge.mark} ` : ""}${shapesOf(edge)}`;
const inWords = edge => edge.steps.map(step => `${step.name}: ${step.shape.map((n, d) => `${axisName(step.axes[d][0])} ${n}`).join(" × ")}`).join("\n");

const outOf = node => node.out?.name ?? node.name; // what a box hands on

function group(edge, path, label, dotted = edge.dotted) {
  const kind = edge.kind ?? "wire";
  return svg("g", { class: `edge ${kind}${dotted ? " dotted" : ""}`, "data-steps": edge.steps.map(step => step.name).join(" "), "data-from": outOf(edge.from), "data-to": outOf(edge.to) },
    svg("path", { class: kind, d: path, "marker-end": `url(#arrow-${kind})` }), label ? svg("text", { class: "shape", ...label }, label.text ?? shapesOf(edge), svg("title", {}, inWords(edge))) : null);
}

const leaves = ({ up }, node) => up ? node.y : node.y + node.tall;
const enters = ({ up }, node) => up ? node.y + node.tall : node.y;

function wire(draw, edge) {
  const x = draw.columns[edge.from.column].middle, start = leaves(draw, edge.from), end = enters(draw, edge.to);
  const beside = draw.up && edge.from.frame && edge.from.frame !== edge.to.frame; // on the left stands the frame's name
  return group(edge, `M${x} ${start}V${end + (draw.up ? 1 : -1)}`, { x: beside ? x + 9 : x - 9, y: (start + end) / 2 + 4, "text-anchor": beside ? "start" : "end" });
}

// Corners are round, so that a crossing is not taken for a joint.
function turns(points) {
  let path = `M${points[0]}`;
  for (let i = 1; i < points.length - 1; i++) {
    const [[ax, ay], [bx, by], [cx, cy]] = points.slice(i - 1, i + 2);
    const before = Math.min(TURN, Math.hypot(bx - ax, by - ay) / 2), after = Math.min(TURN, Math.hypot(cx - bx, cy - by) / 2);
    const toward = (x, y, n) => [bx + Math.sign(x - bx) * n, by + Math.sign(y - by) * n];
    path += `L${toward(ax, ay, before)}Q${[bx, by]} ${toward(cx, cy, after)}`;
  }
  return `${path}L${points.at(-1)}`;
}

function skip(draw, edge) {
  const column = draw.columns[edge.from.column], x = column.right + LANE * (edge.lane + 1) - 3, out = draw.up ? -1 : 1;
  const start = leaves(draw, edge.from), branch = enters(draw, column.nodes[edge.from.at + 1]) - out * GAP / 2, end = edge.to.y + edge.to.tall / 2;
  const into = edge.to.kind === "add" ? column.middle + 10 : column.right + 1, middle = (branch + end) / 2;
  const label = edge.labelled ? { x: x + 4, y: middle, transform: `rotate(90 ${x + 4} ${middle})`, "text-anchor": "middle" } : null;
  return group(edge, turns([[column.middle, start], [column.middle, branch], [x, branch], [x, end], [into, end]]), label);
}

function cross(draw, edge) {
  const from = draw.columns[edge.from.column], to = draw.columns[edge.to.column], right = to.left > from.left;
  const shift = edge.shift ?? 0, start = edge.from.y + edge.from.tall / 2 + shift, end = edge.to.y + edge.to.tall / 2 + shift;
  const channel = (right ? from : to).channel + edge.trunk * CHANNEL;
  const points = [[right ? from.right : from.left, start], [channel, start], [channel, end], [right ? to.left - 1 : to.right + 1, end]];
  const text = lettering(edge), label = !edge.labelled ? null : edge.dotted ? { x: to.left - 8, y: end - 5, "text-anchor": "end", text }
    : { x: right ? from.right + 6 : from.left - 6, y: shift > 0 ? start + 13 : start - 5, "text-anchor": right ? "start" : "end", text };
  return group(edge, turns(points), label);
}

// A hairline through the numbers of the path, and a frame around each open layer.
function rail(column) {
  const stops = column.nodes.filter(node => node.number).map(node => node.y + node.tall / 2);
  return stops.length > 1 ? svg("path", { class: "rail", d: `M${column.left - RAIL} ${Math.min(...stops)}V${Math.max(...stops)}` }) : null;
}

function framesOf({ frames, up }, column) {
  return Object.entries(frames).flatMap(([key, frame]) => {
    const inside = column.nodes.filter(node => node.frame === key);
    if (!inside.length) return [];
    const top = Math.min(...inside.map(node => node.y)) - (up ? 20 : 22), bottom = Math.max(...inside.map(node => node.y + node.tall)) + (up ? 16 : 8);
    const parts = [svg("rect", { class: "frame", x: column.frameLeft, y: top, width: column.frameRight - column.frameLeft, height: bottom - top })];
    if (frame.href) parts.push(svg("a", { href: frame.href, "data-fold": key, "aria-label": frame.said, class: "fold" }, svg("text", { x: column.left, y: top + 14 }, `− ${frame.label}`)));
    return parts;
  });
}

function box(draw, column, node) {
  const { left, middle, right } = column, { y, tall } = node, centre = y + tall / 2, parts = [], said = [node.number ? `${node.number}. ${node.label}` : node.label, node.detail].filter(Boolean).join(", ");
  if (node.kind === "add") {
    parts.push(svg("circle", { class: "box", cx: middle, cy: centre, r: tall / 2 }), svg("path", { class: "plus", d: `M${middle - 4} ${centre}H${middle + 4}M${middle} ${centre - 4}V${centre + 4}` }));
    if (node.number) parts.push(svg("text", { class: "aside", x: left - 6, y: centre + 4 }, node.label));
  } else {
    const detail = node.detail && measured(node.label, 13) + measured(node.detail, 12) + 34 < right - left ? node.detail : null;
    parts.push(svg("rect", { class: `box ${node.kind}`, x: left, y, width: right - left, height: tall, rx: 6 }),
      svg("text", { class: `label ${node.kind}-label`, x: left + 12, y: centre + 4.5 }, fitted(node.label, right - left - 24)), detail ? svg("text", { class: "detail", x: right - 10, y: centre + 4, "text-anchor": "end" }, detail) : null);
  }
  if (node.number) parts.push(svg("circle", { class: "no", cx: left - RAIL, cy: centre, r: 10 }), svg("text", { class: "n", x: left - RAIL, y: centre + 4, "text-anchor": "middle" }, node.number));
  return svg("a", { href: node.href, "aria-current": node.current ? "step" : null, class: node.current ? "here" : null, "aria-label": said, "data-name": node.name, "data-fold": node.fold ?? null }, parts);
}

let context = null;
export function measured(text, size) {
  context ??= document.createElement("canvas").getContext("2d");
  context.font = `${size}px ${colours().words}`;
  return context.measureText(text).width;
}

// A label that fits, cut in front: the end of an address says most.
function fitted(text, room) {
  let short = text;
  while (short.length > 3 && measured(short, 13) > room) short = `…${short.slice(2)}`;
  return short;
}
