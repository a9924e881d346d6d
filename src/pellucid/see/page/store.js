// The trace as the page holds it: the graph at once, each tensor when it is first looked at.
//
// What the file leaves out because the same digits follow from the operands (a sum of two numbers, a transposition) is
// computed here; what was left out for its size is absent, and `has` says so. Of a large tensor single tiles can be read
// before all of it is, so that one number never waits for millions. All long work takes turns (turns.js).

import { cellAt } from "pellucid/address.js";
import { Blocks, BrokenTrace } from "pellucid/blocks.js";
import { cellsOf, evaluate } from "pellucid/expression.js";
import { constant, expressionOf, leavesAt, localsOf, strided, terms } from "pellucid/recipe.js";
import { due, turn } from "pellucid/turns.js";

export { BrokenTrace };

const FEW = 1 << 14; // numbers that are computed at once, though one alone is asked for
const SMALL = 1 << 19; // numbers of a sheet that are all read before it is drawn; more come one matrix after another

export class Trace {
  constructor(graph) {
    if (!graph || graph.format !== "pellucid.page.1" || !Array.isArray(graph.steps) || !Array.isArray(graph.blocks) || !Array.isArray(graph.elements)) {
      throw new BrokenTrace("format");
    }
    if (!graph.steps.every(sound)) throw new BrokenTrace("steps");
    Object.assign(this, graph);
    this.file = new Blocks(graph.blocks, graph.elements, graph.characters);
    this.tiles = new Map(); // single blocks that were read before all of their tensor
    this.read = new Map(); // tensors by their blocks: those that are equal lie in the file once
    this.named = new Map();
    this.steps.forEach((step, id) => {
      step.id = id;
      step.size = step.shape.reduce((a, b) => a * b, 1);
      step.loads = {};
      if (step.difference !== undefined) step.difference = constant(step.difference);
      this.named.set(step.name, step);
    });
    this.made = new Map(); // the steps made of a step; of the last inner one, the fused step around it
    for (const step of this.steps) {
      if (step.aside || step.update !== undefined) continue;
      const from = step.inside ? [step.inside.at(-1)] : step.operands.map(([, id]) => id);
      for (const id of new Set(from)) {
        if (!this.made.has(id)) this.made.set(id, []);
        this.made.get(id).push(step);
      }
      for (const id of step.inside ?? []) this.steps[id].within = step;
    }
  }

  find(name) {
    return this.named.get(name) ?? this.steps[this.aliases[name]];
  }

  operands(step) {
    return step.operands.map(([, id]) => this.steps[id]);
  }

  // Of a fused step the one that explains it.
  innermost(step) {
    while (step.inside) step = this.steps[step.inside.at(-1)];
    return step;
  }

  isLeaf(step) {
    return ["input", "parameter", "constant", "held"].includes(step.op);
  }

  hasGradient(step) {
    return step.gradient !== undefined;
  }

  // --- numbers --------------------------------------------------------------------------------------------------

  // All that is needed to read `kind` ("value", "gradient", "table") of a step without waiting afterwards.
  load(step, kind = "value") {
    step.loads[kind] ??= this.fetched(step, kind).then(() => { step.loaded ??= {}; step.loaded[kind] = true; });
    return step.loads[kind];
  }

  // Whether nothing has to be waited for.
  loaded(step, kind = "value") {
    return step[kind] === undefined || Boolean(step.loaded?.[kind]);
  }

  // Of several steps: all, if they are few numbers; else none, and whoever draws them waits for each.
  async loadSmall(steps, kind = "value") {
    const missing = steps.filter(step => !this.loaded(step, kind));
    if (missing.reduce((sum, step) => sum + step.size, 0) <= SMALL) await Promise.all(missing.map(step => this.load(step, kind)));
  }

  async fetched(step, kind) {
    const source = step[kind];
    if (!source) return;
    if (source.derived !== undefined) {
      await Promise.all(this.operands(step).map(one => this.load(one)));
      if (step.recipe?.[0] === "map") await this.load(step, "table");
      step.values = await derived(this, step, source.derived);
    } else if (source.added) {
      await this.loadBackward(step);
      step.gradients = await addedUp(this, step);
    } else {
      const numbers = await this.decoded(source);
      const key = kind === "value" ? "values" : kind === "gradient" ? "gradients" : "tableNumbers";
      step[key] = source.rows || source.columns ? this.scattered(step, source, numbers, kind) : numbers;
      if (step.early) delete step.early[kind];
    }
  }

  // Rows that the file holds, in their places; the others are absent. A block may hold several tensors side by side.
  scattered(step, source, numbers, kind) {
    const width = step.size / source.of, whole = new numbers.constructor(step.size), there = new Uint8Array(source.of);
    const [first, total] = source.columns ?? [0, width], rows = source.rows ? rowsOf(source) : Array.from(there, (_, row) => row);
    rows.forEach((row, at) => {
      whole.set(numbers.subarray(at * total + first, at * total + first + width), row * width);
      there[row] = 1;
    });
    if (source.rows) step[kind === "value" ? "rowsThere" : kind === "gradient" ? "gradientRowsThere" : "tableRowsThere"] = { there, width };
    return whole;
  }

  decoded(source) {
    const key = String([source.block, source.more]);
    if (!this.read.has(key)) this.read.set(key, this.file.all(blocksOf(source)));
    return this.read.get(key);
  }

  // One number, though not all of its tensor: the tile that it lies in; or, of what the file leaves out, what it is
  // computed from.
  async loadCell(step, offset, kind = "value") {
    const source = step[kind];
    if (!source || this.loaded(step, kind)) return;
    if (source.derived !== undefined) return step.size > FEW ? this.derivedCell(step, offset) : this.load(step, kind);
    if (source.added || (source.more === undefined && !source.columns)) return this.load(step, kind);
    const place = placeOf(step, source, offset);
    if (place === undefined) return;
    const size = this.blocks[source.block][3], tile = Math.floor(place / size), block = blocksOf(source)[tile];
    const early = earlyOf(step, kind, size);
    this.tiles.set(block, this.tiles.get(block) ?? this.file.read(block)); // others may lie in it too
    early.tiles[tile] = await this.tiles.get(block);
  }

  async derivedCell(step, offset) {
    const leaves = leavesAt(this, step, offset);
    if (!leaves) return this.load(step);
    await Promise.all(leaves.map(([one, at]) => this.loadCell(one, at)));
    const tree = expressionOf(this, step, cellAt(step.shape, offset), offset), value = evaluate(tree);
    if (cellsOf(tree).every(one => one.value !== undefined)) earlyOf(step, "value").own.set(offset, step.dtype === "float64" ? value : Math.fround(value));
  }

  has(step, offset) {
    if (step.absent) return !step.absent[offset];
    return !step.rowsThere || step.rowsThere.there[Math.floor(offset / step.rowsThere.width)] === 1;
  }

  at(step, offset) {
    if (step.values === undefined) return earlyAt(step, "value", offset);
    return this.has(step, offset) ? Number(step.values[offset]) : undefined;
  }

  gradientAt(step, offset) {
    const kept = step.gradientRowsThere;
    if (!step.gradients) return earlyAt(step, "gradient", offset);
    return kept && !kept.there[Math.floor(offset / kept.width)] ? undefined : step.gradients[offset];
  }

  // Whether nothing has to be waited for before any number of a step is explained.
  loadedAround(step, backward) {
    const around = (one, kind) => this.loaded(one, kind) && [...this.operands(one), ...(one.reads ?? []).map(id => this.steps[id])].every(other => this.loaded(other));
    if (!backward) return this.loaded(step) && this.loaded(this.innermost(step), "table") && around(this.innermost(step), "value");
    return this.loaded(step) && (step.gradient?.added || this.loaded(step, "gradient")) &&
      (this.made.get(step.id) ?? []).every(one => this.loaded(one, "gradient") && this.loaded(one, "table") && around(one, "value"));
  }

  // A step with all that its explanation reads; with a cell, with what the explanation of this one reads.
  async loadForward(step, offset = null) {
    const inner = this.innermost(step), tiled = one => one.value?.more !== undefined && !this.loaded(one);
    const all = [step, inner, ...this.operands(inner), ...(inner.reads ?? []).map(id => this.steps[id])];
    const few = offset !== null && inner.recipe && inner.recipe[0] !== "map" && all.some(tiled) ? leavesAt(this, inner, offset) : null;
    await Promise.all([inner.recipe?.[0] === "map" && this.load(inner, "table"),
      ...all.map(one => few && tiled(one) ? null : this.load(one)),
      ...(few ? [[step, offset], [inner, offset], ...few].map(([one, at]) => this.loadCell(one, at)) : [])]);
  }

  async loadBackward(step) {
    const made = this.made.get(step.id) ?? [];
    await Promise.all([this.load(step), step.gradient && !step.gradient.added && this.load(step, "gradient"),
      ...made.flatMap(one => [this.load(one), this.load(one, "gradient"), one.table && this.load(one, "table"),
        ...[...this.operands(one), ...(one.reads ?? []).map(id => this.steps[id])].map(other => this.load(other))])]);
  }
}

const sound = step => step && typeof step.name === "string" && [step.shape, step.axes, step.operands].every(Array.isArray);

const earlyOf = (step, kind, size = 1) => (step.early ??= {})[kind] ??= { size, tiles: [], own: new Map() };

function earlyAt(step, kind, offset) {
  const early = step.early?.[kind];
  if (!early) return undefined;
  if (early.own.size) return early.own.get(offset);
  const place = placeOf(step, step[kind], offset);
  return place === undefined ? undefined : early.tiles[Math.floor(place / early.size)]?.[place % early.size];
}

// Where a number lies in the blocks of its tensor, which may be some rows, beside those of others; undefined: nowhere.
function placeOf(step, source, offset) {
  if (!source.rows && !source.columns) return offset;
  const width = step.size / source.of, row = Math.floor(offset / width), [first, total] = source.columns ?? [0, width];
  if (source.rows) source.placed ??= new Map(rowsOf(source).map((one, at) => [one, at]));
  const at = source.rows ? source.placed.get(row) : row;
  return at === undefined ? undefined : at * total + first + offset % width;
}

// The blocks of a tensor: the first, and more as [first, step, count].
const blocksOf = source => [source.block, ...progression(source.more ?? [])];

const progression = parts => parts.flatMap(([first, step, count]) => Array.from({ length: count }, (_, i) => first + i * step));

// The rows that the file holds of a tensor, from [first, step, count].
export const rowsOf = source => progression(source.rows);

// The numbers of a step from those of its operands. Python has made sure that these are the digits it recorded.
async function derived(trace, step, how) {
  const operands = trace.operands(step), body = step.recipe;
  const from = body[0] === "x" && body[2] === 0 ? operands[body[1]] : null;
  if (from?.values && from.size === step.size && String(body[3]) === String(strided(step.shape))) { // the same numbers in the same order
    step.absent = gapsOf(from);
    return from.values;
  }
  const found = step.dtype === "float64" ? new Float64Array(step.size) : new Float32Array(step.size);
  const missing = operands.map(gapsOf), gaps = operands.some((one, i) => one.values === undefined || missing[i]) ? new Uint8Array(step.size) : null;
  if (operands.some(one => one.values === undefined)) gaps.fill(1);
  else if (body[0] === "map") {
    const fill = how.fill === undefined ? 0 : Number(String(how.fill).replace("inf", "Infinity"));
    const sources = body[1].map(number => operands[number]), lacking = body[1].map(number => missing[number]);
    for (let i = 0; i < step.size; i++) {
      let number = step.tableNumbers[i] - 1, source = 0;
      while (number >= 0 && source < sources.length && number >= sources[source].size) number -= sources[source++].size;
      const given = number >= 0 && source < sources.length;
      found[i] = given ? sources[source].values[number] : fill;
      if (gaps && ((given && lacking[source]?.[number]) || absentRow(step.tableRowsThere, i))) gaps[i] = 1;
      if (i % 4096 === 0 && due()) await turn();
    }
  } else {
    const rule = terms(body, operands, missing), cell = new Array(step.shape.length).fill(0);
    for (let i = 0; i < step.size; i++) {
      found[i] = rule.value(cell);
      if (gaps && rule.lacks(cell)) gaps[i] = 1;
      for (let d = step.shape.length - 1; d >= 0; d--) {
        if (++cell[d] < step.shape[d]) break;
        cell[d] = 0;
      }
      if (i % 4096 === 0 && due()) await turn();
    }
  }
  if (gaps) step.absent = gaps;
  return found;
}

const absentRow = (kept, offset) => kept && !kept.there[Math.floor(offset / kept.width)];

// For each number of a step whether it is missing; null where none is.
function gapsOf(step) {
  if (!step.rowsThere) return step.absent ?? null;
  if (!step.gaps) {
    const { there, width } = step.rowsThere;
    step.gaps = new Uint8Array(step.size).fill(1);
    there.forEach((one, row) => { if (one) step.gaps.fill(0, row * width, (row + 1) * width); });
  }
  return step.gaps;
}

const PATIENCE = 400_000; // products, one by one; what takes more is added up in another way or not at all

// The gradient of a parameter from those of what it was made into: dW[j, k] = sum over positions of u[j] x[k].
// Nothing, where one of the numbers that it would be added up from is not in the file.
async function addedUp(trace, step) {
  const sums = new Float64Array(step.size), lacks = one => !one.values || one.rowsThere || one.absent;
  for (const made of trace.made.get(step.id) ?? []) {
    if (!trace.hasGradient(made)) continue;
    if (!made.gradients || made.gradientRowsThere) return undefined;
    if (made.op === "linear" && made.operands.find(([role]) => role === "weight")?.[1] === step.id) {
      const input = trace.steps[made.operands.find(([role]) => role === "input")[1]], x = input.values, [units, inputs] = step.shape;
      if (lacks(input)) return undefined;
      for (let row = 0; row < made.size / units; row++) {
        for (let j = 0; j < units; j++) {
          const upstream = made.gradients[row * units + j];
          if (upstream) for (let k = 0; k < inputs; k++) sums[j * inputs + k] += upstream * x[row * inputs + k];
          if (due()) await turn();
        }
      }
    } else if (made.inside) {
      made.gradients.forEach((one, i) => { sums[i] += one; });
    } else if (made.recipe?.[0] === "map") {
      if (!made.tableNumbers || made.tableRowsThere) return undefined;
      let start = 1;
      for (const number of made.recipe[1]) {
        const source = trace.steps[made.operands[number][1]];
        if (source === step) made.gradients.forEach((one, i) => { const at = made.tableNumbers[i] - start; if (at >= 0 && at < step.size) sums[at] += one; });
        start += source.size;
      }
    } else if (made.recipe && made.size * step.size < PATIENCE * 64) {
      if (trace.operands(made).some(one => one !== step && lacks(one))) return undefined;
      for (let offset = 0; offset < step.size; offset++) {
        for (const [at, local] of localsOf(trace, made, step, offset)) sums[offset] += made.gradients[at] * local;
        if (due()) await turn();
      }
    } else return undefined;
  }
  return Float32Array.from(sums);
}
