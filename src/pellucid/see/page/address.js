// Addresses: place.name[axis=2, axis=5], the same in Python, on the command line and after the # of the page.

const PATTERN = /^(?:(\d+):)?([^[\]\s:]+)(?:\[([^[\]]*)\])?$/;

export function printed(step, cell) {
  if (!cell || !cell.length) return step.name;
  return `${step.name}[${step.axes.map(([axis], d) => `${axis}=${cell[d]}`).join(", ")}]`;
}

// {name, cell} with cell null for the whole tensor; null if the text is no address. Axes by name or in their order.
export function parsed(text) {
  const found = PATTERN.exec(text.trim());
  if (!found) return null;
  const step = found[1] === undefined ? null : Number(found[1]);
  if (found[3] === undefined) return { step, name: found[2], indices: null };
  const indices = [];
  for (const part of found[3].trim() ? found[3].split(",") : []) {
    const one = /^(?:\s*(\S+)\s*=)?\s*(-?\d+)\s*$/.exec(part);
    if (!one) return null;
    indices.push([one[1] ?? null, Number(one[2])]);
  }
  return { step, name: found[2], indices };
}

// The position of the cell in a step's tensor, or null if there is none.
// Where all are given by name, an axis with one position only, such as the batch, may be left out.
export function cellOf(step, given) {
  let indices = given ?? [];
  if (indices.every(([axis]) => axis !== null)) {
    indices = [...indices, ...step.axes.flatMap(([axis], d) => step.shape[d] === 1 && !indices.some(([one]) => one === axis) ? [[axis, 0]] : [])];
  }
  if (indices.length !== step.shape.length) return null;
  const cell = new Array(step.shape.length).fill(null);
  for (const [number, [axis, index]] of indices.entries()) {
    const d = axis === null ? number : step.axes.findIndex(([name]) => name === axis);
    if (d < 0 || cell[d] !== null || index < -step.shape[d] || index >= step.shape[d]) return null;
    cell[d] = index < 0 ? index + step.shape[d] : index;
  }
  return cell;
}

// Of an address that leaves axes open: for each axis an index or null; null if there is no such region.
export function regionOf(step, given) {
  const region = new Array(step.shape.length).fill(null);
  for (const [number, [axis, index]] of given.entries()) {
    const d = axis === null ? number : step.axes.findIndex(([name]) => name === axis);
    if (axis === null || d < 0 || region[d] !== null || index < -step.shape[d] || index >= step.shape[d]) return null;
    region[d] = index < 0 ? index + step.shape[d] : index;
  }
  return region;
}

// Where a cell stands in the order of all cells, and back.
export function offsetOf(shape, cell) {
  let offset = 0;
  for (let d = 0; d < shape.length; d++) offset = offset * shape[d] + cell[d];
  return offset;
}

export function cellAt(shape, offset) {
  const cell = new Array(shape.length);
  for (let d = shape.length - 1; d >= 0; d--) {
    cell[d] = offset % shape[d];
    offset = Math.floor(offset / shape[d]);
  }
  return cell;
}

// What a person calls a position of an axis: its label, or its number.
export function labelOf(trace, step, d, index) {
  const labels = step.axes[d]?.[1];
  return labels === undefined ? String(index) : trace.labels[labels][index] ?? String(index);
}
