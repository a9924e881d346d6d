// Images: all channels of a picture or a feature map side by side, as heat maps that choose the channel.

import { el } from "pellucid/dom.js";
import { Figure } from "pellucid/figure.js";
import { t } from "pellucid/words.js";

const MOST = 32; // channels

export function pictures(app, plan) {
  const { trace, state } = app;
  const maps = [...new Set(plan.rows.flatMap(row => [...row.operands, row.result]))].filter(step =>
    step.axes.some(([axis]) => axis === "channel") && step.axes.at(-1)?.[0] === "column" && !trace.isLeaf(step) || isPicture(step));
  if (!maps.length) return null;
  return el("section", { class: "pictures" }, maps.map(step => {
    const d = step.axes.findIndex(([axis]) => axis === "channel"), count = Math.min(step.shape[d], MOST);
    return el("div", {}, el("h3", {}, `${step.name}, ${t("pictures.channels", { count: step.shape[d] })}`), el("div", { class: "multiples" },
      Array.from({ length: count }, (_, channel) => {
        const figure = new Figure(trace, step, { lead: { ...state.lead, channel }, width: 112, small: true, kind: state.backward && trace.hasGradient(step) ? "gradient" : "value" });
        return el("button", { type: "button", "aria-pressed": channel === (state.lead.channel ?? 0), "aria-label": t("pictures.channel", { channel }), onclick: () => app.lead("channel", channel) }, el("span", {}, channel), figure.low);
      })));
  }));
}

const isPicture = step => step.op === "input" && step.shape.length === 4 && step.axes[1][0] === "channel";
