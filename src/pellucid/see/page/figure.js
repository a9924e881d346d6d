// A matrix on paper: values as colours, numbers where there is room, labels that stay, and one chosen cell.
//
// Two canvases: the lower holds the values, the upper the rings, so that pointing redraws next to nothing. What does
// not fit shrinks to pixels; a lens shows the readable cells around the pointer, and the window ("1:1") scrolls
// through all of them at full size in the same place.

import { labelOf, offsetOf, printed } from "pellucid/address.js";
import { panelBadges } from "pellucid/badges.js";
import { colourOf, colours, inkOn } from "pellucid/colour.js";
import { button, el } from "pellucid/dom.js";
import { folding, saveMenu } from "pellucid/export.js";
import { count, exactText, minus, passing, percent, shown, significant } from "pellucid/format.js";
import { added, nothing, paint, summary, summed } from "pellucid/pixels.js";
import { axisName, t } from "pellucid/words.js";

const WIDE = 58, TALL = 26; // of a cell whose number is written out
const DENSE = 44, NARROW = 38; // of one among many tables, and where there is little room: with a digit less
const MANY = 1 << 16; // cells: more are summed up and painted in turns
const SHARES = new Set(["softmax"]);

export class Figure {
  // options: kind ("value" or "gradient"), lead (positions of leading axes by name), width (the most there is),
  // title, sign (of what is done with it, before its name), small (no tools), onpoint(step, cell), onpick(step, cell), limit (of the scale).
  constructor(trace, step, options) {
    Object.assign(this, { trace, step, kind: "value", lead: {}, width: 700, ...options });
    this.rank = step.shape.length;
    this.rows = this.rank > 1 ? step.shape[this.rank - 2] : 1;
    this.columns = this.rank > 0 ? step.shape[this.rank - 1] : 1;
    this.allRows = this.rows;
    this.arranged = null; // by what it is sorted
    this.order = null; // of columns, when sorted by a row
    this.rowOrder = null; // of rows, when sorted by a column or by size; those that are filtered out are not in it
    this.windowed = false;
    this.at = [0, 0]; // the first row and column of the window
    this.point = null;
    this.take();
    this.element = this.build();
  }

  // All numbers are there, and read without asking; if none is missing, straight from their array.
  take() {
    const { step } = this, gradient = this.kind === "gradient", gaps = gradient ? step.gradientRowsThere : step.absent || step.rowsThere;
    this.all_ = gradient ? step.gradients : step.values;
    this.gaps_ = gaps ?? null;
    this.whole_ = gaps ? null : this.all_;
    this.there = !this.trace.loaded || this.trace.loaded(step, this.kind);
  }

  // The numbers as they lie in their array: row after row from `start`, with which of them are missing; null where they
  // are in another order.
  get plain() {
    if (!this.all_ || this.order || this.rowOrder) return null;
    this.value(0, 0); // finds the start
    const { there, width } = this.gaps_ ?? {};
    return { values: this.all_, start: this.base, width: this.columns, absent: there ? null : this.gaps_,
      lacks: there ? row => !there[Math.floor((this.base + row * this.columns) / width)] : null };
  }

  get share() {
    return this.kind === "value" && (SHARES.has(this.step.op) || (this.step.op === "div" && this.step.name.endsWith(".shares")));
  }

  // --- numbers ----------------------------------------------------------------------------------------------------

  // The position of a shown cell in the tensor.
  cell(row, column) {
    const cell = this.step.axes.slice(0, Math.max(this.rank - 2, 0)).map(([axis], d) =>
      Math.min(this.lead[axis] ?? 0, this.step.shape[d] - 1));
    if (this.rank > 1) cell.push(this.rowOrder ? this.rowOrder[row] : row);
    if (this.rank > 0) cell.push(this.order ? this.order[column] : column);
    return cell;
  }

  value(row, column) {
    this.base ??= offsetOf(this.step.shape, [...this.cell(0, 0).slice(0, Math.max(this.rank - 2, 0)), 0, 0].slice(-this.rank || Infinity));
    const offset = this.base + (this.rowOrder ? this.rowOrder[row] : row) * this.columns + (this.order ? this.order[column] : column);
    if (this.whole_) return this.whole_[offset];
    return this.kind === "gradient" ? this.trace.gradientAt(this.step, offset) : this.trace.at(this.step, offset);
  }

  // Row and column of a cell of the tensor, or null if another slice is shown.
  shownAt(cell) {
    for (let d = 0; d < this.rank - 2; d++) {
      if (cell[d] !== Math.min(this.lead[this.step.axes[d][0]] ?? 0, this.step.shape[d] - 1)) return null;
    }
    const column = this.rank > 0 ? cell[this.rank - 1] : 0, row = this.rank > 1 ? cell[this.rank - 2] : 0;
    const at = this.rowOrder ? this.rowOrder.indexOf(row) : row;
    return at < 0 ? null : [at, this.order ? this.order.indexOf(column) : column];
  }

  get summary() {
    this.known ??= summed(added(nothing(), this, 0, this.rows));
    return this.known;
  }

  get scale() {
    const limit = this.limit || this.summary.limit || 1;
    return !this.share ? limit : limit < 0.35 ? limit : 1; // among very many keys no share is large
  }

  // Whole numbers that name something, such as tokens' ids: neither large nor small, so without colour.
  get names() {
    return this.kind === "value" && /^u?int/.test(this.step.dtype ?? "");
  }

  colour(value) {
    return colourOf(this.names ? 0 : value, this.scale, this.share);
  }

  // --- building ---------------------------------------------------------------------------------------------------

  build() {
    this.low = el("canvas");
    this.high = el("canvas", { tabindex: 0, role: "application", "aria-roledescription": t("figure.matrix"),
      "aria-label": this.spoken() });
    this.lens = el("div", { class: "lens", hidden: true, "aria-hidden": "true" });
    this.board = el("div", { class: "board" }, this.low, this.high, this.lens);
    this.under = el("div", { class: "under" });
    this.zoom = button("1:1", () => { this.toggleWindow(); this.onview?.(); }, { title: t("figure.window"), "aria-label": t("figure.window"), "aria-pressed": "false" });
    this.sorter = !this.small && this.rows * this.columns > 1 ? this.orders() : null;
    this.caption = el("figcaption", {}, this.sign ? el("span", { class: "sign", "aria-hidden": "true" }, this.sign) : null, el("b", {}, this.title ?? this.step.name.split(".").slice(-1)[0]),
      el("i", { title: this.step.shape.map((n, d) => `${axisName(this.step.axes[d][0])} ${n}`).join(" × ") }, passing(this.step)),
      this.small ? null : el("span", { class: "menu" }, this.sorter, this.zoom, saveMenu(this)),
      this.small ? null : (this.marks = el("span", { class: "marks" }, this.axesNamed(), panelBadges(this.trace, this.step, this.kind === "gradient" || this.step.pulled))));
    this.listen();
    const element = el("figure", { "data-step": this.step.name }, this.caption, this.board, this.under);
    element.figure = this.board.figure = this;
    this.layout();
    return element;
  }

  // The address of the slice that is shown, by which its files are called.
  sliceName() {
    const given = this.step.axes.slice(0, Math.max(this.rank - 2, 0)).flatMap(([axis], d) => this.step.shape[d] > 1 ? [`${axis}=${Math.min(this.lead[axis] ?? 0, this.step.shape[d] - 1)}`] : []);
    return `${this.kind === "gradient" || this.step.pulled ? "gradient of " : ""}${this.step.name}${given.length ? `[${given.join(", ")}]` : ""}`;
  }

  // Whether a reader is guessing it.
  hides(row, column) {
    return (this.concealed?.[0] === row && this.concealed[1] === column) || Boolean(this.hidden?.(row, column));
  }

  // What runs down and what runs across.
  axesNamed() {
    const names = this.step.axes.slice(-2).map(([axis]) => axisName(axis));
    if (!names.length) return null;
    return el("i", { class: "axes" }, names.length > 1 ? `${names[0]} ↓ ` : "", `${names.at(-1)} →`);
  }

  spoken() {
    const axes = this.step.axes.slice(-2).map(([axis]) => axisName(axis)).join(" × ");
    return t("figure.spoken", { name: this.step.name, rows: this.rows, columns: this.columns, axes });
  }

  layout() {
    const context = this.low.getContext("2d");
    context.font = `12px ${colours().words}`;
    const rowLabels = this.rank > 1 && (this.rows > 1 || this.step.axes[this.rank - 2][1] !== undefined);
    let gutter = 0;
    if (rowLabels && !this.small) {
      for (let row = 0; row < Math.min(this.rows, 200); row++) {
        gutter = Math.max(gutter, context.measureText(this.rowLabel(row)).width);
      }
      gutter = Math.min(Math.ceil(gutter) + 8, 104);
    }
    this.gutter = gutter;
    const space = Math.max(this.width - gutter, 60);
    const wide = [WIDE, DENSE, NARROW].slice(this.dense ? 1 : 0).find(one => this.columns * one <= space) ?? NARROW;
    this.roomy = !this.small && this.columns * wide <= space && this.rows <= 24;
    if (this.roomy) {
      Object.assign(this, { w: wide, h: TALL });
    } else {
      const most = this.small ? 14 : 22;
      this.w = Math.min(most, space / this.columns);
      if (this.w > 2) this.w = Math.floor(this.w);
      this.h = Math.min(this.small ? 14 : 18, Math.max(this.rows <= 16 ? 16 : 1, Math.min(this.w, 260 / this.rows)));
      if (this.h > 2) this.h = Math.floor(this.h);
      if (this.rows * this.h > 320) this.h = 320 / this.rows;
      if (this.small) this.w = this.h = Math.min(14, space / this.columns, this.width / this.rows);
    }
    this.boardWidth = Math.max(Math.round(this.columns * this.w), this.small ? 0 : this.roomy ? 0 : 56);
    this.boardHeight = Math.max(Math.round(this.rows * this.h), 1);
    // The window needs a height in which numbers can be read.
    if (!this.roomy && !this.small) this.boardHeight = Math.max(this.boardHeight, Math.min(this.rows, 3) * TALL);
    this.head = this.small ? 0 : this.topHeight(context);
    for (const canvas of [this.low, this.high]) sized(canvas, this.gutter + this.boardWidth, this.head + this.boardHeight);
    this.zoom.hidden = this.roomy;
    const across = Math.max(this.gutter + this.boardWidth, Math.min(250, this.width));
    this.under.style.maxWidth = this.caption.style.maxWidth = `${across}px`;
    if (this.marks) this.marks.style.minHeight = across < 400 ? "39px" : "18px"; // figures side by side begin alike
    if (!this.small && !this.names) this.under.style.minHeight = across < 440 && this.rows * this.columns > 1 ? "34px" : "16px";
    if (this.small) this.draw(); else whenSeen(this);
  }

  topHeight(context) {
    if (!this.roomy) return 18;
    return this.columns > 1 || this.step.axes.at(-1)?.[1] !== undefined ? 18 : 2;
  }

  rowLabel(row) {
    return this.rank > 1 ? labelOf(this.trace, this.step, this.rank - 2, this.rowOrder ? this.rowOrder[row] : row) : "";
  }

  columnLabel(column) {
    return this.rank ? labelOf(this.trace, this.step, this.rank - 1, this.order ? this.order[column] : column) : "";
  }

  drawUnder() {
    if (this.small) return;
    if (this.guessed) { this.under.replaceChildren(); return; } // least and largest would tell
    const s = this.summary;
    const number = value => minus(significant(value, 3));
    const scale = number(this.scale);
    if (this.names || this.rows * this.columns === 1) return;
    this.under.replaceChildren(el("span", {}, this.share ? "0" : `−${scale}`), el("span", { class: this.share ? "scale share" : "scale" }),
      el("span", {}, this.share ? scale : `+${scale}`));
    if (this.rows * this.columns > 1 && s.count) {
      const told = t("figure.summary", { min: number(s.min), max: number(s.max), mean: number(s.mean), zeros: percent(s.zeros) });
      this.under.append(el("span", { class: "sum" }, told.split(/ {2,}/).flatMap(one => [el("span", {}, one), " "])));
    }
    if (s.hidden) this.under.append(el("span", {}, t("figure.infinite", { count: count(s.hidden) })));
    if (this.rows < this.allRows) this.under.append(el("span", {}, t("figure.filtered", { shown: this.rows, all: this.allRows })));
    if (s.absent) this.under.append(el("span", {}, t("figure.absent", { count: count(s.absent) })));
  }

  // --- drawing ----------------------------------------------------------------------------------------------------

  get view() {
    return this.windowed ? { w: WIDE, h: TALL, row: this.at[0], column: this.at[1] }
      : { w: this.w, h: this.h, row: 0, column: 0 };
  }

  get seen() {
    const { w, h, row, column } = this.view;
    return { rows: Math.min(this.rows, row + Math.ceil(this.boardHeight / h)),
      columns: Math.min(this.columns, column + Math.ceil(this.boardWidth / w)) };
  }

  // At once, if it is little; else in turns, once its numbers have been read.
  draw() {
    if (this.settled) return this.painted();
    this.drawing ??= this.fetch().then(() => this.painted()).finally(() => { this.drawing = null; });
    return this.drawing;
  }

  // Whether its numbers are there, and what sums them up is known or quickly found.
  get settled() {
    return this.there && (this.known || this.rows * this.columns <= MANY);
  }

  painted() {
    if (!this.drawn) {
      this.drawn = true;
      this.drawUnder();
    }
    const c = colours(), g = this.low.getContext("2d"), { w, h, row: firstRow, column: firstColumn } = this.view;
    g.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    g.clearRect(0, 0, this.gutter + this.boardWidth, this.head + this.boardHeight);
    const written = this.roomy || this.windowed;
    this.pass = (this.pass ?? 0) + 1;
    const done = written ? this.drawCells(g, c, w, h, firstRow, firstColumn) : this.drawPixels(g, c);
    if (!this.small) this.drawLabels(g, c, w, h, firstRow, firstColumn);
    this.drawRings();
    this.painting = done;
    return done;
  }

  async fetch() {
    if (!this.there) await this.trace.load(this.step, this.kind);
    this.take();
    if (!this.settled) this.known = await summary(this);
  }

  // For whoever reads its numbers.
  async ready() {
    if (!this.there || !this.drawn || this.drawing) await this.draw();
    await this.painting;
  }

  drawCells(g, c, w, h, firstRow, firstColumn) {
    const { rows, columns } = this.seen;
    g.save();
    g.beginPath();
    g.rect(this.gutter, this.head, this.boardWidth, this.boardHeight);
    g.clip();
    g.font = `${w < DENSE ? 11 : 12.5}px ${c.mono}`;
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (let row = firstRow; row < rows; row++) {
      for (let column = firstColumn; column < columns; column++) {
        const x = this.gutter + (column - firstColumn) * w, y = this.head + (row - firstRow) * h;
        const value = this.value(row, column), rgb = this.colour(value);
        g.fillStyle = rgb ? `rgb(${rgb})` : c.paper;
        g.beginPath();
        g.roundRect(x + 1, y + 1, w - 2, h - 2, 3);
        g.fill();
        if (!rgb) {
          g.strokeStyle = c.line;
          g.lineWidth = 1;
          g.stroke();
        }
        g.fillStyle = rgb ? inkOn(rgb) : c.quiet;
        if (this.hides(row, column)) {
          g.fillStyle = c.paper;
          g.fillRect(x + 1, y + 1, w - 2, h - 2);
          g.fillStyle = c.focus;
          g.fillText("?", x + w - 6, y + h / 2 + 0.5);
          continue;
        }
        g.fillText(w < WIDE ? brief(value, this.share) : shown(value), x + w - 6, y + h / 2 + 0.5, w - 8);
      }
    }
    g.restore();
  }

  async drawPixels(g, c) {
    const ratio = devicePixelRatio, width = Math.max(1, Math.round(this.columns * this.w * ratio)), pass = this.pass;
    const height = Math.max(1, Math.round(this.rows * this.h * ratio));
    const whole = await paint(this, g, this.shades(), width, height, Math.round(this.gutter * ratio), Math.round(this.head * ratio), () => pass === this.pass);
    if (!whole) return;
    if (this.w >= 7 && this.h >= 7) { // hairlines between cells that can be told apart
      g.strokeStyle = c.paper;
      g.lineWidth = 1;
      g.beginPath();
      for (let column = 1; column < this.columns; column++) {
        g.moveTo(this.gutter + column * this.w, this.head);
        g.lineTo(this.gutter + column * this.w, this.head + this.rows * this.h);
      }
      for (let row = 1; row < this.rows; row++) {
        g.moveTo(this.gutter, this.head + row * this.h);
        g.lineTo(this.gutter + this.columns * this.w, this.head + row * this.h);
      }
      g.stroke();
    }
  }

  // From a value to a pixel, by a table: 256 shades on either side of zero; what is absent is hatched.
  shades() {
    const c = colours(), pixel = ([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0, limit = this.scale;
    const table = Array.from({ length: 513 }, (_, i) => pixel(colourOf((i - 256) / 256, 1, this.share)));
    const hatch = pixel(c.dark ? [67, 75, 82] : [207, 202, 193]), paper = pixel(c.dark ? [20, 23, 26] : [251, 250, 248]);
    if (this.names) return () => table[256];
    return (value, at) => value === undefined || !Number.isFinite(value) ? at % 4 ? paper : hatch
      : table[256 + Math.round(Math.max(-1, Math.min(1, value / limit)) * 256)];
  }

  drawLabels(g, c, w, h, firstRow, firstColumn) {
    const { rows, columns } = this.seen;
    g.fillStyle = c.quiet;
    g.font = `12px ${c.words}`;
    g.textBaseline = "middle";
    if (this.gutter) {
      g.textAlign = "right";
      const every = this.step.axes.at(-2)[1] === undefined ? round(13 / h) : Math.max(1, Math.ceil(13 / h));
      for (let row = firstRow; row < rows; row += every) {
        g.fillText(fitted(g, this.rowLabel(row), this.gutter - 8), this.gutter - 6, this.head + (row - firstRow + 0.5) * h);
      }
    }
    g.textAlign = "center";
    const labelled = this.step.axes.at(-1)?.[1] !== undefined;
    const room = !labelled ? this.columns > 100 ? 34 : 26 : w < 6 ? 64 : 30, every = w >= room ? 1 : labelled ? Math.ceil(room / w / 5) * 5 : round(room / w);
    for (let column = firstColumn; column < columns; column += every) {
      const x = this.gutter + (column - firstColumn + 0.5) * w;
      if (this.rank === 0 || this.head < 10 || x + 8 > this.gutter + this.boardWidth && every > 1) continue;
      const label = fitted(g, this.columnLabel(column), w * every - 4);
      g.fillText(label, Math.max(x, g.measureText(label).width / 2 + 1), this.head - 8);
    }
  }

  // Rings: the chosen cell in the focus colour, operands in ink; all else steps back.
  drawRings() {
    if (!this.drawn) return;
    const c = colours(), g = this.high.getContext("2d"), { w, h, row: firstRow, column: firstColumn } = this.view;
    g.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    g.clearRect(0, 0, this.gutter + this.boardWidth, this.head + this.boardHeight);
    const rings = [...(this.lit ?? []).map(one => [...one, c.ink]), ...(this.here ? [[...this.here, 1, 1, c.focus]] : [])];
    if (!rings.length) return;
    const boxes = rings.map(([row, column, high, wide, colour]) => ({ colour,
      x: this.gutter + (column - firstColumn) * w, y: this.head + (row - firstRow) * h, w: w * wide, h: h * high }));
    g.save();
    g.beginPath();
    g.rect(this.gutter - 2, this.head - 2, this.boardWidth + 4, this.boardHeight + 4);
    g.clip();
    if (this.roomy || this.windowed) {
      g.globalAlpha = 0.42;
      g.fillStyle = c.paper;
      g.fillRect(this.gutter, this.head, this.boardWidth, this.boardHeight);
      g.globalAlpha = 1;
      for (const box of boxes) {
        g.save();
        g.beginPath();
        g.rect(box.x, box.y, box.w, box.h);
        g.clip();
        g.clearRect(box.x, box.y, box.w, box.h);
        g.restore();
      }
    }
    for (const box of boxes) {
      const grow = Math.max(0, (5 - Math.min(box.w, box.h)) / 2);
      g.strokeStyle = box.colour;
      g.lineWidth = box.colour === c.focus ? 2 : this.roomy || this.windowed ? 2 : 1.5;
      g.beginPath();
      g.roundRect(box.x + 1 - grow, box.y + 1 - grow, Math.max(box.w - 2, 1) + 2 * grow, Math.max(box.h - 2, 1) + 2 * grow, 3);
      g.stroke();
    }
    g.restore();
  }

  // Keep a number from being read while the reader guesses it, here and wherever the same digits stand; null: show all.
  conceal(guessed) {
    const value = guessed?.value, telling = guessed && Number.isFinite(value) && !Number.isInteger(value);
    this.concealed = guessed ? this.place(guessed.step, guessed.cell) : null;
    this.hidden = telling ? (row, column) => this.value(row, column) === value : null;
    this.guessed = Boolean(guessed && (this.concealed || telling));
    this.lens.hidden = true;
    if (!this.drawn) return;
    this.drawUnder();
    this.draw();
  }

  // Where a number stands here: row and column, or null.
  place(step, cell) {
    return step === this.step ? this.shownAt(cell) : null;
  }

  // Ring the chosen cell and the operands, all as [row, column].
  mark(here, operands) {
    this.here = here;
    this.lit = operands?.length ? runs(operands) : null;
    this.drawRings();
  }

  // --- pointing ---------------------------------------------------------------------------------------------------

  listen() {
    this.high.addEventListener("pointermove", event => this.pointed(event));
    this.high.addEventListener("pointerleave", () => { this.lens.hidden = true; this.onleave?.(); });
    this.high.addEventListener("click", event => {
      const at = this.under_(event);
      if (at) this.onpick?.(this.step, this.cell(...at), this);
    });
    this.high.addEventListener("focus", () => {
      if (!this.point) this.point = this.here ?? [0, 0];
      this.keyed();
    });
    this.high.addEventListener("blur", () => { this.lens.hidden = true; });
    this.high.addEventListener("keydown", event => this.key(event));
    this.high.addEventListener("wheel", event => {
      if (!this.windowed) return;
      event.preventDefault();
      this.scroll(Math.sign(event.deltaY), Math.sign(event.deltaX) * 2 + (event.shiftKey ? Math.sign(event.deltaY) * 2 : 0));
      this.onview?.();
    }, { passive: false });
  }

  under_(event) {
    const box = this.high.getBoundingClientRect(), { w, h, row, column } = this.view;
    const x = event.clientX - box.left - this.gutter, y = event.clientY - box.top - this.head;
    const at = [Math.floor(y / h) + row, Math.floor(x / w) + column];
    return x >= 0 && y >= 0 && at[0] < this.rows && at[1] < this.columns ? at : null;
  }

  pointed(event) {
    const at = this.under_(event);
    if (this.sorter?.open) this.sorter.open = false; // its menu lies on the numbers
    if (!at) { this.lens.hidden = true; return; }
    if (this.point && at[0] === this.point[0] && at[1] === this.point[1] && !this.lens.hidden) return;
    this.point = at;
    this.showLens();
    this.onpoint?.(this.step, this.cell(...at), this);
  }

  key(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
      PageUp: [-10, 0], PageDown: [10, 0], Home: [0, -this.columns], End: [0, this.columns] };
    if (event.key in moves && !event.altKey && !event.metaKey && !event.ctrlKey) {
      event.preventDefault();
      const [down, right] = moves[event.key], [row, column] = this.point ?? [0, 0];
      this.point = [clamped(row + down, this.rows), clamped(column + right, this.columns)];
      this.keyed();
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.onpick?.(this.step, this.cell(...this.point), this, true);
    } else if (event.key === "z" && !this.roomy) {
      this.toggleWindow();
      this.onview?.();
    }
  }

  keyed() {
    if (this.windowed) {
      const { rows, columns } = this.whole;
      this.at = [between(this.at[0], this.point[0] - rows + 1, this.point[0]), between(this.at[1], this.point[1] - columns + 1, this.point[1])];
      this.draw();
      this.onview?.();
    }
    this.showLens();
    this.onpoint?.(this.step, this.cell(...this.point), this, true);
  }

  get whole() {
    return { rows: Math.max(1, Math.floor(this.boardHeight / TALL)), columns: Math.max(1, Math.floor(this.boardWidth / WIDE)) };
  }

  scroll(down, right) {
    const { rows, columns } = this.whole;
    this.at = [between(this.at[0] + down, 0, Math.max(this.rows - rows, 0)), between(this.at[1] + right, 0, Math.max(this.columns - columns, 0))];
    this.draw();
  }

  // At a cell, or where the reader points.
  toggleWindow(at = null) {
    if (this.roomy || this.small) return;
    this.windowed = at !== null || !this.windowed;
    this.zoom.setAttribute("aria-pressed", this.windowed);
    this.lens.hidden = true;
    if (this.windowed) {
      const [row, column] = this.here ?? this.point ?? [0, 0], { rows, columns } = this.whole;
      this.at = [0, 0];
      if (at) this.scroll(...at); else this.scroll(row - Math.floor(rows / 2), column - Math.floor(columns / 2));
    } else {
      this.draw();
    }
  }

  // --- order and filter -------------------------------------------------------------------------------------------

  orders() {
    const choice = (key, order, shown = true) => shown ? button(t(`figure.order.${key}`), () => this.arrange(order), { "data-order": key, title: key === "size" ? t("figure.order.size.long") : null }) : null;
    const many = this.rank > 1 && this.rows > 1;
    const most = many ? el("label", {}, t("figure.filter"), this.most = el("input", { type: "number", min: 1, max: this.rows, size: 4, "data-filter": "",
      onchange: event => this.arrange("size", Number(event.target.value)) })) : null;
    return folding(t("figure.order", { name: this.step.name }), "⇅", [choice("columns", "columns", this.columns > 1), choice("rows", "rows", many), choice("size", "size", many), choice("none", "none"), most], "orders");
  }

  // Columns by the row pointed at, rows by the column pointed at or by their size, largest first; `most` rows are kept.
  async arrange(order, most = 0) {
    const own = this.cell(...this.here ?? this.point ?? [0, 0]), row = this.rank > 1 ? own.at(-2) : 0, column = this.rank ? own.at(-1) : 0;
    const { columns = null, rows = null } = this.arranged ?? {}, before = rows === null ? {} : { rows, most: this.arranged.most };
    const arranged = order === "columns" ? { columns: row, ...before } : { ...columns === null ? {} : { columns }, rows: order === "size" ? "size" : column, most: Math.max(0, Math.floor(most)) };
    await this.follow(order === "none" ? null : arranged);
    if (this.arranged && !this.roomy && !this.windowed) this.toggleWindow();
    this.onsort?.();
    this.onview?.();
  }

  // As an address has it: columns by a row, rows by a column or by "size" and at `most` so many (0: all), a window at a cell.
  async follow(view) {
    const { columns = null, rows = null, most = 0, window = null } = view ?? {};
    const arranged = columns === null && rows === null ? null : { ...columns === null ? {} : { columns }, ...rows === null ? {} : { rows, most } };
    if (JSON.stringify(arranged) !== JSON.stringify(this.arranged ?? null)) {
      this.arranged = arranged;
      if (!this.there || this.drawing) await this.ready();
      this.putInOrder(columns, rows, most);
    }
    if (window ? !this.windowed || String(window) !== String(this.at) : this.windowed) this.toggleWindow(window);
  }

  putInOrder(column, row, most) {
    const marked = this.here && this.cell(...this.here), hidden = this.concealed && this.cell(...this.concealed);
    Object.assign(this, { order: null, rowOrder: null, rows: this.allRows, known: null, point: null, windowed: false });
    const down = values => values.map((_, i) => i).sort((a, b) => values[b] - values[a]);
    const number = (r, k) => { const value = this.value(r, k); return value === undefined || Number.isNaN(value) ? -Infinity : value; };
    const rows = Array.from({ length: this.rows }, (_, r) => r), columns = Array.from({ length: this.columns }, (_, k) => k);
    const order = column !== null && column < this.rows ? down(columns.map(k => number(column, k))) : null;
    if (row === "size") {
      this.rowOrder = down(rows.map(r => columns.reduce((sum, k) => { const value = this.value(r, k); return Number.isFinite(value) ? sum + value * value : sum; }, 0)));
      if (most >= 1 && most < this.rows) { this.rowOrder.length = most; this.rows = this.rowOrder.length; }
    } else if (row !== null && row < this.columns) this.rowOrder = down(rows.map(r => number(r, row)));
    this.order = order;
    if (this.most) this.most.value = row === "size" && most ? most : "";
    this.zoom.setAttribute("aria-pressed", false);
    this.at = [0, 0];
    this.here = marked && this.shownAt(marked);
    this.concealed = hidden && this.shownAt(hidden);
    this.layout();
    this.drawn = false;
    this.draw();
  }

  // What an address says of it, or null.
  get seenAs() {
    return this.arranged || this.windowed ? { ...this.arranged, ...this.windowed ? { window: [...this.at] } : {} } : null;
  }

  showLens() {
    if (this.roomy || this.windowed || this.small) { this.lens.hidden = true; return; }
    const c = colours(), [row, column] = this.point, rows = [], columns = [];
    for (let r = row - 1; r <= row + 1; r++) if (r >= 0 && r < this.rows) rows.push(r);
    for (let k = column - 2; k <= column + 2; k++) if (k >= 0 && k < this.columns) columns.push(k);
    const table = this.lensTable(rows.length, columns.length);
    columns.forEach((k, j) => { table[0][j + 1].textContent = this.columnLabel(k); });
    rows.forEach((r, i) => {
      table[i + 1][0].textContent = this.rowLabel(r);
      columns.forEach((k, j) => {
        const value = this.value(r, k), rgb = this.settled ? this.colour(value) : null, cell = table[i + 1][j + 1];
        cell.className = r === row && k === column ? "here" : "";
        cell.style.background = rgb ? `rgb(${rgb})` : "";
        cell.style.color = rgb ? inkOn(rgb) : c.quiet;
        cell.textContent = this.hides(r, k) ? "?" : shown(value);
      });
    });
    this.lens.hidden = false;
    const x = this.gutter + (column + 0.5) * this.w, y = this.head + (row + 1) * this.h;
    const wide = this.lens.offsetWidth, left = Math.max(-this.gutter, Math.min(x - wide / 2, this.gutter + this.boardWidth - wide));
    this.lens.style.left = `${Math.max(left, 0)}px`;
    this.lens.style.top = `${y + 14}px`;
  }

  // What is pointed at has been read meanwhile.
  refresh() {
    if (this.point && !this.lens.hidden) this.showLens();
  }

  // The cells of the lens, made once for each size: pointing fills them anew.
  lensTable(rows, columns) {
    if (this.lensCells?.length !== rows + 1 || this.lensCells[0].length !== columns + 1) {
      this.lensCells = Array.from({ length: rows + 1 }, (_, i) => Array.from({ length: columns + 1 }, (_, j) => el(i && j ? "td" : "th")));
      this.lens.replaceChildren(el("table", {}, this.lensCells.map(cells => el("tr", {}, cells))));
    }
    return this.lensCells;
  }

  text(cell, all = false) {
    const offset = offsetOf(this.step.shape, cell);
    const value = this.kind === "gradient" ? this.trace.gradientAt(this.step, offset) : this.trace.at(this.step, offset);
    return `${printed(this.step, cell)} = ${value === undefined ? t("why.absent") : all ? exactText(value) : shown(value)}`;
  }
}

// Five characters at most: two decimals where there may be a sign, three of a share.
function brief(value, share) {
  const size = Math.abs(value);
  if (value === undefined || value === 0 || !Number.isFinite(value) || size >= 1000) return shown(value);
  if (size < (share ? 5e-4 : 5e-3)) return minus(value.toExponential(0));
  return minus(value.toFixed(share ? 3 : size >= 100 ? 0 : size >= 10 ? 1 : 2));
}
// 1, 2, 5, 10, 20, 50, ...: the least that is not less.
function round(least) {
  const ten = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map(one => one * ten).find(one => one >= least - 1e-9);
}

const between = (value, low, high) => Math.max(low, Math.min(value, high));
const clamped = (value, size) => between(value, 0, size - 1);

function sized(canvas, width, height) {
  canvas.width = Math.ceil(width * devicePixelRatio);
  canvas.height = Math.ceil(height * devicePixelRatio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
}

function fitted(g, text, room) {
  if (g.measureText(text).width <= room) return text;
  let short = text;
  while (short.length > 1 && g.measureText(short + "…").width > room) short = short.slice(0, -1);
  return short.length > 1 || room > 14 ? short + (short.length < text.length ? "…" : "") : "";
}

// What is far below is drawn when it comes near: a sheet of large matrices opens at once. One after the other, so that
// the first is there first.
let before = Promise.resolve();
const watcher = new IntersectionObserver(entries => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    const { figure } = entry.target;
    if (figure.there && figure.rows * figure.columns <= MANY) figure.draw();
    else before = before.then(() => figure.board.isConnected && figure.draw());
  }
}, { rootMargin: "300px" });

function whenSeen(figure) {
  watcher.observe(figure.board);
}

// Cells as few rectangles: [row, column, rows, columns].
function runs(cells) {
  const byRow = new Map();
  for (const [row, column] of cells) {
    if (!byRow.has(row)) byRow.set(row, new Set());
    byRow.get(row).add(column);
  }
  const boxes = [];
  for (const row of [...byRow.keys()].sort((a, b) => a - b)) {
    const columns = [...byRow.get(row)].sort((a, b) => a - b);
    for (let i = 0; i < columns.length; i++) {
      let end = i;
      while (columns[end + 1] === columns[end] + 1) end++;
      const above = boxes.find(box => box[1] === columns[i] && box[3] === end - i + 1 && box[0] + box[2] === row);
      if (above) above[2]++; else boxes.push([row, columns[i], 1, end - i + 1]);
      i = end;
    }
  }
  return boxes;
}
