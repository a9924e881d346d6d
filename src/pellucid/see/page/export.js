// A panel as a file: SVG (cells as rectangles, so that it can be edited), PNG (as it stands), CSV (all digits).

import { labelOf } from "pellucid/address.js";
import { colourOf, colours, inkOn } from "pellucid/colour.js";
import { button, el } from "pellucid/dom.js";
import { exactText, safe, shown } from "pellucid/format.js";
import { t } from "pellucid/words.js";

const MOST = 20000; // cells of an SVG; beyond it no editor is glad of it, and the picture stands in it as pixels

export function saveMenu(figure) {
  const name = () => figure.step.name.replace(/[^\w.-]+/g, "_");
  return el("details", { class: "saves", onkeydown: event => { if (event.key === "Escape") event.currentTarget.open = false; } }, el("summary", { "aria-label": t("figure.saves", { name: figure.step.name }), title: t("figure.saves", { name: figure.step.name }) }, "⤓"), el("span", {}, ["SVG", "PNG", "CSV"].map(kind => button(kind, async () => {
    await figure.ready();
    if (kind === "CSV") save(`${name()}.csv`, new Blob([csv(figure)], { type: "text/csv" }));
    if (kind === "SVG") save(`${name()}.svg`, new Blob([drawing(figure)], { type: "image/svg+xml" }));
    if (kind === "PNG") figure.low.toBlob(blob => save(`${name()}.png`, blob));
  }, { "aria-label": t("figure.save", { kind, name: figure.step.name }), title: t("figure.save", { kind, name: figure.step.name }) }))));
}

// The same for a view that is a drawing (SVG, PNG), tables (CSV), or both.
export function saveView(view, name) {
  const picture = view.querySelector("svg[role=group]"), tables = [...view.querySelectorAll("table")];
  const kinds = [...(picture ? ["SVG", "PNG"] : []), ...(tables.length ? ["CSV"] : [])];
  if (!kinds.length) return null;
  return el("details", { class: "saves", onkeydown: event => { if (event.key === "Escape") event.currentTarget.open = false; } }, el("summary", { "aria-label": t("figure.saves", { name }), title: t("figure.saves", { name }) }, "⤓"), el("span", {}, kinds.map(kind => button(kind, async () => {
    if (kind === "CSV") save(`${name}.csv`, new Blob([tables.map(tableText).join("\n")], { type: "text/csv" }));
    if (kind === "SVG") save(`${name}.svg`, new Blob([standing(picture)], { type: "image/svg+xml" }));
    if (kind === "PNG") save(`${name}.png`, await painted(picture));
  }, { "aria-label": t("figure.save", { kind, name }), title: t("figure.save", { kind, name }) }))));
}

const tableText = table => [...table.rows].map(row => [...row.cells].map(cell => quoted(cell.innerText.trim().replace(/\u2212/g, "-"))).join(",")).join("\n") + "\n";

const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-family", "font-weight", "text-anchor", "opacity", "rx"];

// A drawing with the styles that the page gives it written into it, so that it stands by itself.
export function standing(picture) {
  const copy = picture.cloneNode(true), own = [picture, ...picture.querySelectorAll("*")], other = [copy, ...copy.querySelectorAll("*")];
  own.forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const name of STYLES) if (style.getPropertyValue(name)) other[i].style.setProperty(name, style.getPropertyValue(name));
    for (const name of ["href", "tabindex", "data-focus", "role"]) if (element !== picture) other[i].removeAttribute(name);
  });
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.style.background = colours().paper;
  return new XMLSerializer().serializeToString(copy);
}

async function painted(picture) {
  const image = new Image(), box = picture.getBoundingClientRect();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(standing(picture))}`;
  await image.decode();
  const canvas = el("canvas", { width: Math.ceil(box.width * 2), height: Math.ceil(box.height * 2) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise(done => canvas.toBlob(done));
}

export function save(name, blob) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

const quoted = text => /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;

export function csv(figure) {
  const { step, trace, rank } = figure;
  const head = ["", ...Array.from({ length: figure.columns }, (_, k) => quoted(figure.columnLabel(k)))].join(",");
  const lines = [head];
  for (let row = 0; row < figure.rows; row++) {
    const cells = [quoted(rank > 1 ? labelOf(trace, step, rank - 2, row) : step.name)];
    for (let column = 0; column < figure.columns; column++) {
      const value = figure.value(row, column);
      cells.push(value === undefined ? "" : exactText(value));
    }
    lines.push(cells.join(","));
  }
  return `${lines.join("\n")}\n`;
}

export function drawing(figure) {
  const c = colours(), { gutter, head, boardWidth, boardHeight, w, h } = figure;
  const width = gutter + boardWidth, height = head + boardHeight, parts = [];
  const few = figure.rows * figure.columns <= MOST;
  if (few) {
    for (let row = 0; row < figure.rows; row++) {
      for (let column = 0; column < figure.columns; column++) {
        const value = figure.value(row, column), rgb = colourOf(value, figure.scale, figure.share);
        const x = gutter + column * w, y = head + row * h, gap = figure.roomy ? 1 : 0;
        parts.push(`<rect x="${x + gap}" y="${y + gap}" width="${Math.max(w - 2 * gap, 0.1)}" height="${Math.max(h - 2 * gap, 0.1)}" rx="${figure.roomy ? 3 : 0}" fill="${rgb ? `rgb(${rgb})` : "none"}"/>`);
        if (figure.roomy) parts.push(`<text x="${x + w - 6}" y="${y + h / 2 + 4}" text-anchor="end" font-family="monospace" font-size="12" fill="${rgb ? inkOn(rgb) : c.quiet}">${safe(shown(value))}</text>`);
      }
    }
  } else {
    parts.push(`<image width="${width}" height="${height}" href="${figure.low.toDataURL()}"/>`);
  }
  const label = (x, y, anchor, text) => `<text x="${x}" y="${y}" text-anchor="${anchor}" font-family="sans-serif" font-size="12" fill="${c.quiet}">${safe(text)}</text>`;
  if (few && gutter && h >= 10) for (let row = 0; row < figure.rows; row++) parts.push(label(gutter - 6, head + (row + 0.5) * h + 4, "end", figure.rowLabel(row)));
  if (few && w >= 26) for (let column = 0; column < figure.columns; column++) parts.push(label(gutter + (column + 0.5) * w, head - 4, "middle", figure.columnLabel(column)));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"><title>${safe(figure.step.name)}</title><rect width="100%" height="100%" fill="${c.paper}"/>${parts.join("")}</svg>`;
}
