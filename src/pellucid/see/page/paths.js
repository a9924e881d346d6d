// The chain rule written out: every way in which one number reaches the loss, as a product of partial derivatives.
// The text of each is that of pellucid.see.chain in Python.

import { cellAt, offsetOf, printed } from "pellucid/address.js";
import { rounded, significant } from "pellucid/format.js";
import { cellsWith, derivativeOf } from "pellucid/recipe.js";

export const MOST = 300;

// All paths from a cell to the loss, or null where there are more than MOST (or an operation that is not opened).
export async function paths(trace, step, cell) {
  const loss = trace.steps[trace.loss], found = [];
  let visits = 0;
  async function onward(one, offset, cells, partials) {
    if (one === loss) { found.push({ cells, partials }); return found.length <= MOST; }
    if (++visits > 20_000) return false;
    await trace.loadBackward(one);
    for (const made of trace.made.get(one.id) ?? []) {
      if (!trace.hasGradient(made)) continue;
      if (made.inside) {
        if (!await onward(made, offset, cells, partials)) return false;
        continue;
      }
      if (!made.recipe) return false;
      for (const at of cellsWith(trace, made, one, offset)) {
        const local = derivativeOf(trace, made, at, one, offset), kept = one.dtype === "float64" ? local : Math.fround(local);
        if (kept !== 0 && !await onward(made, at, [...cells, printed(made, cellAt(made.shape, at))], [...partials, kept])) return false;
      }
    }
    return true;
  }
  return await onward(step, offsetOf(step.shape, cell), [printed(step, cell)], []) ? found : null;
}

export const productOf = path => path.partials.reduce((a, b) => a * b, 1);

export const textOfPath = (path, digits = 4) =>
  `${[...path.cells].reverse().join(" <- ")}: ${[...path.partials].reverse().map(one => rounded(one, digits)).join("*")} = ${significant(productOf(path), digits)}`;
