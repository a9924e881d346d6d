// The numbers in the file: blocks of base64, each a tile of a tensor that is read when it is first wanted.
//
// They lie in elements after the page's code, and a file of hundreds of megabytes is still on its way when the page is
// already at work: a block in an element that has not arrived is waited for.

import { due, turn } from "pellucid/turns.js";

const KINDS = { f4: [Float32Array, 4], f8: [Float64Array, 8], i4: [Int32Array, 4], u1: [Uint8Array, 1],
  f2: [Uint16Array, 2], b2: [Uint16Array, 2] };

export class BrokenTrace extends Error {}

export class Blocks {
  // `index`: of each block where it starts in all of the text, its length, its kind and how many numbers it holds;
  // `starts`: where each element starts; `length`: of all text.
  constructor(index, starts, length) {
    Object.assign(this, { index, starts, length });
    this.arrivals = new Map(); // of elements that are waited for
    this.watcher = new MutationObserver(() => this.arrived());
    this.whole = Promise.withResolvers(); // rejected where the file was cut off
    this.whole.promise.catch(() => {});
    if (document.readyState === "loading") {
      this.watcher.observe(document.body, { childList: true });
      document.addEventListener("DOMContentLoaded", () => this.end());
    } else this.end();
  }

  // All of the file has been read.
  end() {
    this.watcher.disconnect();
    this.arrived();
    this.cut = this.starts.some((start, number) => (textOf(number)?.length ?? 0) < (this.starts[number + 1] ?? this.length) - start);
    if (this.cut) this.whole.reject(new BrokenTrace("cut")); else this.whole.resolve();
  }

  // The text of an element is whole when what comes after it is there.
  arrived() {
    for (const [number, tell] of this.arrivals) {
      if (!there(number)) continue;
      this.arrivals.delete(number);
      tell.resolve();
    }
  }

  async element(number) {
    if (!there(number)) {
      if (!this.arrivals.has(number)) this.arrivals.set(number, Promise.withResolvers());
      await this.arrivals.get(number).promise;
    }
    const text = textOf(number) ?? "";
    if (text.length < (this.starts[number + 1] ?? this.length) - this.starts[number]) throw new BrokenTrace("cut");
    return text;
  }

  // The numbers of a block.
  async read(number) {
    const block = this.index[number];
    if (!block) throw new BrokenTrace("block");
    const [start, length, kind, count] = block, element = lastNotAfter(this.starts, start), text = await this.element(element);
    if (due()) await turn();
    const from = start - this.starts[element];
    return decode(text.slice(from, from + length), kind, count);
  }

  // Those of several, in one array.
  async all(numbers) {
    if (numbers.length === 1) return this.read(numbers[0]);
    let whole = null, at = 0;
    const length = numbers.reduce((sum, number) => sum + (this.index[number]?.[3] ?? 0), 0);
    for (const number of numbers) {
      const part = await this.read(number);
      whole ??= new part.constructor(length);
      whole.set(part, at);
      at += part.length;
      if (due()) await turn();
    }
    return whole;
  }
}

const elementOf = number => document.getElementById(`blocks-${number}`);

const textOf = number => elementOf(number)?.firstChild?.data;

const there = number => document.readyState !== "loading" || Boolean(elementOf(number)?.nextElementSibling);

function lastNotAfter(starts, at) {
  let low = 0, high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle] <= at) low = middle; else high = middle - 1;
  }
  return low;
}

async function decode(text, kind, count) {
  try {
    const stream = new Blob([base64(text)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return unpacked(new Uint8Array(await new Response(stream).arrayBuffer()), kind, count);
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

// Numbers from the planes of their bytes, the most significant first.
function unpacked(planes, kind, count) {
  const [Kind, width] = KINDS[kind];
  if (planes.length !== width * count) throw new BrokenTrace("length");
  if (width === 4) {
    const words = new Uint32Array(count);
    for (let i = 0; i < count; i++) words[i] = planes[i] << 24 | planes[count + i] << 16 | planes[2 * count + i] << 8 | planes[3 * count + i];
    return new Kind(words.buffer);
  }
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < width; plane++) {
    for (let i = 0, from = plane * count, byte = width - 1 - plane; i < count; i++) bytes[i * width + byte] = planes[from + i];
  }
  const numbers = new Kind(bytes.buffer);
  return kind === "f2" || kind === "b2" ? widened(numbers, kind) : numbers;
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
