// A matrix as pixels, painted in bands between which whatever waits goes first; and what sums it up.

import { due, turn } from "pellucid/turns.js";

// Least, largest, mean, zeros and the rest of rows of a figure, added to what is known of the rows before them.
export const nothing = () => ({ min: Infinity, max: -Infinity, sum: 0, count: 0, zeros: 0, absent: 0, hidden: 0, limit: 0 });

export function added(known, figure, from, to) {
  let { min, max, sum, count, zeros, absent, hidden } = known;
  const { values, start, width, absent: gaps, lacks } = figure.plain ?? {}, { columns } = figure;
  for (let row = from; row < to; row++) {
    if (lacks?.(row)) { absent += columns; continue; }
    for (let column = 0, at = values && start + row * width; column < columns; column++, at++) {
      const value = values ? (gaps && gaps[at] ? undefined : values[at]) : figure.value(row, column);
      if (value === undefined) { absent++; continue; }
      if (value - value !== 0) { hidden++; continue; } // not finite
      count++;
      sum += Number(value);
      if (value === 0) zeros++;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  return { min, max, sum, count, zeros, absent, hidden, limit: count ? Math.max(Math.abs(min), Math.abs(max)) : 0 };
}

export const summed = known => ({ ...known, mean: known.sum / known.count, zeros: known.zeros / Math.max(known.count, 1) });

// The same for all rows, in turns.
export async function summary(figure) {
  const rows = Math.max(1, Math.floor(16384 / figure.columns));
  let known = nothing();
  for (let row = 0; row < figure.rows; row += rows) {
    known = added(known, figure, row, Math.min(figure.rows, row + rows));
    if (due()) await turn();
  }
  return summed(known);
}

// `shades` turns a value into a pixel; false as soon as `current()` says that something else is to be drawn.
export async function paint(figure, g, shades, width, height, left, top, current) {
  const { rows, columns } = figure, from = Int32Array.from({ length: width + 1 }, (_, x) => Math.floor(x * columns / width));
  const line = new Uint32Array(width), most = Math.min(height, 64);
  const plain = figure.plain ?? {};
  let drawnRow = -1, drawnEnd = -1;
  for (let band = 0; band < height; band += most) {
    const tall = Math.min(most, height - band), picture = g.createImageData(width, tall), pixels = new Uint32Array(picture.data.buffer);
    for (let y = 0; y < tall; y++) {
      const row = Math.min(rows - 1, Math.floor((band + y) * rows / height));
      const rowEnd = Math.max(row + 1, Math.min(rows, Math.floor((band + y + 1) * rows / height)));
      if (row !== drawnRow || rowEnd !== drawnEnd) {
        for (let x = 0; x < width; x++) {
          const column = Math.min(columns - 1, from[x]);
          line[x] = shades(largest(figure, plain, row, rowEnd, column, Math.max(column + 1, Math.min(columns, from[x + 1]))), x + band + y);
        }
        drawnRow = row;
        drawnEnd = rowEnd;
      }
      pixels.set(line, y * width);
      if (due()) {
        await turn();
        if (!current()) return false;
      }
    }
    g.putImageData(picture, left, top + band);
  }
  return true;
}

// Of the cells that fall on one pixel the largest, so that nothing strong is lost.
function largest(figure, { values, start, width, absent, lacks }, row, rowEnd, column, columnEnd) {
  let best, size = -1;
  for (let r = row; r < rowEnd; r++) {
    if (lacks?.(r)) continue;
    for (let k = column, at = values && start + r * width + column; k < columnEnd; k++, at++) {
      const value = values ? (absent && absent[at] ? undefined : values[at]) : figure.value(r, k), own = Math.abs(value);
      if (own > size) { best = value; size = own; }
    }
  }
  return best;
}
