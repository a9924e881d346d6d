// A panel as a file: SVG (shapes and text, so that it can be edited), PNG (as it stands), CSV (all digits).
//
// A matrix is drawn anew with every number in it; any other panel is read off the page, box by box and line by line.

import { colourOf, colours, inkOn } from "pellucid/colour.js";
import { button, el } from "pellucid/dom.js";
import { exactText, safe, shown } from "pellucid/format.js";
import { t } from "pellucid/words.js";

const MOST = 20000; // cells of an SVG; beyond it no editor is glad of it, and the picture stands in it as pixels
const WRITTEN = 4000; // cells of an SVG whose numbers are written into them, however small they are on the page
const WIDE = 62, TALL = 26;
const SHARP = 2; // pixels of a PNG for each of the page's

// A menu that unfolds under a sign; Escape folds it.
export function folding(label, sign, parts, kind = "saves") {
  return el("details", { class: kind, onkeydown: event => { if (event.key === "Escape" && event.currentTarget.open) { event.stopPropagation(); event.currentTarget.open = false; event.currentTarget.firstChild.focus(); } } },
    el("summary", { "aria-label": label, title: label }, sign), el("span", {}, parts));
}

function menu(name, make) {
  return folding(t("figure.saves", { name }), "⤓", Object.entries(make).map(([kind, written]) => button(kind, async () => {
    const found = await written();
    save(`${fileName(name)}.${kind.toLowerCase()}`, found instanceof Blob ? found : new Blob([found], { type: TYPES[kind] }));
  }, { "aria-label": t("figure.save", { kind, name }), title: t("figure.save", { kind, name }) })));
}

const TYPES = { SVG: "image/svg+xml", CSV: "text/csv", PNG: "image/png" };
const fileName = name => name.replace(/[^\w.-]+/g, "_").replace(/^_+|_+$/g, "") || "panel";

export function saveMenu(figure) {
  return menu(figure.sliceName(), { SVG: () => whole(figure, drawing), PNG: async () => painted(await whole(figure, drawing)), CSV: () => whole(figure, csv) });
}

// Once all of its numbers have been read and drawn.
async function whole(figure, written) {
  await figure.ready();
  return written(figure);
}

// The same for any panel; `panel` is its element, or gives it, when the file is asked for.
export function savePanel(panel, name) {
  const of = () => typeof panel === "function" ? panel() : panel;
  return menu(name, { SVG: () => picture(of()), PNG: async () => painted(await picture(of())), CSV: () => tableOf(of()) });
}

export function save(name, blob) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

async function painted(drawn) {
  const [, width, height] = /width="([\d.]+)" height="([\d.]+)"/.exec(drawn).map(Number);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawn)}`;
  await image.decode();
  const sharp = Math.min(SHARP, 12000 / Math.max(width, height)), canvas = el("canvas", { width: Math.ceil(width * sharp), height: Math.ceil(height * sharp) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise(done => canvas.toBlob(done));
}

// --- CSV -----------------------------------------------------------------------------------------------------------

const quoted = text => /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
const lines = rows => rows.map(row => row.map(one => quoted(String(one))).join(",")).join("\n") + "\n";

// All digits of a matrix; the cell of an exercise stays hidden.
export function csv(figure) {
  const { step, rank } = figure, rows = [["", ...Array.from({ length: figure.columns }, (_, k) => figure.columnLabel(k))]];
  for (let row = 0; row < figure.rows; row++) {
    rows.push([rank > 1 ? figure.rowLabel(row) : step.name, ...Array.from({ length: figure.columns }, (_, column) => {
      const value = figure.value(row, column);
      return figure.hides(row, column) ? "?" : value === undefined ? "" : exactText(value);
    })]);
  }
  return lines(rows);
}

// What a panel holds: the rows that it gives itself, else its matrices, tables, terms and links.
async function tableOf(panel) {
  await drawn(panel);
  if (panel.table) return lines(panel.table());
  const found = [];
  for (const one of panel.querySelectorAll("figure, table, ol.terms, svg[role=group], [data-small]")) {
    if (one.figure) found.push(`${quoted(one.figure.sliceName())}\n${csv(one.figure)}`);
    else if (one.matches("table") && !one.closest(".lens")) found.push(lines([...one.rows].map(row => [...row.cells].map(written))));
    else if (one.matches("ol.terms")) found.push(lines([...one.children].map(row => [row.firstChild.innerText, row.dataset.value ?? written(row.lastChild)])));
    else if (one.matches("svg")) found.push(lines([...one.querySelectorAll("a")].map(link => [link.getAttribute("aria-label") ?? link.textContent, decodeURI(link.getAttribute("href") ?? "").replace("#", "")])));
  }
  return found.join("\n");
}

const written = cell => cell.dataset?.value ?? cell.innerText.trim().replace(/\u2212/g, "-").replace(/\s+/g, " ");

// --- a matrix as SVG -----------------------------------------------------------------------------------------------

export function drawing(figure) {
  const count = figure.rows * figure.columns, gutter = figure.gutter, [w, h] = count <= WRITTEN ? [Math.max(WIDE, figure.w), Math.max(TALL, figure.h)] : [figure.w, figure.h];
  const head = 20, width = Math.ceil(gutter + figure.columns * w), height = Math.ceil(head + figure.rows * h);
  return framed(width, height, `<title>${safe(figure.sliceName())}</title>${matrix(figure, w, h, gutter, head)}`);
}

const framed = (width, height, inside) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"><rect width="100%" height="100%" fill="${colours().paper}"/>${inside}</svg>`;

function matrix(figure, w, h, gutter, head) {
  const c = colours(), parts = [], count = figure.rows * figure.columns, roomy = w >= 40 && h >= 18;
  const label = (x, y, anchor, text) => parts.push(`<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-family="sans-serif" font-size="12" fill="${c.quiet}">${safe(text)}</text>`);
  if (count > MOST) return `<image x="0" y="0" width="${gutter + figure.columns * w}" height="${head + figure.rows * h}" preserveAspectRatio="none" href="${figure.low.toDataURL()}"/>`;
  for (let row = 0; row < figure.rows; row++) {
    for (let column = 0; column < figure.columns; column++) {
      const hidden = figure.hides(row, column), value = figure.value(row, column), rgb = hidden ? null : figure.colour(value);
      const x = gutter + column * w, y = head + row * h, gap = roomy ? 1 : 0;
      parts.push(`<rect x="${round(x + gap)}" y="${round(y + gap)}" width="${round(Math.max(w - 2 * gap, 0.1))}" height="${round(Math.max(h - 2 * gap, 0.1))}" rx="${roomy ? 3 : 0}" fill="${rgb ? `rgb(${rgb})` : "none"}"${roomy ? "" : `><title>${hidden ? "?" : safe(shown(value))}</title></rect`}${roomy ? "/" : ""}>`);
      if (roomy) parts.push(`<text x="${round(x + w - 6)}" y="${round(y + h / 2 + 4)}" text-anchor="end" font-family="monospace" font-size="12" fill="${rgb ? inkOn(rgb) : c.quiet}">${hidden ? "?" : safe(shown(value))}</text>`);
    }
  }
  if (gutter && h >= 10) for (let row = 0; row < figure.rows; row++) label(gutter - 6, head + (row + 0.5) * h + 4, "end", figure.rowLabel(row));
  if (w >= 26) for (let column = 0; column < figure.columns; column++) label(gutter + (column + 0.5) * w, head - 4, "middle", figure.columnLabel(column));
  return parts.join("");
}

const round = value => Number(value.toFixed(2));

// --- any panel as SVG ----------------------------------------------------------------------------------------------

const drawn = panel => Promise.all([...panel.querySelectorAll("figure")].map(one => one.figure?.ready()));

const LEFT_OUT = ".saves, .orders, .unseen, .lens, [hidden], button.next, .menu";

// Boxes with a ground or a line, text line by line, drawings and matrices: where and as they stand on the page.
export async function picture(panel) {
  await drawn(panel);
  const frame = panel.getBoundingClientRect(), parts = [];
  const at = box => ({ x: round(box.left - frame.left + 12), y: round(box.top - frame.top + 12), width: round(box.width), height: round(box.height) });
  (function read(node) {
    if (node.nodeType === Node.TEXT_NODE) { parts.push(...textLines(node, at)); return; }
    if (node.nodeType !== Node.ELEMENT_NODE || node.matches(LEFT_OUT)) return;
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    if (style.display === "none" || style.visibility === "hidden" || (!box.width && !box.height && style.display !== "contents")) return;
    if (node.matches("svg")) { parts.push(standing(node, at(box))); return; }
    if (node.matches("canvas")) { if (!node.matches(".board canvas + canvas")) parts.push(`<image ${attributes(at(box))} href="${node.toDataURL()}"/>`); return; }
    if (node.matches(".board") && node.figure && node.figure.rows * node.figure.columns <= WRITTEN && (node.figure.roomy || !node.figure.windowed)) {
      const { x, y } = at(box), figure = node.figure;
      parts.push(`<g transform="translate(${x} ${y})">${matrix(figure, figure.w, figure.h, figure.gutter, figure.head)}</g>`);
      return;
    }
    parts.push(ground(node, style, at(box)));
    if (node.matches("input, select")) parts.push(words(node.matches("select") ? node.selectedOptions[0]?.text ?? "" : node.type === "range" ? "" : node.value, { ...at(box), x: at(box).x + 8 }, style));
    else for (const child of node.childNodes) read(child);
  })(panel);
  return framed(Math.ceil(Math.max(frame.width, panel.scrollWidth) + 24), Math.ceil(Math.max(frame.height, panel.scrollHeight) + 24), parts.join(""));
}

const attributes = values => Object.entries(values).map(([name, value]) => `${name}="${value}"`).join(" ");
const clear = colour => colour === "transparent" || /, 0\)$/.test(colour);

function ground(node, style, box) {
  if (node.matches(".scale")) {
    const c = colours(), stops = node.matches(".share") ? [c.zero, c.share] : [c.neg, c.zero, c.pos], step = box.width / (stops.length * 8);
    return Array.from({ length: stops.length * 8 }, (_, i) => {
      const place = i / (stops.length * 8 - 1) * (stops.length - 1), from = Math.min(Math.floor(place), stops.length - 2), part = place - from;
      return `<rect x="${round(box.x + i * step)}" y="${box.y}" width="${round(step + 0.3)}" height="${box.height}" fill="rgb(${stops[from].map((one, k) => Math.round(one + (stops[from + 1][k] - one) * part))})"/>`;
    }).join("");
  }
  const sides = ["top", "right", "bottom", "left"].map(side => parseFloat(style.getPropertyValue(`border-${side}-width`)) || 0), found = [];
  const whole = sides.every(width => width > 0), colour = style.borderTopColor;
  if (!clear(style.backgroundColor) || (whole && !clear(colour))) {
    found.push(`<rect ${attributes(box)} rx="${Math.min(parseFloat(style.borderTopLeftRadius) || 0, box.height / 2)}" fill="${clear(style.backgroundColor) ? "none" : style.backgroundColor}"${whole && !clear(colour) ? ` stroke="${colour}"` : ""}/>`);
  }
  if (!whole) {
    const { x, y, width, height } = box, ends = [[x, y, x + width, y], [x + width, y, x + width, y + height], [x, y + height, x + width, y + height], [x, y, x, y + height]];
    sides.forEach((size, i) => {
      const own = style.getPropertyValue(`border-${["top", "right", "bottom", "left"][i]}-color`);
      if (size && !clear(own)) found.push(`<line x1="${ends[i][0]}" y1="${ends[i][1]}" x2="${ends[i][2]}" y2="${ends[i][3]}" stroke="${own}"/>`);
    });
  }
  return found.join("");
}

// The lines into which the page has broken a text.
function textLines(node, at) {
  if (!node.data.trim()) return [];
  const style = getComputedStyle(node.parentElement), range = document.createRange(), found = [];
  let line = null;
  for (let i = 0; i < node.data.length; i++) {
    range.setStart(node, i);
    range.setEnd(node, i + 1);
    const box = range.getClientRects()[0];
    if (!box) continue;
    if (!line || Math.abs(box.top - line.box.top) > 3) found.push(line = { text: "", box });
    line.text += node.data[i];
  }
  return found.map(one => words(one.text, at(one.box), style));
}

function words(text, box, style) {
  if (!text.trim()) return "";
  const size = parseFloat(style.fontSize);
  return `<text x="${box.x}" y="${round(box.y + box.height / 2 + size * 0.35)}" font-family="${safe(style.fontFamily)}" font-size="${size}" font-weight="${style.fontWeight}" fill="${style.color}" xml:space="preserve">${safe(text)}</text>`;
}

const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "font-size", "font-family", "font-weight", "text-anchor", "opacity", "rx"];

// A drawing with the styles that the page gives it written into it, so that it stands by itself.
export function standing(drawn, place = {}) {
  const copy = drawn.cloneNode(true), own = [drawn, ...drawn.querySelectorAll("*")], other = [copy, ...copy.querySelectorAll("*")];
  own.forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const name of STYLES) if (style.getPropertyValue(name)) other[i].style.setProperty(name, style.getPropertyValue(name));
    for (const name of ["href", "tabindex", "data-focus", "role"]) if (element !== drawn) other[i].removeAttribute(name);
  });
  for (const [name, value] of Object.entries(place)) copy.setAttribute(name, value);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new XMLSerializer().serializeToString(copy);
}
