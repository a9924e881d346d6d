// The trace as the page holds it: the graph at once, each tensor when it is first looked at.
//
// A block is text: base64 of deflated planes of bytes. What the file leaves out because the same digits follow from
// the operands (a sum of two numbers, a transposition) is computed here; what was left out for its size is absent, and
// `has` says so.

import { cellsWith, derivativeOf, terms } from "pellucid/recipe.js";

const KINDS = { f4: [Float32Array, 4], f8: [Float64Array, 8], i4: [Int32Array, 4], u1: [Uint8Array, 1] };

export class BrokenTrace extends Error {}

export class Trace {
  constructor(graph, blockText) {
    if (!graph || graph.format !== "pellucid.page.1" || !Array.isArray(graph.steps) || !Array.isArray(graph.blocks)) {
      throw new BrokenTrace("format");
    }
    if (!graph.steps.every(sound)) throw new BrokenTrace("steps");
    Object.assign(this, graph);
    this.blockText = blockText;
    const last = this.blocks.at(-1);
    if (last && last[0] + last[1] > blockText.length) throw new BrokenTrace("cut");
    this.named = new Map();
    this.steps.forEach((step, id) => {
      step.id = id;
      step.size = step.shape.reduce((a, b) => a * b, 1);
      step.loads = {};
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
    step.loads[kind] ??= this.fetched(step, kind);
    return step.loads[kind];
  }

  async fetched(step, kind) {
    const source = step[kind];
    if (!source) return;
    if (source.derived !== undefined) {
      await Promise.all(this.operands(step).map(one => this.load(one)));
      if (step.recipe?.[0] === "map") await this.load(step, "table");
      step.values = derived(this, step, source.derived);
    } else if (source.added) {
      await this.loadBackward(step);
      step.gradients = addedUp(this, step);
    } else {
      const numbers = await this.decoded(source.block);
      const key = kind === "value" ? "values" : kind === "gradient" ? "gradients" : "tableNumbers";
      step[key] = source.rows || source.columns ? this.scattered(step, source, numbers, kind) : numbers;
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
    if (source.rows) step[kind === "value" ? "rowsThere" : "gradientRowsThere"] = { there, width };
    return whole;
  }

  async decoded(number) {
    const block = this.blocks[number];
    if (!block) throw new BrokenTrace("block");
    block.numbers ??= decode(this.blockText.slice(block[0], block[0] + block[1]), block[2], block[3]);
    return block.numbers;
  }

  has(step, offset) {
    if (step.absent) return !step.absent[offset];
    return !step.rowsThere || step.rowsThere.there[Math.floor(offset / step.rowsThere.width)] === 1;
  }

  at(step, offset) {
    return step.values === undefined || !this.has(step, offset) ? undefined : Number(step.values[offset]);
  }

  gradientAt(step, offset) {
    const kept = step.gradientRowsThere;
    if (!step.gradients || (kept && !kept.there[Math.floor(offset / kept.width)])) return undefined;
    return step.gradients[offset];
  }

  // A step with all that its explanation reads.
  async loadForward(step) {
    const inner = this.innermost(step);
    await Promise.all([this.load(step), this.load(inner), inner.recipe?.[0] === "map" && this.load(inner, "table"),
      ...[...this.operands(inner), ...(inner.reads ?? []).map(id => this.steps[id])].map(one => this.load(one))]);
  }

  async loadBackward(step) {
    const made = this.made.get(step.id) ?? [];
    await Promise.all([this.load(step), step.gradient && !step.gradient.added && this.load(step, "gradient"),
      ...made.flatMap(one => [this.load(one), this.load(one, "gradient"), one.table && this.load(one, "table"),
        ...[...this.operands(one), ...(one.reads ?? []).map(id => this.steps[id])].map(other => this.load(other))])]);
  }
}

const sound = step => step && typeof step.name === "string" && [step.shape, step.axes, step.operands].every(Array.isArray);

// The rows that the file holds of a tensor, from [first, step, count].
export const rowsOf = source => source.rows.flatMap(([first, step, count]) => Array.from({ length: count }, (_, i) => first + i * step));

async function decode(text, kind, count) {
  try {
    const bytes = base64(text);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const planes = new Uint8Array(await new Response(stream).arrayBuffer());
    return unpacked(planes, kind, count);
  } catch (error) {
    throw new BrokenTrace("block", { cause: error });
  }
}

function base64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

function unpacked(planes, kind, count) {
  const half = kind === "f2" || kind === "b2";
  const [Kind, width] = half ? [Uint16Array, 2] : KINDS[kind];
  if (planes.length !== width * count) throw new BrokenTrace("length");
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < width; plane++) {
    for (let i = 0, from = plane * count; i < count; i++) bytes[i * width + plane] = planes[from + i];
  }
  const numbers = new Kind(bytes.buffer);
  return half ? widened(numbers, kind) : numbers;
}

// Half-precision numbers as the floats that they are.
function widened(halves, kind) {
  const floats = new Float32Array(halves.length);
  if (kind === "b2") {
    const bits = new Uint32Array(floats.buffer);
    for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
    return floats;
  }
  for (let i = 0; i < halves.length; i++) {
    const sign = halves[i] & 0x8000 ? -1 : 1, exponent = (halves[i] >> 10) & 31, part = halves[i] & 1023;
    floats[i] = exponent === 31 ? (part ? NaN : sign * Infinity)
      : sign * (exponent ? (1 + part / 1024) * 2 ** (exponent - 15) : part * 2 ** -24);
  }
  return floats;
}

// The numbers of a step from those of its operands. Python has made sure that these are the digits it recorded.
function derived(trace, step, how) {
  const operands = trace.operands(step), wide = step.dtype === "float64";
  const found = wide ? new Float64Array(step.size) : new Float32Array(step.size);
  const gaps = operands.some(one => one.rowsThere || one.absent) ? new Uint8Array(step.size) : null;
  const body = step.recipe, cell = new Array(step.shape.length).fill(0);
  if (body[0] === "map") {
    const fill = how.fill === undefined ? 0 : Number(String(how.fill).replace("inf", "Infinity"));
    const from = body[1].map(number => operands[number]);
    for (let i = 0; i < step.size; i++) {
      let number = step.tableNumbers[i] - 1, source = null;
      for (const one of number >= 0 ? from : []) {
        if (number < one.size) { source = one; break; }
        number -= one.size;
      }
      found[i] = source ? source.values[number] : fill;
      if (gaps && source && !trace.has(source, number)) gaps[i] = 1;
    }
  } else {
    const rule = terms(body, operands);
    for (let i = 0; i < step.size; i++) {
      found[i] = rule.value(cell);
      if (gaps && !rule.present(cell, trace)) gaps[i] = 1;
      for (let d = step.shape.length - 1; d >= 0; d--) {
        if (++cell[d] < step.shape[d]) break;
        cell[d] = 0;
      }
    }
  }
  if (gaps) step.absent = gaps;
  return found;
}

const PATIENCE = 400_000; // products, one by one; what takes more is added up in another way or not at all

// The gradient of a parameter from those of what it was made into: dW[j, k] = sum over positions of u[j] x[k].
function addedUp(trace, step) {
  const sums = new Float64Array(step.size);
  for (const made of trace.made.get(step.id) ?? []) {
    if (!made.gradients) continue;
    if (made.op === "linear" && made.operands.find(([role]) => role === "weight")?.[1] === step.id) {
      const x = trace.steps[made.operands.find(([role]) => role === "input")[1]].values, [units, inputs] = step.shape;
      for (let row = 0; row < made.size / units; row++) {
        for (let j = 0; j < units; j++) {
          const upstream = made.gradients[row * units + j];
          if (upstream) for (let k = 0; k < inputs; k++) sums[j * inputs + k] += upstream * x[row * inputs + k];
        }
      }
    } else if (made.inside) {
      made.gradients.forEach((one, i) => { sums[i] += one; });
    } else if (made.recipe?.[0] === "map") {
      let start = 1;
      for (const number of made.recipe[1]) {
        const source = trace.steps[made.operands[number][1]];
        if (source === step) made.gradients.forEach((one, i) => { const at = made.tableNumbers[i] - start; if (at >= 0 && at < step.size) sums[at] += one; });
        start += source.size;
      }
    } else if (made.recipe && made.size * step.size < PATIENCE * 64) {
      for (let offset = 0; offset < step.size; offset++) {
        for (const at of cellsWith(trace, made, step, offset)) sums[offset] += made.gradients[at] * derivativeOf(trace, made, at, step, offset);
      }
    } else return undefined;
  }
  return Float32Array.from(sums);
}
