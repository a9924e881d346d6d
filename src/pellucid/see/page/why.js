// Where a number comes from: badge, value, formula, the numbers in it, and every operand as a link to walk on.

import { printed } from "pellucid/address.js";
import { badge, badges } from "pellucid/badges.js";
import { exactly, explain, termsOf, text } from "pellucid/explain.js";
import { cellsOf, evaluate, textOf } from "pellucid/expression.js";
import { broken, button, el, say } from "pellucid/dom.js";
import { savePanel } from "pellucid/export.js";
import { exactText, minus, shown, significant } from "pellucid/format.js";
import { maskNote } from "pellucid/mask.js";
import { moveOf, moveText, moved, numbersOf, parameterOf, valueOf } from "pellucid/move.js";
import { countText, grouped, paths, productOf, shareText, textOfPath } from "pellucid/paths.js";
import { windowView } from "pellucid/window.js";
import { known, t } from "pellucid/words.js";

const LISTED = 10;
const GROUPS = 20; // rows of a table

export class Why {
  constructor(trace, app) {
    Object.assign(this, { trace, app, digits: false, guessing: false, pathsOpen: false, tall: 0 });
    // The chosen number has a leaf of its own: it waits as it is while others are pointed at.
    const leaf = () => ({ body: el("div", { class: "why-body" }), explanation: null, all: false });
    Object.assign(this, { own: leaf(), passing: leaf() });
    this.leaf = this.own;
    const panel = () => this.body, saves = el("span", { class: "titled" }, el("h2", {}, t("why.title")), savePanel(panel, "number"));
    this.element = el("aside", { "aria-label": t("why.title") }, el("div", {}, saves, this.body));
  }

  get body() { return this.leaf.body; }
  get explanation() { return this.leaf.explanation; }
  get chosen() { return this.leaf === this.own; }
  get all() { return this.leaf.all; }
  set all(all) { this.leaf.all = all; }

  // Turns to a leaf. What stands below the panel stays where it is: pointing makes it longer, never shorter.
  turn(leaf) {
    const place = this.element.firstChild;
    this.tall = Math.max(this.tall, this.body.offsetHeight);
    if (this.chosen) this.scrolled = place.scrollTop;
    if (leaf !== this.leaf) this.body.replaceWith(leaf.body);
    this.leaf = leaf;
    leaf.body.style.minHeight = `${this.tall}px`;
    place.scrollTop = this.chosen ? this.scrolled : 0;
  }

  // The chosen number again, as it was left.
  back() {
    this.turn(this.own);
    return this.explanation;
  }

  empty(pointing = false) {
    if (!pointing) this.tall = 0;
    this.turn(this.own);
    this.own.explanation = null;
    this.body.replaceChildren(el("p", { class: "lead" }, t("why.empty")), el("p", { class: "says" }, t("why.keys")));
  }

  // Everything it needs has been loaded.
  show(step, cell, backward, chosen) {
    if (chosen) this.tall = 0;
    this.turn(chosen ? this.own : this.passing);
    const changed = !this.explanation || this.explanation.step !== step || String(this.explanation.cell) !== String(cell);
    if (changed) {
      this.all = false;
      if (this.guessing) this.guess(false);
    } else if (this.guessing) this.hide();
    const moving = this.app.moving(step);
    this.leaf.explanation = moving ? moved(this.trace, moving, cell) : explain(this.trace, step, cell, backward);
    this.draw();
    return this.explanation;
  }

  // Hide the number, wherever it stands, until the reader has found it or asks for it.
  guess(on) {
    this.guessing = on;
    if (on) say(""); // what was last spoken would tell
    this.hide();
    this.draw();
    if (on) this.body.querySelector(".guess input").focus();
  }

  hide() {
    for (const figure of this.app.figures) figure.conceal(this.guessing ? this.explanation : null);
    this.app.hideStrip(this.guessing && this.explanation.step);
  }

  draw() {
    const x = this.explanation, { trace } = this;
    if (x.lines) { this.body.replaceChildren(...this.move(x)); return; }
    const parts = [badges(trace, x), el("p", { class: "address" }, x.backward ? "dL/d " : "", broken(x.address))];
    const guess = this.guessing;
    const value = x.value === undefined ? "·" : guess ? "?" : this.digits ? minus(exactText(x.value)) : minus(significant(x.value, 4));
    parts.push(el("p", { class: this.digits ? "value long" : "value" }, value), el("p", { class: "says" }, meaning(trace, x)));
    if (guess) parts.push(this.question(x));
    if (x.value === undefined) parts.push(el("p", { class: "note" }, t(x.step.how === "not kept" ? "why.unkept" : "why.absent.long", { name: x.step.name })), x.step.how === "not kept" ? null : anew(x));
    else if (x.missing) parts.push(el("p", { class: "formula" }, x.formula), el("p", { class: "note" }, t("why.missing")), anew(x));
    else if (x.tree) {
      parts.push(el("p", { class: "formula" }, x.formula));
      const sum = this.digits ? exactly(x) : textOf(x.tree);
      parts.push(el("p", { class: "nums" }, `${sum} = `, el("b", {}, guess ? "?" : this.digits ? exactText(x.value) : significant(x.value, 4))));
      parts.push(guess ? null : windowView(this.app, x), ...this.terms(x));
    } else {
      parts.push(el("p", { class: "formula" }, known(`formula.${x.formula}`) ? t(`formula.${x.formula}`) : x.formula));
      if (x.opaque) parts.push(el("p", { class: "note" }, t("why.opaque")));
    }
    const masked = x.backward ? null : maskNote(trace, x.step, x.cell);
    if (masked) parts.push(el("p", { class: "note" }, masked));
    if (x.backward && x.opaque && x.tree) parts.push(el("p", { class: "note" }, t("why.opaque.part")));
    parts.push(el("div", { class: "actions" },
      button(t(this.digits ? "why.fewer" : "why.digits"), () => { this.digits = !this.digits; this.draw(); }, { "aria-pressed": this.digits, class: "digits" }),
      x.backward && x.tree && !x.missing ? button(t("paths.show"), () => this.listPaths(x), { "aria-pressed": this.pathsOpen, class: "to-paths" }) : null,
      this.stepLink(x),
      x.tree && !x.missing && !["x", "n"].includes(x.tree.kind) ? button(t("why.guess"), () => this.guess(!this.guessing), { "aria-pressed": this.guessing }) : null,
      guess ? null : button(t("why.copy"), () => navigator.clipboard?.writeText(text(x)).catch(() => {}), { title: t("why.copy.long") })));
    this.body.replaceChildren(...parts.filter(Boolean));
    if (this.pathsOpen && this.chosen && x.backward && x.tree && !x.missing) this.listPaths(x, true);
  }

  // To what the training step does with this weight.
  stepLink(x) {
    const parameter = parameterOf(this.trace, x.step);
    if (!parameter || !moveOf(this.trace, parameter) || String(parameter.shape) !== String(x.step.shape)) return null;
    return button(t("move.ask"), () => this.app.goto(printed(parameter, x.cell), { update: true }), { class: "ask" });
  }

  // The arithmetic of one optimizer step, and who pushed.
  move(x) {
    const { trace } = this, { training } = trace, long = this.digits;
    const close = trace.steps[x.move.parts.at(-1)].difference;
    const parts = [el("div", { class: "badges" }, badge("opened", t("badge.opened.by", { difference: minus(significant(close, 2)) })), el("span", { class: "badge" }, x.move.optimizer),
      x.step.value?.rows ? badge("sampled", t("badge.sampled", { kept: x.step.value.kept, all: x.step.value.of })) : null), el("p", { class: "address" }, broken(x.address))];
    if (x.missing) return [...parts, el("p", { class: "note" }, t("why.absent.long"))];
    const shownAs = value => minus(long ? exactText(value) : significant(value, 7));
    parts.push(el("p", { class: "value long" }, `${shownAs(x.old)} → ${shownAs(x.value)}`), el("p", { class: "says" }, t("move.by", { change: minus(significant(x.value - x.old, 4)) })));
    parts.push(el("ol", { class: "moves", "aria-label": t("move.title") }, x.lines.map(line => el("li", { "data-line": line.name },
      el("div", {}, line.step ? this.lineLink(line, x) : el("b", {}, t(`move.line.${line.name}`)), el("span", { class: "formula" }, line.formula)),
      el("p", { class: "nums" }, line.tree ? `= ${numbersOf(line, long)} ` : "", "= ", el("b", {}, valueOf(line, long)))))));
    if (training.skipped) parts.push(el("p", { class: "note" }, t("move.skipped")));
    parts.push(...this.pushes(x));
    parts.push(el("div", { class: "actions" },
      button(t(long ? "why.fewer" : "why.digits"), () => { this.digits = !this.digits; this.draw(); }, { "aria-pressed": long, class: "digits" }),
      button(t("why.copy"), () => navigator.clipboard?.writeText(moveText(x)).catch(() => {}), { title: t("why.copy.long") })));
    return parts;
  }

  lineLink(line, x) {
    const { app } = this, address = printed(line.step, x.cell);
    return el("a", { href: app.href(address, false), title: address, onclick: event => { event.preventDefault(); app.walk(line.step, x.cell); },
      onpointerenter: () => app.light(line.step, x.cell), onfocus: () => app.light(line.step, x.cell), onpointerleave: () => app.light(null), onblur: () => app.light(null) }, t(`move.line.${line.name}`));
  }

  pushes(x) {
    if (!x.pushes.length) return [el("p", { class: "note" }, t(this.trace.training.who.en.length ? "move.pushes.absent" : "move.pushes.none"))];
    const found = [...x.pushes].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)), moving = found.filter(one => one.value);
    const listed = this.all ? found : (moving.length ? moving : found).slice(0, LISTED), rest = found.slice(listed.length);
    const largest = Math.max(...found.map(one => Math.abs(one.value)), 1e-300), row = (name, value, key) => el("li", { class: key ?? null }, el("span", {}, name), bar(value, largest), el("span", {}, minus(significant(value, 4))));
    return [el("h3", {}, t("move.pushes")), el("ol", { class: "terms pushes", "aria-label": t("move.pushes") }, listed.map(one => row(one.name, one.value)),
      rest.length ? row(t("move.pushes.more", { count: rest.length }), rest.reduce((sum, one) => sum + one.value, 0)) : null,
      row(t("move.pushes.rounding"), x.rounding), row(t("move.pushes.sum"), x.gradient, "sum")),
      rest.length || this.all && found.length > LISTED ? el("p", { class: "says" }, button(t(this.all ? "why.less" : "why.all", { count: found.length }), () => { this.all = !this.all; this.draw(); })) : null].filter(Boolean);
  }

  // All paths to the loss one by one, or in groups; they stay open from number to number, and stand in the address.
  async listPaths(x, on = !this.pathsOpen) {
    const turned = on !== this.pathsOpen, { own } = this;
    this.pathsOpen = on;
    if (turned) this.app.settle();
    this.body.querySelector(".to-paths")?.setAttribute("aria-pressed", String(on));
    this.body.querySelector(".all-paths")?.remove();
    if (!on || !this.chosen) return;
    const place = el("div", { class: "all-paths", role: "status" }, el("p", { class: "says" }, t("paths.counting")));
    this.body.append(place);
    await new Promise(done => setTimeout(done)); // that it is seen before the work begins
    const found = await paths(this.trace, x.step, x.cell), groups = found ? null : await grouped(this.trace, x.step, x.cell);
    if (own.explanation !== x) return;
    place.replaceChildren(...(found ? listed(found) : groups ? inGroups(groups) : nowhere(this.trace, x.address)));
  }

  terms(x) {
    const found = termsOf(x), listed = this.all ? found : found.slice(0, LISTED);
    const values = listed.map(evaluate), largest = Math.max(...values.map(v => Number.isFinite(v) ? Math.abs(v) : 0), 1e-300);
    const rows = listed.map((term, i) => el("li", { "data-value": this.guessing ? null : values[i] }, el("span", {}, this.factors(term)), bar(this.guessing && found.length === 1 ? 0 : values[i], largest),
      el("span", {}, this.guessing && found.length === 1 ? "?" : shown(values[i])))); // one term alone is the answer
    const parts = [el("ol", { class: "terms", "aria-label": t("why.terms") }, rows)];
    if (found.length > LISTED) {
      parts.push(el("p", { class: "says" }, this.all ? "" : t("why.more", { count: found.length - LISTED }), " ",
        button(t(this.all ? "why.less" : "why.all", { count: found.length }), () => { this.all = !this.all; this.draw(); })));
    }
    return parts;
  }

  factors(term) {
    const cells = cellsOf(term);
    if (!cells.length) return [el("em", {}, minus(significant(evaluate(term), 4)))];
    const found = [];
    cells.slice(0, 4).forEach((one, i) => {
      if (i) found.push(el("span", { class: "times" }, term.kind === "*" ? " · " : ", "));
      found.push(this.link(one));
    });
    if (cells.length > 4) found.push(el("em", {}, ` +${cells.length - 4}`));
    const local = term.kind === "*" && term.parts.find(part => part.local);
    if (local) found.push(el("span", { class: "times" }, " · "), el("em", { title: t("why.local") }, minus(significant(local.value, 4))));
    return found;
  }

  link(one) {
    const cell = cellAtOf(one), address = printed(one.step, cell);
    return el("a", { href: this.app.href(address), title: address,
      onclick: event => { event.preventDefault(); this.app.walk(one.step, cell); },
      onpointerenter: () => this.app.light(one.step, cell), onfocus: () => this.app.light(one.step, cell),
      onpointerleave: () => this.app.light(null), onblur: () => this.app.light(null) },
    short(this.trace, one.step, cell));
  }

  focusFirst() {
    const link = this.body.querySelector(".terms a");
    link?.focus();
    return Boolean(link);
  }

  question(x) {
    const input = el("input", { type: "text", inputmode: "decimal", "aria-label": t("guess.label"), autocomplete: "off" });
    const answer = el("span", { role: "status" });
    const check = () => {
      const given = numberIn(input.value);
      if (Number.isNaN(given)) { answer.textContent = t("guess.number"); return; }
      const right = given === x.value || Math.abs(given - x.value) <= tolerance(x);
      answer.className = right ? "right-answer" : "wrong-answer";
      answer.textContent = right ? t("guess.right", { value: minus(significant(x.value, 4)) })
        : t(x.value && Math.sign(given) !== Math.sign(x.value) ? "guess.sign" : Math.abs(given) > Math.abs(x.value) ? "guess.large" : "guess.small");
    };
    return el("div", {}, el("form", { class: "guess", onsubmit: event => { event.preventDefault(); check(); } }, input,
      el("button", { type: "submit" }, t("guess.check")), button(t("guess.show"), () => this.guess(false))), answer, el("p", { class: "says" }, t("guess.keep")));
  }
}

function listed(found) {
  const sum = found.reduce((a, path) => a + productOf(path), 0);
  return [el("p", { class: "says" }, t("paths.sum", { count: found.length, sum: minus(significant(sum, 4)) })), el("ol", { class: "paths" }, found.map(path => el("li", {}, textOfPath(path))))];
}

// Why there is neither, and what to do.
function nowhere(trace, address) {
  if (trace.paths) return [el("p", { class: "note" }, t("paths.unknown", { address }))];
  const more = trace.megabytes ? [["paths.larger", `--megabytes ${trace.megabytes}`]] : [];
  return [el("p", { class: "note" }, t("paths.none")), options([["paths.at", `--at "${address}" --backward`], ...more, ["paths.ask", `trace.paths('${address}')`]])];
}

// How to write a page that has a number.
const anew = x => options([["paths.at", `--at "${x.address}"${x.backward ? " --backward" : ""}`], ["paths.larger", "--megabytes 40"]]);

const options = list => el("ul", { class: "plain paths-options" }, list.map(([key, said]) => el("li", {}, t(key), " ", el("code", {}, broken(said)))));

// A table as `pellucid see --paths` prints it: what a group goes through first, what it passes, how many paths, its part.
function inGroups({ groups, count, own, gradient }) {
  const past = groups.some(one => one.past.length), heads = ["through", "count", "share", "part"];
  const through = one => [one.by ? `${one.by} › ` : "", one.through === null ? t("paths.straight") : broken(one.through)].flat();
  const row = one => el("tr", { title: one.past.length ? t("paths.past.of", { layers: one.past.join(", ") }) : null }, el("th", { scope: "row", "data-through": one.through ?? "" }, through(one), one.past.length ? el("small", {}, t("paths.past", { count: one.past.length })) : null),
    el("td", { class: "number" }, countText(one.paths)), el("td", { class: "number" }, minus(shareText(gradient ? one.part / gradient : 0))), el("td", { class: "number" }, minus(significant(one.part, 4))));
  const shown = groups.length > GROUPS ? [...groups].sort((a, b) => Math.abs(b.part) - Math.abs(a.part)).slice(0, GROUPS - 1) : groups, kept = groups.filter(one => shown.includes(one)), rest = groups.filter(one => !shown.includes(one));
  const sum = of => rest.reduce((a, one) => a + one[of], 0);
  return [el("p", { class: "says" }, t(own.length ? "paths.out" : "paths.grouped", { count: countText(count), layers: own.join(", ") })),
    el("div", { class: "map" }, el("table", { class: "plain path-groups" }, el("thead", {}, el("tr", {}, heads.map(key => el("th", { scope: "col" }, t(`paths.${key}`))))), el("tbody", {}, kept.map(row),
      rest.length ? el("tr", {}, el("th", { scope: "row" }, t("paths.rest", { count: rest.length })), el("td", { class: "number" }, countText(sum("paths"))), el("td", { class: "number" }, minus(shareText(gradient ? sum("part") / gradient : 0))), el("td", { class: "number" }, minus(significant(sum("part"), 4)))) : null))),
    el("p", { class: "says" }, t("paths.groups.sum", { sum: minus(significant(groups.reduce((a, one) => a + one.part, 0), 4)) }), " ", past ? t("paths.past.means") : "")];
}

// A number as people write it: −0,5, 12%, -inf; NaN where it is none.
function numberIn(written) {
  const text = written.trim().replace(/[−–]/g, "-").replace(",", ".").replace(/^\+/, "");
  const endless = /^(-?)(?:∞|inf(?:inity)?)$/i.exec(text);
  if (endless) return endless[1] ? -Infinity : Infinity;
  const [, number, percent] = /^(.*?)\s*(%?)$/.exec(text);
  return number ? Number(number) / (percent ? 100 : 1) : NaN;
}

// What rounding to four digits can do to a sum of such terms, and at least 2% of the value: mental arithmetic may be
// rough, but a small number is not 0.
export function tolerance(x) {
  const size = termsOf(x).reduce((sum, term) => { const value = Math.abs(evaluate(term)); return Number.isFinite(value) ? sum + value : sum; }, 0);
  return Number.isFinite(x.value) ? Math.max(Math.abs(x.value) * 0.02, size * 1e-3) : 0;
}

const cellAtOf = one => {
  const cell = [];
  let offset = one.offset;
  for (let d = one.step.shape.length - 1; d >= 0; d--) {
    cell[d] = offset % one.step.shape[d];
    offset = Math.floor(offset / one.step.shape[d]);
  }
  return cell;
};

// The last part of the name and the indices that matter: query[2, 5].
function short(trace, step, cell) {
  const parts = step.name.split("."), name = ["weight", "bias"].includes(parts.at(-1)) ? parts.slice(-2).join(".") : parts.at(-1);
  const indices = cell.filter((_, d) => step.shape[d] > 1 || cell.length < 3);
  return indices.length ? `${name}[${indices.join(", ")}]` : name;
}

// The indices in words: batch 0, query “save”, key “changes”.
function meaning(trace, x) {
  return x.step.axes.map(([axis, labels], d) => {
    if (x.step.shape[d] === 1 && labels === undefined) return null;
    const name = known(`axis.${axis}`) ? t(`axis.${axis}`) : axis;
    return labels === undefined ? `${name} ${x.cell[d]}` : `${name} ${x.cell[d]} “${trace.labels[labels][x.cell[d]] ?? ""}”`;
  }).filter(Boolean).join(", ");
}

function bar(value, largest) {
  const part = Number.isFinite(value) ? Math.abs(value) / largest * 50 : 0;
  return el("span", { class: "bar", "aria-hidden": "true" }, el("i", { style: `${value < 0 ? "right" : "left"}:50%;width:${part}%;background:rgb(var(--${value < 0 ? "neg" : "pos"}))` }));
}
