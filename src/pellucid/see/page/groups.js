// What belongs on one sheet: the steps of one place in the model, in the order in which they were computed.

const MOVED = new Set(["view", "transpose", "permute", "contiguous", "reshape", "unsqueeze", "squeeze", "alias", "expand", "T", "mT",
  "float", "to", "getitem", "select", "narrow", "flatten", "clone", "detach", "type_as"]);

// Numbers in other places and none of them new: shown when asked for.
export const onlyMoves = step => MOVED.has(step.op) && /^(\w+?)(_\d+)?$/.test(step.name.split(".").at(-1)) &&
  MOVED.has(step.name.split(".").at(-1).replace(/_\d+$/, ""));

export function keyOf(trace, step) {
  if (step.update !== undefined) return step.place;
  if (step.op === "parameter" || step.op === "constant") {
    const user = (trace.made.get(step.id) ?? [])[0];
    if (user) return keyOf(trace, user);
  }
  if (step.within) return keyOf(trace, step.within);
  let place = step.place;
  if (step.name === place && place.includes(".")) place = place.slice(0, place.lastIndexOf("."));
  if (!place) place = step.name.split(".")[0];
  return place;
}

// All groups in the order of their first computed step: [{key, steps}].
export function groupsOf(trace) {
  const groups = new Map();
  for (const step of trace.steps) {
    const key = keyOf(trace, step);
    if (!groups.has(key)) groups.set(key, { key, steps: [], first: Infinity });
    const group = groups.get(key);
    group.steps.push(step);
    step.group = group;
    if (step.update === undefined && (!trace.isLeaf(step) || step.op === "input")) group.first = Math.min(group.first, step.id);
  }
  const found = [...groups.values()].sort((a, b) => a.first - b.first);
  for (const group of found) group.call = trace.attentions.find(call => call.place === group.key) ?? null;
  return found;
}

// The computed steps that a sheet shows of a group, insides of fused ones included, plain moves left out.
export function mainSteps(trace, group, chosen) {
  return group.steps.filter(step => step === chosen || (!["parameter", "constant"].includes(step.op) && !onlyMoves(step) &&
    !(step.inside && step.inside.length)) || (step.inside && !step.inside.some(id => trace.steps[id].shape.join() === step.shape.join())));
}

// Rows of a sheet: each computed step with those of its operands that have not been shown yet.
export function rowsOf(trace, steps, extra = []) {
  const shown = new Set(), rows = [];
  const note = step => { shown.add(step); return step; };
  for (const step of steps) {
    if (shown.has(step)) continue;
    const inner = trace.innermost(step), from = step.inside && step.inside.length ? [] : inner.operands.map(([, id]) => trace.steps[id]);
    const before = [...new Set(from)].filter(one => !shown.has(one) && !(one.size === 1 && one.op === "constant")).map(note);
    rows.push({ operands: before, result: note(step), sign: signOf(step) });
  }
  for (const step of extra) if (!shown.has(step)) rows.push({ operands: [], result: note(step), sign: "" });
  return rows;
}

const signOf = step => ({ linear: "·", matmul: "·", scores: "·", bmm: "·", add: "+", sub: "−", mul: "×", div: "÷", conv2d: "∗", conv1d: "∗" })[step.op] ?? "";
