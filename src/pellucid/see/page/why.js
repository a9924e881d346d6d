// Where a number comes from: badge, value, formula, the numbers in it, and every operand as a link to walk on.

import { printed } from "pellucid/address.js";
import { badges } from "pellucid/badges.js";
import { exactly, explain, termsOf, text } from "pellucid/explain.js";
import { cellsOf, evaluate, textOf } from "pellucid/expression.js";
import { broken, button, el, say } from "pellucid/dom.js";
import { savePanel } from "pellucid/export.js";
import { exactText, minus, shown, significant } from "pellucid/format.js";
import { maskNote } from "pellucid/mask.js";
import { paths, productOf, textOfPath } from "pellucid/paths.js";
import { windowView } from "pellucid/window.js";
import { known, t } from "pellucid/words.js";

const LISTED = 10;

export class Why {
  constructor(trace, app) {
    Object.assign(this, { trace, app, all: false, digits: false, guessing: false });
    this.body = el("div", { class: "why-body" });
    const panel = () => this.body, saves = el("span", { class: "titled" }, el("h2", {}, t("why.title")), savePanel(panel, "number"));
    this.element = el("aside", { "aria-label": t("why.title") }, el("div", {}, saves, this.body));
  }

  empty() {
    this.explanation = null;
    this.body.replaceChildren(el("p", { class: "lead" }, t("why.empty")), el("p", { class: "says" }, t("why.keys")));
  }

  // Everything it needs has been loaded.
  show(step, cell, backward, chosen) {
    const changed = !this.explanation || this.explanation.step !== step || String(this.explanation.cell) !== String(cell);
    if (changed) {
      this.all = false;
      if (this.guessing) this.guess(false);
    } else if (this.guessing) this.hide();
    this.explanation = explain(this.trace, step, cell, backward);
    this.chosen = chosen;
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
    const parts = [badges(trace, x), el("p", { class: "address" }, x.backward ? "dL/d " : "", broken(x.address))];
    const guess = this.guessing;
    const value = x.value === undefined ? "·" : guess ? "?" : this.digits ? minus(exactText(x.value)) : minus(significant(x.value, 4));
    parts.push(el("p", { class: this.digits ? "value long" : "value" }, value), el("p", { class: "says" }, meaning(trace, x)));
    if (guess) parts.push(this.question(x));
    if (x.value === undefined) parts.push(el("p", { class: "note" }, t("why.absent.long")));
    else if (x.missing) parts.push(el("p", { class: "formula" }, x.formula), el("p", { class: "note" }, t("why.missing")));
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
      x.backward && x.tree && !x.missing ? button(t("paths.show"), () => this.listPaths(x)) : null,
      x.tree && !x.missing && !["x", "n"].includes(x.tree.kind) ? button(t("why.guess"), () => this.guess(!this.guessing), { "aria-pressed": this.guessing }) : null,
      guess ? null : button(t("why.copy"), () => navigator.clipboard?.writeText(text(x)).catch(() => {}), { title: t("why.copy.long") })));
    this.body.replaceChildren(...parts.filter(Boolean));
  }

  async listPaths(x) {
    const found = await paths(this.trace, x.step, x.cell);
    if (this.explanation !== x) return;
    this.body.querySelector(".all-paths")?.remove();
    const sum = found?.reduce((a, path) => a + productOf(path), 0);
    this.body.append(el("div", { class: "all-paths", role: "status" }, found ? [el("p", { class: "says" }, t("paths.sum", { count: found.length, sum: minus(significant(sum, 4)) })), el("ol", { class: "paths" }, found.map(path => el("li", {}, textOfPath(path))))] : el("p", { class: "note" }, t("paths.none"))));
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
