// Images: a picture as an eye sees it, all channels of a feature map side by side as heat maps that choose the channel,
// and the kernels that made them.

import { offsetOf } from "pellucid/address.js";
import { el } from "pellucid/dom.js";
import { Figure } from "pellucid/figure.js";
import { sizes } from "pellucid/format.js";
import { t } from "pellucid/words.js";

const MOST = 32; // channels
const SIDE = 168; // pixels of a picture on the page, at least

export function pictures(app, plan) {
  const { trace } = app, steps = [...new Set(plan.rows.flatMap(row => [...row.operands, row.result]))];
  const maps = steps.filter(step => step.axes.some(([axis]) => axis === "channel") && step.axes.at(-1)?.[0] === "column" && !trace.isLeaf(step) || isPicture(step));
  const kernels = steps.filter(step => step.op === "parameter" && (trace.made.get(step.id) ?? []).some(one => /^conv[12]d$/.test(one.op) && one.operands.find(([role]) => role === "weight")?.[1] === step.id));
  if (!maps.length && !kernels.length) return null;
  return el("section", { class: "pictures" }, [...steps.filter(one => maps.includes(one) || kernels.includes(one))].map(step => el("div", {},
    el("h3", {}, kernels.includes(step) ? t("pictures.kernels", { name: step.name, count: step.shape[0], size: sizes(step.shape.slice(2)) }) : `${step.name}, ${t(step.shape[channelOf(step)] === 1 ? "pictures.one" : "pictures.channels", { count: step.shape[channelOf(step)] })}`),
    el("div", { class: "multiples", role: "group", "aria-label": step.name }, isPicture(step) && !app.state.backward ? seen(app, step) : null, smalls(app, step)))));
}

// Pictures of which every number is needed at once.
export const seenWhole = rows => [...new Set(rows.flatMap(row => [...row.operands, row.result]))].filter(isPicture);

const isPicture = step => step.op === "input" && step.shape.length === 4 && step.axes[1][0] === "channel";
const channelOf = step => step.axes.findIndex(([axis]) => axis === "channel");

// One small heat map for each channel; of kernels one for each channel that they make.
function smalls(app, step) {
  const { trace, state } = app, d = channelOf(step), axis = step.axes[d < 0 ? 0 : d][0], chosen = state.lead[axis] ?? 0;
  return Array.from({ length: Math.min(step.shape[d < 0 ? 0 : d], MOST) }, (_, channel) => {
    const figure = new Figure(trace, step, { lead: { ...state.lead, [axis]: channel }, width: 112, small: true, kind: state.backward && trace.hasGradient(step) ? "gradient" : "value" });
    return el("button", { type: "button", "aria-pressed": channel === chosen, "aria-label": t("pictures.channel", { channel }), onclick: () => app.lead(axis, channel) }, el("span", {}, channel), figure.low);
  });
}

// A picture of one or three channels in its own colours, from its least to its largest number.
function seen(app, step) {
  const { trace, state } = app, [, channels, rows, columns] = step.shape;
  if (![1, 3].includes(channels)) return null;
  const batch = Math.min(state.lead.batch ?? 0, step.shape[0] - 1), at = (channel, row, column) => trace.at(step, offsetOf(step.shape, [batch, channel, row, column])) ?? 0;
  const said = t(channels === 3 ? "pictures.seen.3" : "pictures.seen");
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < channels * rows * columns; i++) {
    const value = trace.at(step, batch * channels * rows * columns + i) ?? 0;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const canvas = el("canvas", { role: "img", "aria-label": `${step.name}: ${said}`, width: columns, height: rows }), image = new ImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      for (let k = 0; k < 3; k++) image.data[(row * columns + column) * 4 + k] = Math.round((at(channels === 3 ? k : 0, row, column) - low) / (high - low || 1) * 255);
      image.data[(row * columns + column) * 4 + 3] = 255;
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  const scale = Math.max(1, Math.floor(SIDE / Math.max(rows, columns)));
  canvas.style.cssText = `width:${columns * scale}px;height:${rows * scale}px;image-rendering:pixelated;max-width:100%`;
  return el("div", { class: "seen" }, el("span", { class: "small quiet" }, said), canvas);
}
