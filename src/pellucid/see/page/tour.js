// A guided tour: the eleven steps one after the other, each on its own sheet, with next and back.

import { button, el } from "pellucid/dom.js";
import { language, t } from "pellucid/words.js";

export class Tour {
  constructor(app) {
    this.app = app;
    this.open = false;
  }

  toggle() {
    this.open = !this.open;
    if (this.open) this.to(0); else this.close();
  }

  close() {
    this.open = false;
    this.element?.remove();
    this.element = null;
    this.app.drawHeader();
    this.app.settle();
    document.querySelector("[data-tour]")?.focus();
  }

  to(number) {
    const { app } = this, stage = app.stages()[number];
    this.number = number;
    app.state.stageKey = stage.key;
    app.state.trail = [];
    app.goto(stage.at ?? app.trace.steps[stage.show ?? stage.steps[0]].name);
  }

  // Drawn after each new view; where the reader has walked off, it stays and waits.
  follow() {
    if (!this.open) return;
    const stages = this.app.stages(), stage = stages[this.number];
    const focused = this.element?.contains(document.activeElement);
    const next = el("section", { class: "tour", "aria-label": t("tour") },
      el("h2", {}, t("tour.step", { number: this.number + 1, count: stages.length })), el("b", {}, stage.title[language]), el("p", {}, t(`tour.${stage.key}`)),
      el("div", { class: "actions" }, button(t("tour.back"), () => this.to(this.number - 1), { disabled: this.number === 0 }),
        this.number + 1 < stages.length ? button(t("tour.next"), () => this.to(this.number + 1), { class: "next" }) : button(t("tour.end"), () => this.close(), { class: "next" }),
        button(t("tour.close"), () => this.close())));
    this.element?.remove();
    this.element = next;
    document.body.append(next);
    if (focused || !this.shown) next.querySelector(".next").focus({ preventScroll: true });
    this.shown = true;
  }
}
