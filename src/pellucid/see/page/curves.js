// The curve of an activation, with the place on it at which each neuron stands: what came in and what went out.

import { printed } from "pellucid/address.js";
import { svg } from "pellucid/dom.js";
import { erf } from "pellucid/expression.js";
import { shown } from "pellucid/format.js";

const sigmoid = x => 1 / (1 + Math.exp(-x)), softplus = x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), between = (x, low, high) => Math.min(Math.max(x, low), high);

export const CURVES = {
  relu: x => Math.max(0, x), tanh: Math.tanh, sigmoid, silu: x => x * sigmoid(x), softplus, mish: x => x * Math.tanh(softplus(x)),
  leaky_relu: (x, { negative_slope: slope = 0.01 }) => x > 0 ? x : slope * x,
  elu: (x, { alpha = 1 }) => x > 0 ? x : alpha * Math.expm1(x),
  selu: x => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)),
  gelu: (x, { approximate = "none" }) => 0.5 * x * (1 + (approximate === "tanh" ? Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)) : erf(x / Math.SQRT2))),
  log_sigmoid: x => -softplus(-x), relu6: x => between(x, 0, 6), hardtanh: (x, { min_val: low = -1, max_val: high = 1 }) => between(x, low, high),
  hardsigmoid: x => between(x + 3, 0, 6) / 6, hardswish: x => x * between(x + 3, 0, 6) / 6,
};

const WIDE = 110, HIGH = 70, REACH = 4; // from -4 to 4, and as far as the neurons stand

export function curve(app, { step, activation }, x, y, batch) {
  const { trace } = app, f = input => CURVES[activation.op](input, activation.settings ?? {}), n = step.shape.at(-1), start = step.shape.length > 1 ? batch * n : 0;
  const stands = Array.from({ length: n }, (_, k) => ({ k, input: trace.at(step, start + k), output: trace.at(activation, start + k) }));
  const reach = Math.max(REACH, ...stands.map(one => Number.isFinite(one.input) ? Math.abs(one.input) * 1.05 : 0)), line = Array.from({ length: 97 }, (_, i) => -reach + i * reach / 48);
  const heights = [0, ...line.map(f), ...stands.map(one => one.output)].filter(Number.isFinite), low = Math.min(...heights), high = Math.max(...heights);
  const px = value => x + value / reach * WIDE / 2, py = value => y + HIGH - (value - low) / (high - low || 1) * HIGH;
  return svg("g", { class: "curve" }, svg("title", {}, activation.op), svg("path", { d: `M${px(-reach)} ${py(0)}H${px(reach)}M${px(0)} ${y}V${y + HIGH}`, style: "stroke:var(--line);fill:none" }),
    svg("polyline", { points: line.map(value => `${px(value).toFixed(1)},${py(f(value)).toFixed(1)}`).join(" "), style: "fill:none;stroke:var(--quiet);stroke-width:1.5" }),
    stands.filter(one => Number.isFinite(one.input) && Number.isFinite(one.output)).map(({ k, input, output }) => { // the others stand nowhere on it
      const cell = activation.shape.length > 1 ? [batch, k] : [k], said = `${printed(activation, cell)}: ${shown(input)} → ${shown(output)}`;
      return svg("a", { href: app.href(printed(activation, cell)), "aria-label": said, tabindex: -1, "data-input": input, "data-output": output, ...pointed(app, activation, cell) },
        svg("circle", { cx: px(input).toFixed(2), cy: py(output).toFixed(2), r: 4, style: "fill:var(--focus);stroke:var(--paper)" }, svg("title", {}, said)));
    }),
    svg("text", { class: "q", x, y: y + HIGH + 16, "text-anchor": "middle" }, activation.op));
}

// A part of the drawing that tells its number when it is pointed at or has the focus.
export const pointed = (app, step, cell) => ({ onpointerenter: () => app.preview(step, cell), onpointerleave: () => app.preview(null), onfocus: () => app.preview(step, cell, true), onblur: () => app.preview(null) });
