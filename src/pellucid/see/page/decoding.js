// The words that come out, one after the other: where in the source the model looked, which words it weighed, how
// temperature, top-k and top-p would change their shares (computed here from the stored scores), and the beam's tree
// with the reason why each hypothesis died.

import { button, el, svg } from "pellucid/dom.js";
import { measured } from "pellucid/diagram.js";
import { count, minus, percent, significant } from "pellucid/format.js";
import { rowsOf } from "pellucid/store.js";
import { wantedOf, wordsStep } from "pellucid/strip.js";
import { language, t } from "pellucid/words.js";

const BEST = 10;

export async function decoding(app) {
  const source = app.trace.decoding ? await recorded(app) : await read(app);
  const state = app.decodingState = asAddressed(app.options, source), body = el("div", { class: "decoding" });
  const draw = focus => {
    state.at = between(state.at, 0, source.words.length - 1);
    app.note(addressOf(state, source.dials));
    const row = state.node === null ? source.words[state.at].row : source.nodeRow(state.node);
    body.replaceChildren(words(source, state, draw), how(source), attended(source, state, row, draw), candidates(app, source, state, row, draw), ...(source.tree ? [tree(source, state, draw, app.roomFor(4000))] : []));
    body.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  };
  app.stepWord = move => { Object.assign(state, { at: state.at + move, node: null }); draw(`word-${between(state.at, 0, source.words.length - 1)}`); };
  draw();
  return body;
}

const between = (value, low, high) => Math.max(low, Math.min(value, high));

// What is seen of the decoding, by the names that the command line has for it; null: as it is without.
const addressOf = ({ at, node, layer, head, temperature, topK, topP }, dials) => ({ step: at || null, node, layer: layer < 0 ? null : layer, head: head < 0 ? null : head,
  temperature: temperature === dials.temperature ? null : temperature, top_k: topK === dials.topK ? null : topK, top_p: topP === dials.topP ? null : topP });

// The dials as they stood: of one that draws its words, its own; else those that change nothing.
function dialsOf(trace) {
  const { method, temperature, top_k: topK, top_p: topP } = trace.decoding?.config ?? {};
  return method === "sample" ? { temperature, topK, topP } : { temperature: 1, topK: 0, topP: 1 };
}

function asAddressed(options, source) {
  const number = (name, otherwise, low, high) => {
    const given = Number(options.get(name) ?? NaN);
    return Number.isFinite(given) ? between(given, low, high) : otherwise;
  };
  const node = source.tree ? number("node", null, 0, source.tree.nodes.length - 1) : null;
  return { at: number("step", 0, 0, source.words.length - 1), node, layer: number("layer", -1, 0, source.layers - 1), head: number("head", -1, 0, source.heads - 1),
    temperature: number("temperature", source.dials.temperature, 0.01, 10), topK: Math.round(number("top_k", source.dials.topK, 0, source.vocabulary)), topP: number("top_p", source.dials.topP, 0.01, 1) };
}

// From a recorded search.
async function recorded(app) {
  const { trace } = app, found = trace.decoding;
  const logits = await trace.decoded(found.logits), attention = await trace.decoded(found.attention);
  const [, vocabulary] = found.shapes.logits, [, layers, heads, length] = found.shapes.attention;
  const labels = trace.labels[wordsStep(trace).axes.at(-1)[1]];
  const rowAt = numbersOf(attention, found.attention, length);
  return { tree: found, dials: dialsOf(trace), labels, source: found.source, layers, heads, vocabulary,
    words: found.path.map(number => ({ text: found.nodes[number].text, token: found.nodes[number].token, node: number, row: found.nodes[found.nodes[number].parent].row })),
    nodeRow: number => found.nodes[number].row,
    node: row => found.nodes.find(node => node.row === row),
    scores: numbersOf(logits, found.logits, vocabulary),
    attended: (row, layer, head) => averaged(length, layers, heads, layer, head, (l, h, j) => rowAt((row * layers + l) * heads + h)?.[j]) };
}

// Rows of a block of which the file may hold only some.
function numbersOf(numbers, source, width) {
  const places = source.rows ? new Map(rowsOf(source).map((row, at) => [row, at])) : null;
  return row => {
    const at = places ? places.get(row) : row;
    return at === undefined ? undefined : numbers.subarray(at * width, (at + 1) * width);
  };
}

// From the pass itself, in which the target was read whole.
async function read(app) {
  const { trace } = app, step = wordsStep(trace), vocabulary = step.shape.at(-1), wanted = wantedOf(trace);
  const calls = trace.attentions.filter(call => /cross/.test(call.place)).map(call => trace.steps[call.weights]).filter(one => one.value && !one.value.rows);
  await Promise.all([trace.load(step), ...calls.map(one => trace.load(one))]);
  const first = calls[0], heads = first ? first.shape.at(-3) : 0, queries = first ? first.shape.at(-2) : 0, length = first ? first.shape.at(-1) : 0;
  const labels = trace.labels[step.axes.at(-1)[1]], best = row => {
    const scores = step.values.subarray(row * vocabulary, (row + 1) * vocabulary);
    return scores.indexOf(scores.reduce((a, b) => Math.max(a, b)));
  };
  const rows = Math.min(step.size / vocabulary, 64);
  return { tree: null, dials: dialsOf(trace), labels, vocabulary, heads, layers: calls.length,
    source: first ? Array.from({ length }, (_, i) => first.axes.at(-1)[1] === undefined ? String(i) : trace.labels[first.axes.at(-1)[1]][i]) : [],
    words: Array.from({ length: rows }, (_, row) => ({ text: wanted?.[row] ?? labels[best(row)], token: wanted ? labels.indexOf(wanted[row]) : best(row), row })),
    nodeRow: () => 0, node: () => null, scores: row => trace.has(step, row * vocabulary) ? step.values.subarray(row * vocabulary, (row + 1) * vocabulary) : undefined,
    attended: (row, layer, head) => averaged(length, calls.length, heads, layer, head, (l, h, j) => trace.at(calls[l], (h * queries + row) * length + j)) };
}

// Shares of the source tokens, averaged over layers and heads that are not named (-1).
function averaged(length, layers, heads, layer, head, at) {
  const found = new Array(length).fill(0);
  const ls = layer < 0 ? [...Array(layers).keys()] : [layer], hs = head < 0 ? [...Array(heads).keys()] : [head];
  for (const l of ls) for (const h of hs) for (let j = 0; j < length; j++) found[j] += at(l, h, j) / ls.length / hs.length;
  return found;
}

function words(source, state, draw) {
  const go = index => { state.at = index; state.node = null; draw(`word-${Math.max(0, Math.min(index, source.words.length - 1))}`); };
  return el("div", { class: "spoken", role: "group", "aria-label": t("decoding.words") }, source.words.map((word, i) =>
    button(word.text, () => go(i), { "data-focus": `word-${i}`, "aria-pressed": state.node === null && i === state.at,
      onkeydown: event => {
        const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (move) { event.preventDefault(); go(i + move); }
      } })));
}

// How the next word was chosen, and what was forced.
function how(source) {
  if (!source.tree) return el("p", { class: "says" }, t("decoding.keys"));
  const { config, forced, unforced } = source.tree, method = config.method === "beam" && config.beam < 2 ? "greedy" : config.method;
  return el("p", { class: "says" }, [t("decoding.keys"), t(`decoding.by.${method}`, config), ...forced.map(one => t("decoding.forced", one)), ...(unforced ? [t("decoding.unforced", unforced)] : [])].join(" "));
}

function attended(source, state, row, draw) {
  if (!source.source.length || row === null || row === undefined) return el("div");
  const shares = source.attended(row, state.layer, state.head);
  if (shares.some(Number.isNaN)) return el("p", { class: "note" }, t("why.absent.long"));
  const most = Math.max(...shares, 1e-9);
  const chooser = (name, count) => el("label", {}, t(name), el("select", { "aria-label": t(name), "data-focus": name, onchange: event => { state[name] = Number(event.target.value); draw(name); } },
    el("option", { value: -1, selected: state[name] < 0 }, t("decoding.mean")), Array.from({ length: count }, (_, i) => el("option", { value: i, selected: i === state[name] }, i))));
  return el("section", {}, el("h3", {}, t("decoding.looked")), el("div", { class: "tools" }, chooser("layer", source.layers), chooser("head", source.heads)),
    el("ul", { class: "source" }, source.source.map((token, j) => el("li", { style: `--share-of:${(shares[j] / most * 78).toFixed(1)}%` }, el("span", {}, token), el("small", {}, percent(shares[j]))))));
}

// Shares after temperature, top-k and top-p, and which words they leave out.
export function distribution(scores, { temperature = 1, topK = 0, topP = 1 }) {
  const order = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a]), largest = scores[order[0]];
  const weights = order.map(index => Math.exp((scores[index] - largest) / temperature));
  const sum = weights.reduce((a, b) => a + b, 0);
  let kept = topK > 0 ? Math.min(topK, order.length) : order.length;
  while (kept < order.length && scores[order[kept]] === scores[order[kept - 1]]) kept++; // as many as the last equals
  if (topP < 1) {
    const within = weights.slice(0, kept).reduce((a, b) => a + b, 0);
    let mass = 0, count = 0;
    while (count < kept && mass / within < topP) mass += weights[count++];
    kept = Math.max(1, count);
  }
  const left = weights.slice(0, kept).reduce((a, b) => a + b, 0);
  return order.map((index, rank) => ({ index, rank, plain: weights[rank] / sum, share: rank < kept ? weights[rank] / left : 0 }));
}

function candidates(app, source, state, row, draw) {
  if (row === null || row === undefined) return el("p", { class: "note" }, t("decoding.ended"));
  const scores = source.scores(row);
  if (!scores) return el("p", { class: "note" }, t("why.absent.long"));
  const plain = distribution(scores, {}), shares = new Map(plain.map(one => [one.index, one.share]));
  const changed = distribution(scores, state), node = source.node(row);
  const slider = (name, min, max, step, text) => el("label", {}, `${t(`decoding.${name}`)} ${text}`, el("input", { type: "range", min, max, step, value: state[name], "data-focus": name, "aria-label": t(`decoding.${name}`), oninput: event => { state[name] = Number(event.target.value); draw(name); } }));
  const told = new Map((node?.candidates ?? []).map(one => [one.token, one])), fates = new Map([...told].map(([token, one]) => [token, one.fate.reason[language]]));
  const taken = source.words[state.at]?.token;
  return el("section", {}, el("h3", {}, node ? t("decoding.after", { text: node.written || t("decoding.begin") }) : t("decoding.candidates")),
    el("div", { class: "tools" }, slider("temperature", 0.1, 2, 0.1, String(state.temperature)), slider("topK", 0, Math.max(50, state.topK), 1, state.topK || t("decoding.off")), slider("topP", 0.05, 1, 0.05, state.topP < 1 ? state.topP.toFixed(2) : t("decoding.off")), el("span", { class: "badge recomputed" }, t("badge.here"))),
    el("table", { class: "plain" }, el("tr", {}, ["decoding.word", "decoding.p", "decoding.logit", "decoding.share"].map(key => el("th", { scope: "col" }, t(key))), fates.size ? el("th", { scope: "col" }, t("decoding.fate")) : null),
      changed.filter((one, i) => i < BEST || Number.isInteger(told.get(one.index)?.node)).map(one => el("tr", { class: one.index === taken && state.node === null ? "taken" : null }, el("td", {}, source.labels[one.index]), el("td", { class: "number", "data-value": shares.get(one.index) }, percent(shares.get(one.index))), el("td", { class: "number", "data-value": scores[one.index] }, minus(significant(scores[one.index], 4))),
        el("td", { "data-value": one.share }, el("span", { class: "sharebar" }, el("i", { style: `width:${(one.share * 100).toFixed(1)}%` })), el("span", { class: "mono" }, one.share ? percent(one.share) : t("decoding.cut"))), fates.size ? el("td", { class: "quiet" }, fates.get(one.index) ?? "") : null))));
}

const WIDE = 116, NARROW = 78, TALL = 26, GAPX = 26, GAPY = 8;

// As much of a text as fits in front of the score.
function short(label, wide) {
  let text = label;
  while (text.length > 1 && measured(text, 13) > wide - 46) text = `${text.replace(/…$/, "").slice(0, -1)}…`;
  return text;
}

// The sentence above, with this model's own numbers.
export function decodingLead(app) {
  const { trace } = app, vocabulary = count(wordsStep(trace).shape.at(-1));
  if (!trace.decoding) return t("decoding.lead", { vocabulary });
  const { nodes, path } = trace.decoding;
  return t("decoding.lead.search", { vocabulary, tried: nodes.length - 1, kept: path.length });
}

// The beam as a tree: columns are positions; the translation's own path is strong, dead branches are dotted.
function tree(source, state, draw, room) {
  const { nodes, path } = source.tree, best = new Set(path), columns = [], at = new Map();
  for (const node of nodes) if (node.parent !== null) (columns[node.position] ??= []).push(node);
  const children = new Map();
  for (const node of nodes) if (node.parent !== null) children.set(node.parent, [...(children.get(node.parent) ?? []), node]);
  let next = 0;
  (function lay(node) { // leaves one below the other, a parent beside its first child
    const own = (children.get(node.number) ?? []).sort((a, b) => best.has(b.number) - best.has(a.number) || b.total - a.total);
    if (!own.length) { at.set(node.number, next++); return; }
    own.forEach(lay);
    at.set(node.number, at.get(own[0].number));
  })(nodes.find(node => node.parent === null));
  const gap = room < (columns.length + 1) * (WIDE + GAPX) ? GAPX / 2 : GAPX, wide = Math.max(NARROW, Math.min(WIDE, Math.floor((room - 8) / (columns.length + 1)) - gap));
  const x = node => (node.position + 1) * (wide + gap), y = node => at.get(node.number) * (TALL + GAPY) + 4, wires = [], boxes = [];
  for (const node of nodes) {
    const on = node.parent === null || best.has(node.number), label = node.parent === null ? t("decoding.begin") : node.text;
    const died = !on && !(children.get(node.number) ?? []).length;
    if (node.parent !== null) {
      const parent = nodes[node.parent];
      wires.push(svg("path", { class: on ? "kept" : "wire", style: on ? null : "opacity:.55", d: `M${x(parent) + wide} ${y(parent) + TALL / 2}C${x(parent) + wide + 14} ${y(parent) + TALL / 2} ${x(node) - 14} ${y(node) + TALL / 2} ${x(node)} ${y(node) + TALL / 2}` }));
    }
    const reason = node.fate.reason[language];
    const choose = () => { state.node = node.number; draw(`node-${node.number}`); };
    boxes.push(svg("a", { role: "button", tabindex: 0, "data-focus": `node-${node.number}`, "data-branch": on ? "best" : died ? "dead" : "kept", class: state.node === node.number ? "here" : null, "aria-label": `${label}: ${reason}`, onclick: choose, onkeydown: event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); } } },
      svg("title", {}, `${node.written || label}: ${reason}`), svg("rect", { class: "box", x: x(node), y: y(node), width: wide, height: TALL, style: died ? "stroke-dasharray:3 3" : on ? "stroke:var(--ink)" : null }),
      svg("text", { x: x(node) + 8, y: y(node) + 17.5, style: died ? "fill:var(--quiet)" : null }, short(label, wide)), node.parent === null ? null : svg("text", { class: "q", x: x(node) + wide - 6, y: y(node) + 17, "text-anchor": "end" }, minus(node.total.toFixed(1)))));
  }
  const width = (columns.length + 1) * (wide + gap), height = next * (TALL + GAPY) + 8;
  const chosen = state.node === null ? nodes[source.words[state.at].node] : nodes[state.node];
  return el("section", {}, el("h3", {}, t("decoding.tree")), el("p", { class: "says fate", role: "status" }, el("b", {}, chosen.written || t("decoding.begin")), `: ${chosen.fate.reason[language]}`),
    el("div", { class: "map tree", tabindex: 0, role: "region", "aria-label": t("decoding.tree") }, svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, style: "max-width:none", role: "group", "aria-label": t("decoding.tree") }, wires, boxes)));
}
