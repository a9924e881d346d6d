// The backward pass, played: operation by operation from the loss to the inputs. Each shows the gradient that reaches it
// (upstream), how one of its numbers moves with what it was made of (local), and the gradients that it passes on
// (result). Right to left, as it goes; the map lights the box in which it happens.

import { cellAt, printed } from "pellucid/address.js";
import { broken, button, el, say } from "pellucid/dom.js";
import { cellsOf, textOf } from "pellucid/expression.js";
import { Figure } from "pellucid/figure.js";
import { minus, significant } from "pellucid/format.js";
import { onlyMoves } from "pellucid/groups.js";
import { LAYER, drawn } from "pellucid/map.js";
import { derivativeOf, expressionOf } from "pellucid/recipe.js";
import { t } from "pellucid/words.js";

const PACE = 1100; // milliseconds an operation
const LARGEST = 2_000_000; // numbers of a gradient that is drawn
const WIDE = 252;

// The operations through which the gradient goes, from the loss on.
export function operations(trace) {
  return trace.steps.filter(step => !trace.isLeaf(step) && !step.within && !step.aside && step.update === undefined && trace.hasGradient(step) && !onlyMoves(step) && passedOn(trace, step).length).reverse();
}

const passedOn = (trace, step) => [...new Set(trace.operands(step))].filter(one => trace.hasGradient(one) && !(one.op === "constant"));

export class Player {
  // `told(step)` is called with each operation that is shown.
  constructor(app, told) {
    Object.assign(this, { app, told, trace: app.trace, steps: operations(app.trace), timer: null, open: null });
    let start = app.state.at ? app.trace.find(app.state.at) : null;
    const place = start?.group;
    while (start && !this.steps.includes(start)) start = start.within; // one that another was opened into: that one
    start ??= this.steps.find(step => place && step.group === place);
    this.at = start ? this.steps.indexOf(start) : 0;
    this.toggle = button(t("flow.play"), () => this.timer ? this.stop() : this.play(), { "data-play": "", "aria-pressed": "false" });
    this.slider = el("input", { type: "range", dir: "rtl", min: 0, max: Math.max(this.steps.length - 1, 0), value: this.at, "aria-label": t("play.place"), oninput: () => { this.stop(); this.show(Number(this.slider.value)); } });
    this.status = el("p", { class: "address", role: "status" });
    this.stage = el("div", { class: "played" });
    this.drawing = el("div", { class: "play-map", tabindex: 0, role: "region", "aria-label": t("map.title") });
    const tools = el("div", { class: "tools" }, this.toggle, button("←", () => this.step(1), { "aria-label": t("play.next"), title: t("play.next") }), button("→", () => this.step(-1), { "aria-label": t("play.back"), title: t("play.back") }), this.slider);
    this.element = el("section", { class: "player", "aria-label": t("flow.play"), onkeydown: event => this.key(event) }, tools, this.status, el("div", { class: "play-places" }, this.drawing, this.stage));
  }

  key(event) {
    const own = event.target.matches("input, canvas, a, summary, button") ? event.target : null, go = { ArrowLeft: 1, ArrowRight: -1 }[event.key];
    if (own?.matches("input, canvas")) return;
    if (event.key === " " && !own) this.timer ? this.stop() : this.play();
    else if (go) this.step(go);
    else if (event.key === "Home") { this.stop(); this.show(0); }
    else if (event.key === "End") { this.stop(); this.show(this.steps.length - 1); }
    else return;
    event.preventDefault();
  }

  play() {
    if (this.at === this.steps.length - 1) this.show(0);
    this.label(true);
    this.timer = setInterval(() => {
      if (!this.element.isConnected || this.at + 1 >= this.steps.length) this.stop();
      else if (!this.waiting) this.show(this.at + 1);
    }, PACE);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.label(false);
  }

  label(on) {
    this.toggle.textContent = t(on ? "flow.pause" : "flow.play");
    this.toggle.setAttribute("aria-pressed", String(on));
  }

  step(by) {
    this.stop();
    this.show(Math.min(Math.max(this.at + by, 0), this.steps.length - 1));
  }

  // One operation; what it takes is decoded first, and while it is, the next waits.
  async show(at) {
    this.at = at;
    const { trace, app } = this, step = this.steps[at];
    if (!step) return;
    this.waiting = step;
    this.slider.value = at;
    app.state.at = step.name;
    if (this.element.isConnected) app.note({ at: step.name });
    const results = passedOn(trace, step).filter(one => one.size <= LARGEST), inner = trace.innermost(step);
    await Promise.all([trace.load(step), trace.load(step, "gradient"), trace.load(inner), ...[...trace.operands(inner), ...(inner.reads ?? []).map(id => trace.steps[id])].map(one => trace.load(one)), inner.table && trace.load(inner, "table"), ...results.map(one => trace.load(one, "gradient"))]);
    if (this.waiting !== step) return;
    this.waiting = null;
    const status = t("flow.at", { name: step.name, number: at + 1, count: this.steps.length });
    this.status.replaceChildren(...broken(status));
    this.slider.setAttribute("aria-valuetext", status);
    this.stage.dataset.played = step.name;
    const figure = one => { const found = new Figure(trace, one, { kind: "gradient", width: WIDE, dense: true, title: short(one), lead: app.state.lead }); found.onpick = (_, cell) => app.choose(one, cell); return found.element; };
    this.stage.replaceChildren(
      el("div", { "data-part": "upstream" }, el("h3", {}, t("play.upstream")), step.size <= LARGEST ? figure(step) : null),
      el("div", { "data-part": "local" }, el("h3", {}, t("play.local")), ...local(app, step)),
      el("div", { "data-part": "result" }, el("h3", {}, t("play.result")), el("div", { class: "row" }, results.map(figure))));
    this.light(step);
    this.told(step);
    if (this.timer) say(status);
  }

  // The box of the map in which the operation stands.
  light(step) {
    const { app } = this, { state } = app, layer = LAYER.exec(step.group.key), sides = app.walk_ && layer ? ["encoder.", "decoder."].map(side => side + layer[2]) : layer ? [layer[1] + layer[2]] : [];
    if (String(sides) !== this.open) { // the layer in which it stands is open, the others are folded
      const before = state.open;
      this.open = String(sides);
      state.open = sides.length ? new Set(sides) : null;
      this.drawing.replaceChildren(drawn(app, app.roomFor(440)).picture);
      state.open = before;
    }
    const boxes = [...this.drawing.querySelectorAll("a[data-name]")], fits = boxes.map(box => nearness(this.trace, this.trace.find(box.dataset.name), step)), best = Math.max(...fits);
    boxes.forEach((box, i) => box.classList.toggle("lit", best > 0 && i === fits.indexOf(best)));
    const lit = this.drawing.querySelector(".lit");
    if (lit?.isConnected) this.reveal(lit); else if (lit) requestAnimationFrame(() => this.reveal(lit)); // on a page just opened
  }

  reveal(lit) {
    const box = lit.getBoundingClientRect(), frame = this.drawing.getBoundingClientRect();
    if (box.top < frame.top || box.bottom > frame.bottom) this.drawing.scrollTop += box.top - frame.top - frame.height / 2;
  }
}

// How well a box of the map stands for a step: it itself, one of its place, one of what its place is a part of.
function nearness(trace, box, step) {
  if (!box) return 0;
  if (box === step) return 1e6;
  if (box.group === step.group) return 1e5 - Math.abs(box.id - step.id);
  for (const whole of [box.name, box.place]) if (whole && step.name.startsWith(`${whole}.`)) return whole.length;
  const last = trace.steps[trace.outputs[0]];
  return last && step.id > last.id && box.group === last.group ? 0.5 : 0; // the loss, which no box is drawn for
}

const short = step => step.name.split(".").slice(-2).join(".");

// The formula, and for the number on which most pulls how it moves with one that it was made of.
function local(app, step) {
  const { trace } = app, inner = trace.innermost(step), parts = [el("p", { class: "formula" }, step.whole ?? inner.formula)];
  if (step.inside) {
    parts.push(el("p", { class: "says" }, t("play.opened")), el("p", { class: "mono small" }, step.inside.map(id => trace.steps[id]).filter(one => trace.hasGradient(one) && !onlyMoves(one)).reverse().flatMap((one, i) => [i ? " ← " : "", el("a", { href: app.href(one.name, true) }, one.name.split(".").at(-1))])));
    return parts;
  }
  if (!inner.recipe) return [...parts, el("p", { class: "note" }, t("why.opaque"))];
  const found = strongest(trace, step);
  if (!found) return parts;
  const { offset, leaf, slope, upstream } = found, made = printed(step, cellAt(step.shape, offset)), from = printed(leaf.step, cellAt(leaf.step.shape, leaf.offset));
  parts.push(el("p", { class: "says" }, t("play.example")), el("p", { class: "nums" }, "∂ ", el("a", { href: app.href(made, true) }, broken(made)), el("br"), "/ ∂ ", el("a", { href: app.href(from, true) }, broken(from)), el("br"), "= ", el("b", {}, minus(significant(slope, 4)))),
    el("p", { class: "nums" }, minus(textOf({ kind: "*", parts: [{ kind: "n", value: upstream }, { kind: "n", value: slope }] })), " = ", el("b", {}, minus(significant(upstream * slope, 4)))), el("p", { class: "says" }, t("play.product")));
  return parts;
}

// Of the cell with the largest gradient the operand through which most of it goes on.
function strongest(trace, step) {
  if (!step.gradients) return null;
  let offset = 0;
  step.gradients.forEach((one, i) => { if (Math.abs(one) > Math.abs(step.gradients[offset])) offset = i; });
  const upstream = trace.gradientAt(step, offset), tree = expressionOf(trace, step, cellAt(step.shape, offset), offset);
  let best = null;
  for (const leaf of cellsOf(tree).filter(one => trace.hasGradient(one.step)).slice(0, 256)) {
    const slope = derivativeOf(trace, step, offset, leaf.step, leaf.offset);
    if (slope === undefined || upstream === undefined) continue; // of numbers that are not in the file
    if (!best || Math.abs(slope) > Math.abs(best.slope)) best = { offset, leaf, slope, upstream };
  }
  return best;
}
