// The chain rule written out: every way in which one number reaches the loss, as a product of partial derivatives.
// The text of each is that of pellucid.see.chain in Python, and so are the groups in which too many to list are added up.

import { cellAt, offsetOf, printed } from "pellucid/address.js";
import { rounded, significant, total } from "pellucid/format.js";
import { cellsWith, constant, derivativeOf } from "pellucid/recipe.js";

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
        const local = derivativeOf(trace, made, at, one, offset);
        if (local === undefined) return false; // of numbers that are not in the file
        const kept = one.dtype === "float64" ? local : Math.fround(local);
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

// --- groups ----------------------------------------------------------------------------------------------------------

const USES = 8; // of a parameter, up to which each is a group of its own
const PATIENCE = 600_000; // derivatives that are worked out for one number

// The consumers of a cell that lead to the loss: [made, its place, local derivative, the operand], all digits kept.
async function onward(trace, step, offset) {
  await trace.loadBackward(step);
  const found = [];
  for (const made of trace.made.get(step.id) ?? []) {
    if (!trace.hasGradient(made)) continue;
    if (made.inside) found.push([made, offset, 1]);
    else if (!made.recipe) return null;
    else for (const at of cellsWith(trace, made, step, offset)) {
      const local = derivativeOf(trace, made, at, step, offset);
      if (local === undefined) return null; // of numbers that are not in the file
      if (local !== 0) found.push([made, at, local]);
    }
  }
  return found;
}

// A tensor of the file that may be one number for all cells.
async function read(trace, place) {
  if (place === null || place === undefined) return null;
  if (place.all !== undefined) return () => place.all;
  const numbers = await trace.decoded(place);
  return offset => numbers[offset];
}

// Those of one number as the file has them; what is not finite stands there as a word.
const asNumbers = found => ({ ...found, gradient: constant(found.gradient), groups: found.groups.map(one => ({ ...one, part: constant(one.part) })) });

// {count, groups: [{by, past, through, part, paths}], own, gradient} of a cell, as trace.paths has them in Python; null
// where the file does not hold what it takes.
export async function grouped(trace, step, cell) {
  if (!trace.paths) return trace.grouped?.address === printed(step, cell) ? asNumbers(trace.grouped) : null;
  const start = offsetOf(step.shape, cell), found = await ways(trace, step, start);
  if (!found) return null;
  const { layers, own, told } = found, gradient = trace.gradientAt(step, start) ?? total(told.map(one => one.part));
  if (told.length === 1 && !told[0].past.length && !told[0].by) {
    const parts = await parted(trace, step, start);
    if (parts) return { count: found.count, groups: parts, own: [], gradient };
  }
  const name = number => number === null ? null : layers[number].name;
  return { count: found.count, groups: told.map(one => ({ ...one, past: one.past.map(name), through: name(one.through) })), own: own.map(name), gradient };
}

// Forward from a cell to the next gates: by each way its part of the gradient and its paths.
async function ways(trace, step, start) {
  const known = trace.paths;
  const layers = known.layers.map(([name, addition, skip, branch, held]) => ({ name, addition, skip, branch, held: new Set(held) }));
  const additions = new Map(layers.map((layer, number) => [layer.addition, number])), own = layers.flatMap((layer, number) => layer.held.has(step.id) ? [number] : []);
  const groups = new Map();
  const add = (by, past, through, part, paths) => {
    const key = JSON.stringify([by, past, through]), held = groups.get(key);
    if (held) { held.part += part; held.paths += paths; } else groups.set(key, { by, past, through, part, paths });
  };
  // What a way from a gate's cell brings: all of its gradient where it is the only one.
  const leave = async (gate, offset, tangent, count, by, changed) => {
    await trace.load(gate, "gradient");
    for (const [past, through, part, paths] of known.gates[gate.id] ?? [[[], null, null, known.counts[gate.id]]]) {
      const gradient = part === null ? trace.gradientAt(gate, offset) : (await read(trace, part))(offset), counted = await read(trace, paths), way = changed({ past, through });
      add(by, way.past, way.through, tangent * gradient, counted ? count * counted(offset) : NaN);
    }
  };
  const same = way => way, isGate = one => known.gates[one.id] !== undefined || one.id === trace.loss;
  if (!own.length && known.gates[step.id] !== undefined) await leave(step, start, 1, 1, null, same);
  else {
    const uses = (trace.made.get(step.id) ?? []).filter(one => trace.hasGradient(one)), named = trace.isLeaf(step) && uses.length > 1 && uses.length <= USES;
    let worked = 0;
    for (const use of named ? uses : [null]) {
      const waiting = new Map(); // of each step the cells that move, how much, and by how many paths
      const on = async (one, offset, tangent, count) => {
        const found = await onward(trace, one, offset);
        if (!found || (worked += found.length) > PATIENCE) return false;
        for (const [made, at, local] of found) {
          if (use && one === step && made !== use) continue;
          const by = use?.name ?? null, number = additions.get(made.id);
          if (number !== undefined) {
            const { name: _, skip } = layers[number];
            await leave(made, at, tangent * local, count, by, skip === one.id ? way => ({ past: [number, ...way.past], through: way.through }) : own.includes(number) ? same : () => ({ past: [], through: number }));
            continue;
          }
          if (!waiting.has(made.id)) waiting.set(made.id, new Map());
          const cells = waiting.get(made.id), held = cells.get(at);
          if (held) { held[0] += tangent * local; held[1] += count; } else cells.set(at, [tangent * local, count]);
        }
        return true;
      };
      if (!await on(step, start, 1, 1)) return null;
      while (waiting.size) {
        const id = Math.min(...waiting.keys()), one = trace.steps[id], cells = waiting.get(id);
        waiting.delete(id);
        const stops = isGate(one) || known.counts[id] !== undefined && trace.hasGradient(one) && straight(trace, known, layers, one);
        for (const [offset, [tangent, count]] of cells) {
          if (one.id === trace.loss) add(use?.name ?? null, [], null, tangent, count);
          else if (stops) await leave(one, offset, tangent, count, use?.name ?? null, same);
          else if (!await on(one, offset, tangent, count)) return null;
        }
      }
    }
  }
  const found = [...groups.values()].filter(one => one.part !== 0 || one.paths);
  const rank = one => one.through === null ? layers.length : one.through;
  found.sort((a, b) => rank(a) - rank(b) || a.past.length - b.past.length);
  return { layers, own, told: found, count: total(found.map(one => one.paths)) };
}

// Whether nothing that it leads to is an addition: then all of its paths go straight on.
function straight(trace, known, layers, step) {
  return !layers.some(layer => layer.held.has(step.id)) && !(known.behind ??= behind(trace, layers)).has(step.id);
}

// All steps from which a path leads to a residual addition.
function behind(trace, layers) {
  const found = new Set(layers.map(layer => layer.addition));
  for (const step of [...trace.steps].reverse()) {
    if ((trace.made.get(step.id) ?? []).some(one => found.has(one.id))) found.add(step.id);
  }
  return found;
}

const MANY = 64; // cells at which paths part, each of which may have to be followed

// A group for each cell at which the paths from one cell part for the first time.
async function parted(trace, step, offset) {
  const known = trace.paths;
  let local = 1, found;
  for (;;) {
    found = await onward(trace, step, offset);
    if (!found || found.length !== 1) break;
    [step, offset] = found[0];
    local *= found[0][2];
    if (step.id === trace.loss) return null;
  }
  if (!found || !found.length) return null;
  const groups = [];
  for (const [made, at, along] of found) {
    await trace.load(made, "gradient");
    const places = known.gates[made.id]?.map(one => one[3]) ?? (known.counts[made.id] ? [known.counts[made.id]] : []), counts = await Promise.all(places.map(one => read(trace, one)));
    const paths = made.id === trace.loss ? 1 : counts.length ? total(counts.map(one => one(at))) : found.length <= MANY ? (await ways(trace, made, at))?.count ?? NaN : NaN;
    groups.push({ by: null, past: [], through: printed(made, cellAt(made.shape, at)), part: trace.gradientAt(made, at) * local * along, paths });
  }
  return groups;
}

// 12.3%; a part many times as large as the sum, where parts cancel, as that many times.
export const shareText = share => Math.abs(share) < 10 ? `${(share * 100).toFixed(1)}%` : `${Math.round(share).toLocaleString("en-US")}x`;
export const countText = count => Number.isNaN(count) ? "·" : count < 1e6 ? Math.round(count).toLocaleString("en-US") : count.toExponential(2).replace(/e([+-])(\d)$/, "e$10$2");
