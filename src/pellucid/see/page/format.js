// Numbers as text. `significant` prints exactly what Python's format(value, ".4g") prints, so that a formula on the
// page and on the command line are the same string; `shown` is for people: three decimals and a true minus sign.

export function significant(value, digits) {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa, exponent] = roundedHalfEven(Math.abs(value), digits);
  const sign = value < 0 ? "-" : "";
  if (exponent < -4 || exponent >= digits) {
    const body = trimmed(mantissa[0] + (digits > 1 ? "." + mantissa.slice(1) : ""));
    return `${sign}${body}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  if (exponent < 0) return sign + trimmed("0." + "0".repeat(-exponent - 1) + mantissa);
  const whole = mantissa.slice(0, exponent + 1), part = mantissa.slice(exponent + 1);
  return sign + (part ? trimmed(`${whole}.${part}`) : whole);
}

// The digits and the exponent of a positive number. Exact ties go to the even digit, as in Python; JavaScript's own
// rounding takes the larger one. 25 digits tell a tie of doubles from a near one.
function roundedHalfEven(value, digits) {
  const [long, power] = value.toExponential(25).split("e");
  const all = long.replace(".", "");
  if (/^50*$/.test(all.slice(digits))) {
    const kept = all.slice(0, digits);
    if (Number(kept.at(-1)) % 2 === 0) return [kept, Number(power)];
  }
  const [short, exponent] = value.toExponential(digits - 1).split("e");
  return [short.replace(".", ""), Number(exponent)];
}

const trimmed = text => text.includes(".") ? text.replace(/\.?0+$/, "") : text;

// A negative number in brackets, where a minus might stand before it.
export const signed = text => text.startsWith("-") ? `(${text})` : text;
export const rounded = (value, digits) => signed(significant(value, digits));

// A cell of a matrix: short enough to be read at a glance.
export function shown(value, all = false) {
  if (value === undefined) return "·";
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (all) return minus(exactText(value));
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size >= 1e5 || size < 5e-4) return minus(tidyExponent(value.toExponential(1)));
  if (Number.isInteger(value)) return minus(String(value));
  return minus(value.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3));
}

// As Python prints a double: all digits that tell it from its neighbours.
export function exactText(value) {
  if (!Number.isFinite(value)) return significant(value, 17);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  return Object.is(value, -0) ? "-0.0" : Number.isInteger(value) ? `${value}.0` : String(value);
}

const tidyExponent = text => text.replace("e+", "e").replace(".0e", "e");
export const minus = text => text.replace(/-/g, "−");
export const percent = value => Number.isNaN(value) ? "nan" : value === 0 ? "0%" : value >= 0.9995 ? "100%" : `${(value * 100).toFixed(value >= 0.1 ? 0 : 1)}%`;
export const count = number => number.toLocaleString("en");
export const sizes = shape => shape.length ? shape.join("×") : "1";

// The shape of what passes through the model; a batch of one goes without saying.
export const passing = step => sizes(step.shape.length > 1 && step.shape[0] === 1 && !["parameter", "constant"].includes(step.op) ? step.shape.slice(1) : step.shape);

// The sum of numbers, rounded once, as Python's math.fsum has it. Source: Shewchuk, 1996.
export function total(values) {
  let plain = 0, finite = true;
  for (const value of values) {
    plain += value;
    if (!Number.isFinite(value)) finite = false;
  }
  if (!finite) return plain;
  const partials = [];
  for (let x of values) {
    let kept = 0;
    for (let y of partials) {
      if (Math.abs(x) < Math.abs(y)) [x, y] = [y, x];
      const high = x + y, low = y - (high - x);
      if (low) partials[kept++] = low;
      x = high;
    }
    partials.length = kept;
    partials.push(x);
  }
  let number = partials.length;
  if (!number) return 0;
  let high = partials[--number], low = 0;
  while (number > 0) {
    const x = high, y = partials[--number];
    high = x + y;
    low = y - (high - x);
    if (low) break;
  }
  // Half way between two doubles what lies below decides.
  if (number > 0 && ((low < 0 && partials[number - 1] < 0) || (low > 0 && partials[number - 1] > 0))) {
    const twice = low * 2, x = high + twice;
    if (twice === x - high) high = x;
  }
  return high;
}

// A text that may stand in HTML.
export const safe = text => String(text).replace(/[&<>"']/g, one => `&#${one.charCodeAt(0)};`);
