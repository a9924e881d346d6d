// What is chosen, and everything that follows from it: address, sheet, explanation, rings.

import { cellAt, cellOf, offsetOf, parsed, printed, regionOf } from "pellucid/address.js";
import { broken, button, el, say } from "pellucid/dom.js";
import { forgetColours } from "pellucid/colour.js";
import { text } from "pellucid/explain.js";
import { cellsOf } from "pellucid/expression.js";
import { savePanel } from "pellucid/export.js";
import { flow } from "pellucid/flow.js";
import { passing, significant } from "pellucid/format.js";
import { groupsOf } from "pellucid/groups.js";
import { map, mapLead } from "pellucid/map.js";
import { loadMove, moveOf, moveText, parameterOf, partsOf } from "pellucid/move.js";
import { network, networkLead, smallNetwork } from "pellucid/network.js";
import { heading } from "pellucid/questions.js";
import { sheet, sheetSteps } from "pellucid/sheet.js";
import { BrokenTrace } from "pellucid/store.js";
import { decoding, decodingLead } from "pellucid/decoding.js";
import { strip, wordsStep } from "pellucid/strip.js";
import { training } from "pellucid/training.js";
import { Tour } from "pellucid/tour.js";
import { Why } from "pellucid/why.js";
import { language, remember, setLanguage, t } from "pellucid/words.js";

const LAYER = /^(?:encoder|decoder)\.(\d+)/;
const LEADS = { "/map": mapLead, "/network": networkLead, "/decoding": decodingLead };
const SPECIAL = { "/map": map, "/backward": flow, "/network": network, "/decoding": decoding, "/step": training };

export class App {
  constructor(trace, root) {
    this.trace = trace;
    this.root = root;
    this.groups = groupsOf(trace);
    this.walk_ = trace.walk ?? null; // of each layer the eleven stages
    this.state = { special: null, step: null, cell: null, backward: false, update: false, lead: {}, heads: { one: null, two: null }, layer: 0, stageKey: null, position: 0, trail: [], oneScale: false, views: {} };
    this.figures = [];
    this.headAxis = "head";
    this.version = 0;
  }

  async start() {
    const output = wordsStep(this.trace);
    if (output) await this.trace.loadSmall([output]);
    this.frame();
    addEventListener("hashchange", () => this.read(true));
    addEventListener("resize", () => { clearTimeout(this.resized); this.resized = setTimeout(() => this.redraw(), 120); });
    addEventListener("keydown", event => { if (event.key === "Escape") this.escape(); else this.arrow(event); });
    await this.read(false);
    document.documentElement.dataset.ready = "true";
    performance.mark("ready");
  }

  // --- where we are -----------------------------------------------------------------------------------------------

  stages() {
    return this.walk_?.[Math.min(this.state.layer, this.walk_.length - 1)] ?? [];
  }

  // The stage whose sheet holds the chosen step, or null.
  stage(stageKey = this.state.stageKey) {
    const { step, special } = this.state;
    if (!step || special) return null;
    const holds = one => one.steps.includes(step.id) || (step.within && holdsInside(this.trace, one, step));
    return this.stages().find(one => one.key === stageKey && holds(one)) ?? this.stages().find(holds) ?? null;
  }

  // The layers that have such a stage of their own.
  layersOf(key) {
    const found = [], seen = new Set();
    (this.walk_ ?? []).forEach((stages, layer) => {
      const ids = String(stages.find(one => one.key === key)?.steps);
      if (!seen.has(ids)) { seen.add(ids); found.push(layer); }
    });
    return found;
  }

  toLayer(layer) {
    const key = this.stage()?.key;
    const stage = this.walk_[layer].find(one => one.key === key);
    this.state.layer = layer;
    this.state.stageKey = key;
    this.goto(this.trace.steps[stage.show ?? stage.steps[0]].name);
  }

  // The address in the fragment, decoded: an address of Python, or one of the page's own views; then what is switched
  // on: backward, head=1,2 (one alone, two compared), show=head:2 (which slice), scale=one, position=3, layer=1, tour=4,
  // of single matrices columns=NAME:2 (sorted by row 2), rows=NAME:3 (by column 3), rows=NAME:size:10 (by size, the
  // ten largest), window=NAME:8:40 (full size from row 8 and column 40 on),
  // and of the decoding what the command line calls step, layer, head, temperature, top_k and top_p.
  async read(arrived) {
    const [address, ...parts] = (decoded(location.hash.slice(1)) || this.trace.start || "").split("&");
    const switches = new Map(parts.map(part => part.split("=")).map(([name, ...value]) => [name, value.join("=")]));
    const { state, trace } = this;
    state.update = false;
    this.why.pathsOpen = switches.has("paths") && switches.has("backward") && trace.loss !== null;
    if (history.state?.trail) Object.assign(state, { trail: history.state.trail, lead: {}, layer: 0, stageKey: null }); // seen before: as it was
    else if (this.pending !== location.hash) state.trail = [];
    state.backward = switches.has("backward") && trace.loss !== null;
    const special = address === "" || SPECIAL[address] ? address || "/map" : null;
    state.at = special ? switches.get("at") ?? null : null;
    const heads = special ? [] : (switches.get("head") ?? "").split(",").filter(part => /^\d+$/.test(part)).map(Number);
    state.heads = { one: heads[0] ?? null, two: heads[1] ?? null };
    state.open = switches.has("open") ? new Set(switches.get("open").split(",").filter(Boolean)) : null; // layers of the map
    state.problem = null;
    state.oneScale = switches.get("scale") === "one";
    state.position = natural(switches.get("position"));
    state.views = special ? {} : viewsIn(switches);
    for (const part of (switches.get("show") ?? "").split(",").filter(Boolean)) {
      const [axis, index] = part.split(":");
      state.lead[axis] = natural(index);
    }
    this.options = special ? switches : new Map();
    if (this.walk_ && switches.has("layer") && special !== "/decoding") state.layer = Math.min(natural(switches.get("layer")), this.walk_.length - 1);
    if (switches.has("stage")) state.stageKey = switches.get("stage");
    if (switches.has("tour") && this.walk_) Object.assign(this.tour, { open: true, number: Math.min(Math.max(natural(switches.get("tour")) - 1, 0), this.stages().length - 1) });
    if (special) {
      const nowhere = special === "/decoding" && !wordsStep(trace);
      Object.assign(state, { special: nowhere ? "/map" : special, cell: null, problem: nowhere ? address : null });
    } else {
      const found = parsed(address), step = found && trace.find(found.name);
      const cell = step && (found.indices || !step.shape.length) ? cellOf(step, found.indices) : null;
      const region = step && found.indices && !cell ? regionOf(step, found.indices) : null;
      const passed = found?.step !== null && found?.step !== trace.training_step;
      if (!step || (found.indices && !cell && !region) || passed) {
        Object.assign(state, { special: "/map", cell: null, problem: address });
      } else {
        const layer = LAYER.exec(step.name);
        if (layer && this.walk_) state.layer = Math.min(Number(layer[1]), this.walk_.length - 1);
        Object.assign(state, { special: null, step, cell, region, update: switches.has("step") && parameterOf(trace, step) === step });
        if (state.update) state.backward = false;
        for (const [d, index] of (region ?? cell ?? []).entries()) if (index !== null) state.lead[step.axes[d][0]] = index;
      }
    }
    if (!arrived && !state.step) state.step = trace.steps[trace.outputs[0] ?? trace.steps.length - 1];
    await this.render();
  }

  // The address in the fragment says all that is seen; where we came from goes with the entry of the history.
  settle() {
    const { state } = this;
    document.title = `${state.special ? t(`title${state.special}`) : this.address} · Pellucid`;
    const hash = state.problem ? location.hash : this.hash();
    this.pending = hash;
    if (hash !== location.hash || String(history.state?.trail ?? "") !== String(state.trail)) history.replaceState({ trail: state.trail }, "", hash);
  }

  hash() {
    const { state } = this, { one, two } = state.heads, parts = [];
    if (state.special) for (const [name, value] of this.options) if (!(state.special === "/decoding" ? ["backward", "tour", "show"] : ["backward", "tour", "show", "layer"]).includes(name)) parts.push(`${name}=${value}`);
    if (!state.special) parts.push(...this.lookParts());
    if (this.walk_ && state.layer && state.special !== "/decoding" && (state.special || !LAYER.test(state.step.name))) parts.push(`layer=${state.layer}`);
    const stage = this.stage();
    if (stage && stage !== this.stage(null)) parts.push(`stage=${stage.key}`);
    const named = state.special ? [] : state.cell ? state.step.axes.map(([axis]) => axis) : state.step.axes.filter((_, d) => d < state.step.shape.length - 2 || (state.region?.[d] ?? null) !== null).map(([axis]) => axis);
    const others = [...this.sliced ?? []].filter(axis => !named.includes(axis) && state.lead[axis] && !(axis === this.headAxis && one !== null));
    if (others.length) parts.push(`show=${others.map(axis => `${axis}:${state.lead[axis]}`).join(",")}`);
    if (this.tour.open) parts.push(`tour=${this.tour.number + 1}`);
    if (!state.special && one !== null) parts.push(`head=${two === null ? one : `${one},${two}`}`);
    if (!state.special && state.cell && state.backward && this.why.pathsOpen) parts.push("paths");
    return [this.href(this.address, state.backward, state.update), ...parts].join("&");
  }

  // How the matrices of the sheet are looked at.
  lookParts() {
    const { state } = this, there = this.figures.map(figure => figure.step.name), told = { columns: [], rows: [], window: [] };
    for (const [name, view] of Object.entries(state.views)) {
      if (!there.includes(name)) continue;
      if (view.columns !== undefined) told.columns.push(`${name}:${view.columns}`);
      if (view.rows !== undefined) told.rows.push(`${name}:${view.rows}${view.most ? `:${view.most}` : ""}`);
      if (view.window) told.window.push(`${name}:${view.window.join(":")}`);
    }
    return [state.oneScale ? "scale=one" : null, state.position ? `position=${state.position}` : null,
      ...Object.entries(told).map(([key, all]) => all.length ? `${key}=${all.join(",")}` : null)].filter(Boolean);
  }

  // A matrix was sorted, filtered or scrolled by its reader.
  viewed(figure) {
    const { state } = this, view = figure.seenAs;
    if (view) state.views[figure.step.name] = view; else delete state.views[figure.step.name];
    clearTimeout(this.viewing); // a browser takes only so many new addresses a second
    this.viewing = setTimeout(() => { if (this.figures.includes(figure) && !this.state.special && this.settled === this.version) this.settle(); }, 120);
  }

  // A view's own settings, kept in its address.
  note(options) {
    for (const [name, value] of Object.entries(options)) if (value === null) this.options.delete(name); else this.options.set(name, String(value));
    this.settle();
  }

  href(address, backward = this.state.backward, update = false) {
    return `#${encodeURI(address).replace(/%5B/g, "[").replace(/%5D/g, "]")}${update ? "&step" : backward ? "&backward" : ""}`;
  }

  goto(address, { replace = false, keepHeads = false, backward = this.state.backward, update = false } = {}) {
    const { one, two } = this.state.heads;
    const heads = keepHeads && one !== null ? `&head=${two === null ? one : `${one},${two}`}` : "";
    const same = this.figures.some(figure => figure.step.name === address.split("[")[0]); // on the sheet that is seen
    const looks = same && !this.state.special ? this.lookParts().map(part => `&${part}`).join("") : "";
    const hash = this.href(address, backward, update) + heads + looks + (this.why.pathsOpen && backward && !update && address.endsWith("]") ? "&paths" : "");
    this.pending = hash;
    if (hash === location.hash) return this.read(true);
    if (replace) {
      history.replaceState({ trail: this.state.trail }, "", hash);
      return this.read(true);
    }
    location.hash = hash;
  }

  // The number, or the slice of the tensor, that is shown.
  get address() {
    const { special, step, cell, region, lead } = this.state;
    if (special || cell) return special ?? printed(step, cell);
    if (region?.slice(-2).some(index => index !== null)) return sliceOf(step, region);
    return sliceOf(step, step.axes.map(([axis], d) => d < step.shape.length - 2 && lead[axis] ? Math.min(lead[axis], step.shape[d] - 1) || null : null));
  }

  // Arrow keys step through the words that came out, wherever no other part of the page wants them.
  arrow(event) {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key], busy = document.activeElement;
    if (!move || this.state.special !== "/decoding" || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
    if (busy?.matches("input, select, textarea, canvas, summary") || busy?.closest("footer")) return;
    event.preventDefault();
    this.stepWord?.(move);
  }

  // --- choosing ---------------------------------------------------------------------------------------------------

  choose(step, cell, stageKey) {
    if (stageKey) this.state.stageKey = stageKey;
    this.state.trail = [];
    const moving = this.moving(step);
    this.goto(printed(moving ?? step, cell), { keepHeads: true, update: moving !== null });
  }

  // While a training step is looked at: the weight to which a cell of one of its matrices belongs, or null.
  moving(step) {
    const { trace, state } = this, parameter = state.update ? parameterOf(trace, step) : null;
    return parameter && moveOf(trace, parameter) && String(step.shape) === String(parameter.shape) ? parameter : null;
  }

  // To an operand: where we came from stays in the breadcrumbs.
  walk(step, cell) {
    const { state } = this, next = printed(step, cell);
    const known = state.trail.indexOf(next);
    state.trail = known >= 0 ? state.trail.slice(0, known) : [...state.trail, this.address].slice(-40);
    this.refocus = this.why.element.contains(document.activeElement);
    const headAt = step.axes.findIndex(([axis]) => axis === this.headAxis);
    if (state.heads.one !== null && headAt >= 0 && cell[headAt] !== state.heads.one) state.heads = { one: null, two: null };
    this.goto(next, { keepHeads: true });
  }

  lead(axis, index) {
    const { state } = this;
    state.lead[axis] = index;
    if (axis === this.headAxis) state.heads = { one: null, two: null };
    const d = state.cell ? state.step.axes.findIndex(([name]) => name === axis) : -1;
    if (d >= 0 && d < state.cell.length - 2) {
      const cell = [...state.cell];
      cell[d] = Math.min(index, state.step.shape[d] - 1);
      this.goto(printed(state.step, cell), { replace: true });
    } else {
      if (state.region) state.region = state.region.map((one, i) => state.step.axes[i][0] === axis ? index : one);
      this.render();
    }
  }

  head(head, both) {
    const { heads, lead } = this.state;
    if (both && heads.one !== null && heads.one !== head) this.state.heads = { one: heads.one, two: heads.two === head ? null : head };
    else if (heads.one === head || heads.two === head) this.state.heads = { one: null, two: null };
    else { this.state.heads = { one: head, two: null }; lead[this.headAxis] = head; }
    if (this.state.heads.one !== null) say(t("heads.said", { head: this.state.heads.one }));
    this.focusHead = head;
    this.withHead(lead[this.headAxis]);
  }

  withHead(head) {
    const { step, cell, heads } = this.state, d = cell ? step.axes.findIndex(([axis]) => axis === this.headAxis) : -1;
    const next = d >= 0 && heads.one !== null ? cell.map((index, i) => i === d ? head : index) : cell;
    this.goto(printed(step, next), { replace: true, keepHeads: true });
  }

  freeHeads() {
    this.state.heads = { one: null, two: null };
    this.withHead(0);
  }

  escape() {
    if (this.state.heads.one !== null) this.freeHeads();
  }

  set(changes) {
    Object.assign(this.state, changes);
    this.render();
  }

  // --- drawing ----------------------------------------------------------------------------------------------------

  frame() {
    const { trace } = this;
    if (trace.file.cut) throw new BrokenTrace("cut"); // what says so stays
    this.why = new Why(trace, this);
    this.stripHidden = false; // nothing is guessed any more
    this.why.pathsOpen = /&paths\b/.test(location.hash);
    this.nav = el("nav", { "aria-label": t("nav.title") });
    this.middle = el("main", { "aria-label": t("middle.title") });
    this.header = el("header");
    this.live = el("div", { id: "live", class: "unseen", role: "status", "aria-live": "polite" });
    this.footer = el("div", { class: "strip" });
    this.root.replaceChildren(this.header, el("div", { class: "places" }, this.nav, this.middle, this.why.element), this.footer, this.live);
    this.tour ??= new Tour(this);
  }

  drawHeader() {
    const { trace, state } = this, about = trace.about ?? {};
    const sentence = about.target && about.source ? `“${about.source}” → “${about.target}”` : about.source ?? about.text ?? about.origin ?? about.line ?? "";
    const whole = ["/map", "/step", "/backward"].includes(state.special), turned = state.backward || state.special === "/backward";
    const turn = backward => whole ? this.goto(backward ? "/backward" : "/map", { backward: false }) : this.goto(this.address, { backward, keepHeads: true });
    const parameter = state.special ? null : parameterOf(trace, state.step), within = parameter && String(parameter.shape) === String(state.step.shape);
    const toStep = () => parameter && moveOf(trace, parameter) ? this.goto(printed(parameter, within ? state.cell : null), { update: true }) : this.goto("/step", { backward: false });
    this.header.replaceChildren(el("h1", {}, "Pellucid"), el("span", { class: "where" }, [trace.title, trace.training_step === null ? "" : t("step", { step: trace.training_step }), sentence].filter(Boolean).join(", ")),
      el("span", { class: "right" },
        el("span", { class: "segments", role: "group", "aria-label": t("direction") },
          button(t("forward"), () => turn(false), { "aria-pressed": !turned && !this.stepping, "data-direction": "forward" }),
          button(t("backward"), () => turn(true), { "aria-pressed": turned && !this.stepping, "data-direction": "backward", disabled: trace.loss === null, title: trace.loss === null ? t("backward.none") : null }),
          trace.training ? button(t("move"), toStep, { "aria-pressed": this.stepping, "data-direction": "step", title: t("move.long") }) : null),
        this.walk_ ? button(t("tour"), () => this.tour.toggle(), { "aria-pressed": this.tour.open, "data-tour": "" }) : null,
        button(language === "zh" ? "English" : "中文", () => this.changeLanguage(language === "zh" ? "en" : "zh"), { id: "language", lang: language === "zh" ? "en" : "zh-Hans" })));
  }

  get stepping() {
    return this.state.update || this.state.special === "/step";
  }

  changeLanguage(wanted) {
    setLanguage(wanted);
    remember(wanted);
    this.frame();
    this.render();
  }

  drawNav() {
    const { trace, state } = this, current = this.stage();
    const link = (address, label, on) => el("a", { href: this.href(address), "aria-current": on ? "page" : null }, el("span"), label, el("span"));
    const parts = [el("h2", {}, t("nav.title")), el("ol", { class: "steps" }, el("li", {}, link("/map", t("nav.map"), state.special === "/map")),
      smallNetwork(trace) ? el("li", {}, link("/network", t("nav.network"), state.special === "/network")) : null,
      wordsStep(trace) ? el("li", {}, link("/decoding", t("nav.decoding"), state.special === "/decoding")) : null,
      trace.loss !== null ? el("li", {}, link("/backward", t("nav.flow"), state.special === "/backward")) : null,
      trace.training ? el("li", {}, link("/step", t("nav.step"), state.special === "/step")) : null)];
    let side = null;
    let list = null;
    for (const stage of this.stages()) {
      const own = t(`side.${stage.side}`);
      if (own !== side) {
        parts.push(el("div", { class: "side" }, own), list = el("ol", { class: "steps" }));
        side = own;
      }
      const show = trace.steps[stage.show ?? stage.steps[0]];
      list.append(el("li", {}, el("a", { href: this.href(show.name), "aria-current": current?.key === stage.key ? "step" : null, "data-stage": stage.key, onclick: () => { state.stageKey = stage.key; } },
        el("span", {}, stage.number), t(`stage.${stage.key}`), el("span", {}, passing(show)))));
    }
    const all = el("ol", { class: "parts" }, this.groups.filter(group => group.first < Infinity).map(group => {
      const last = group.steps.filter(step => !trace.isLeaf(step) && !step.within && !step.aside).at(-1) ?? group.steps[0];
      return el("li", {}, el("a", { href: this.href(last.name), "aria-current": !state.special && state.step?.group === group && !current ? "step" : null }, broken(group.key || last.name)));
    }));
    if (this.walk_) parts.push(el("details", { open: this.partsOpen, ontoggle: event => { this.partsOpen = event.target.open; } }, el("summary", {}, t("nav.parts")), all));
    else parts.push(el("div", { class: "side" }, t("nav.parts")), all);
    this.nav.replaceChildren(el("div", { tabindex: 0, role: "region", "aria-label": t("nav.title") }, parts));
  }

  drawCrumbs() {
    const { state } = this;
    const parts = [];
    for (const address of state.trail.slice(-5)) parts.push(el("a", { href: this.href(address), onclick: event => { if (event.ctrlKey || event.metaKey || event.shiftKey) return; event.preventDefault(); state.trail = state.trail.slice(0, state.trail.indexOf(address)); this.goto(address, { keepHeads: true }); } }, address.replace(/^.*?([^.[]+(\.(weight|bias))?(\[|$))/, "$1")), "›");
    const whole = this.address, cut = whole.indexOf("[") < 0 ? whole.length : whole.indexOf("["), dot = whole.lastIndexOf(".", cut);
    parts.push(el("span", {}, whole.slice(0, dot + 1), el("b", {}, whole.slice(dot + 1))));
    return el("div", { class: "crumbs", role: "navigation", "aria-label": t("crumbs") }, parts);
  }

  roomFor(width) {
    return Math.max(160, Math.min(width, this.middle.clientWidth - 2 * parseFloat(getComputedStyle(this.middle).paddingLeft) - 2));
  }

  attach(figure) {
    figure.onpoint = (step, cell, one, keyed) => this.preview(step, cell, keyed);
    figure.onleave = () => this.preview(null);
    figure.onpick = (step, cell, one, keyed) => this.pick(step, cell, one, keyed);
    figure.onsort = () => this.mark();
    figure.onview = () => this.viewed(figure);
  }

  async render() {
    const version = ++this.version, { state, trace } = this;
    this.drawHeader();
    this.drawNav();
    this.hovered = null;
    this.why.element.hidden = state.special !== null; // no number is chosen there: all room is the view's
    this.root.classList.toggle("whole", state.special !== null);
    if (state.special) {
      const view = SPECIAL[state.special](this);
      const element = view instanceof Promise ? await view : view;
      if (version !== this.version) return;
      this.figures = [];
      this.sheetKey = null;
      this.sliced = new Set(state.special === "/network" ? ["batch"] : []);
      this.middle.replaceChildren(...[el("div", { class: "titled" }, el("h2", { class: "title" }, t(`title${state.special}`)), savePanel(element, state.special.slice(1))), state.problem ? el("p", { class: "note problem", role: "status" }, t("page.nowhere", { address: state.problem })) : null, el("p", { class: "lead" }, LEADS[state.special]?.(this) ?? t(`lead${state.special}`)), element].filter(Boolean));
      this.why.empty();
    } else {
      const plan = sheetSteps(this);
      this.headAxis = (plan.call && trace.steps[plan.call.weights].axes.at(-3)?.[0]) ?? "head"; // some call it otherwise
      const headAt = state.cell ? state.step.axes.findIndex(([axis]) => axis === this.headAxis) : -1;
      if (state.heads.one !== null && headAt < 0) state.lead[this.headAxis] = state.heads.one;
      this.sliced = slicedBy(trace, plan.all);
      const kind = state.backward ? "gradient" : "value", moving = state.update && moveOf(trace, state.step);
      await Promise.all([...(state.oneScale ? plan.all : plan.now).map(one => trace.load(one, kind)), plan.counted && trace.load(plan.counted), trace.loadSmall(plan.all, kind), state.cell && this.loadAround(state.step, state.cell, moving)]);
      if (version !== this.version) return;
      this.drawSheet(plan);
      for (const figure of this.figures) figure.onview ??= () => this.viewed(figure);
      await Promise.all(this.figures.map(figure => state.views[figure.step.name] || figure.seenAs ? figure.follow(state.views[figure.step.name]) : null));
      if (version !== this.version) return;
      if (state.cell) {
        const shown = this.why.show(state.step, state.cell, state.backward, true);
        this.mark(shown);
        if (!this.why.guessing) say(told(shown));
        if (this.refocus) this.why.focusFirst();
      } else { this.why.empty(); this.mark(null); }
      this.refocus = false;
    }
    this.drawStrip();
    this.tour.follow();
    this.settle();
    this.settled = version;
  }

  // The sheet is drawn anew only when other matrices are to be seen: a new number on it moves nothing.
  drawSheet(plan) {
    const { state } = this;
    const key = JSON.stringify([plan.all.map(one => one.name), state.backward, state.update, state.lead, state.heads, state.oneScale, language, this.middle.clientWidth, state.position, plan.stage?.key]);
    const head = heading(this, plan);
    const top = [this.drawCrumbs(), el("div", { class: "titled" }, el("h2", { class: "title" }, head.title), savePanel(() => this.body, `${printed(state.step, null)}.sheet`)), el("p", { class: "lead" }, head.lead)];
    if (key === this.sheetKey && this.body?.isConnected) {
      this.middle.replaceChildren(...top, this.body);
      return;
    }
    const had = this.figures.find(one => one.high === document.activeElement);
    const { element, figures } = sheet(this, plan);
    Object.assign(this, { figures, body: element, sheetKey: key });
    this.middle.replaceChildren(...top, element);
    const again = had && this.figures.find(one => one.step === had.step);
    if (again) {
      again.point = had.point;
      again.high.focus({ preventScroll: true });
    }
    if (this.focusHead !== undefined) this.middle.querySelector(`[data-head="${this.focusHead}"]`)?.focus({ preventScroll: true });
    this.focusHead = undefined;
  }

  redraw() {
    forgetColours();
    this.sheetKey = null;
    return this.render();
  }

  // The words below say shares in numbers: not while one of these is guessed.
  hideStrip(step) {
    const output = wordsStep(this.trace), told = output && step && (step === output || (this.trace.made.get(output.id) ?? []).includes(step) || (this.trace.made.get(output.id) ?? []).includes(step.within));
    if (Boolean(told) === Boolean(this.stripHidden)) return;
    this.stripHidden = told;
    if (told) for (const one of this.footer.querySelectorAll(".cand span:last-child")) one.textContent = "?";
    if (told) for (const one of this.footer.querySelectorAll(".word")) one.setAttribute("aria-label", one.querySelector("b").textContent);
    if (told) for (const one of this.footer.querySelectorAll(".cand i")) one.style.width = "0";
    if (!told) { this.stripDrawn = null; this.drawStrip(); }
  }

  drawStrip() {
    const words = wordsStep(this.trace);
    if (words && !this.trace.loaded(words)) {
      this.trace.load(words).then(() => this.drawStrip());
      return;
    }
    if (!this.stripDrawn || this.stripDrawn !== language) {
      const found = strip(this);
      this.footer.replaceChildren(...(found ? [found] : []));
      this.stripDrawn = language;
    }
    const { step, cell } = this.state, output = words;
    if (!output) return;
    const query = step && cell && step.axes.findIndex(([axis]) => axis === "query" || axis === "position");
    const target = cell && query >= 0 && (step.name.startsWith("decoder") || step.axes.at(-1)[1] === output.axes.at(-1)[1]) ? cell[query] : null;
    for (const word of this.footer.querySelectorAll(".word")) {
      if (Number(word.dataset.row) === target) word.setAttribute("aria-current", "true"); else word.removeAttribute("aria-current");
    }
  }

  // --- pointing ---------------------------------------------------------------------------------------------------

  // Show what a pointed number is made of; null: what was chosen.
  preview(step, cell, keyed = false) {
    const { state, trace } = this;
    if (this.why.guessing) { // what is asked for stays, whatever is pointed at
      const { explanation } = this.why;
      if (keyed && step && !(explanation.step === step && String(explanation.cell) === String(cell))) say(`${printed(step, cell)} = ${significant(state.backward ? trace.gradientAt(step, offsetOf(step.shape, cell)) : trace.at(step, offsetOf(step.shape, cell)), 4)}`);
      return;
    }
    if (!step) {
      if (!this.hovered) return;
      this.hovered = null;
      if (state.cell && !state.special) this.mark(this.why.back());
      else if (!state.cell) { this.why.empty(true); this.mark(null); }
      return;
    }
    if (!keyed && this.hovered?.told && this.hovered.step === step && String(this.hovered.cell) === String(cell)) return; // it says so already
    const hovered = this.hovered = { step, cell, told: false }, own = state.cell && state.step === step && String(state.cell) === String(cell);
    const still = () => this.hovered === hovered;
    const tell = () => {
      if (!still()) return;
      const shown = own && this.why.own.explanation ? this.why.back() : this.why.show(step, cell, state.backward, false);
      hovered.told = true;
      this.mark(shown);
      if (keyed) say(told(shown));
    };
    const moving = this.moving(step);
    if (moving) return loadMove(trace, moving, cell).then(tell);
    if (trace.loadedAround(step, state.backward)) tell();
    else this.loadAround(step, cell).then(() => { for (const one of this.figures) if (one.step === step && still()) one.refresh(); tell(); });
  }

  // What is needed to explain one number.
  loadAround(step, cell, moving = false) {
    if (moving) return loadMove(this.trace, step, cell);
    return this.state.backward ? this.trace.loadBackward(step) : this.trace.loadForward(step, offsetOf(step.shape, cell));
  }

  // Rings around the explained number and its operands.
  mark(explanation = this.why.explanation) {
    const of = new Map();
    if (explanation?.tree) {
      for (const one of cellsOf(explanation.tree)) {
        if (!of.has(one.step)) of.set(one.step, []);
        of.get(one.step).push(cellAt(one.step.shape, one.offset));
      }
    }
    const { region, step } = this.state;
    if (!explanation && region) of.set(step, cellsIn(step, region));
    this.ring(explanation, of);
  }

  // One operand by itself, while its link is pointed at.
  light(step, cell) {
    if (!step) this.mark();
    else this.ring(this.why.explanation, new Map([[step, [cell]]]));
  }

  ring(explanation, of) {
    const parts = explanation?.lines ? new Set(partsOf(this.trace, explanation.step)) : null;
    for (const figure of this.figures) {
      if (parts?.has(figure.step)) { // a matrix of the training step: the same cell of each
        const chosen = figure.step === explanation.step;
        figure.mark(chosen ? figure.place(figure.step, explanation.cell) : null, chosen ? [] : [figure.place(figure.step, explanation.cell)].filter(Boolean));
        continue;
      }
      const operands = [...of].flatMap(([step, cells]) => figure.step === step || figure.along ? cells.map(cell => figure.place(step, cell)).filter(Boolean) : []);
      figure.mark(explanation ? figure.place(explanation.step, explanation.cell) : null, operands);
    }
  }

  // Click, or Enter: the number becomes the chosen one; Enter on the chosen one goes to its operands.
  pick(step, cell, figure, keyed) {
    const { state } = this;
    if (keyed && state.cell && state.step === step && String(state.cell) === String(cell)) {
      this.why.show(step, cell, state.backward, true);
      this.why.focusFirst();
      return;
    }
    this.choose(step, cell, this.stage()?.key);
  }
}

const told = explanation => explanation.lines ? moveText(explanation) : text(explanation);

const holdsInside = (trace, stage, step) => {
  for (let one = step.within; one; one = one.within) if (stage.steps.includes(one.id)) return true;
  return false;
};

// Of each matrix how it is looked at, as lookParts says it.
function viewsIn(switches) {
  const views = {}, each = key => (switches.get(key) ?? "").split(",").filter(Boolean).map(part => part.split(":"));
  const of = name => views[name] ??= {};
  for (const [name, row] of each("columns")) if (/^\d+$/.test(row)) of(name).columns = Number(row);
  for (const [name, by, most] of each("rows")) if (by === "size" || /^\d+$/.test(by)) Object.assign(of(name), { rows: by === "size" ? by : Number(by), most: natural(most) });
  for (const [name, row, column] of each("window")) of(name).window = [natural(row), natural(column)];
  return views;
}

const natural = text => /^\d+$/.test(text ?? "") ? Number(text) : 0;

// Axes of which a sheet shows one position at a time.
const slicedBy = (trace, steps) => new Set(steps.flatMap(step => step.axes.slice(0, -2).filter((_, d) => step.shape[d] > 1).map(([axis]) => axis)));

function sliceOf(step, region) {
  const given = region.flatMap((index, d) => index === null ? [] : [`${step.axes[d][0]}=${index}`]);
  return given.length ? `${step.name}[${given.join(", ")}]` : step.name;
}

// The cells of a region, as far as a reader can take them in.
function cellsIn(step, region) {
  const found = [];
  for (let offset = 0; offset < Math.min(step.size, 100_000); offset++) {
    const cell = cellAt(step.shape, offset);
    if (region.slice(-2).some(index => index !== null) && region.every((index, d) => index === null || index === cell[d])) found.push(cell);
  }
  return found;
}

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

