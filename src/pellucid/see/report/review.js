"use strict";
// The rows of a review: filtered, sorted and written a step at a time; every text goes in as text, never as HTML.
{
  const STEP = 60, { rows, languages, counts } = page.review, place = document.querySelector(".review");
  const list = place?.querySelector(".entries"), field = name => place.querySelector(`[name=${name}]`);
  const chosen = { state: asked.get("state") ?? "", check: asked.get("check") ?? "", sort: asked.get("sort") ?? "worst", q: asked.get("q") ?? "" };
  let found = [], written = 0;

  const make = (tag, kind = "", text = "") => Object.assign(document.createElement(tag), { className: kind, textContent: text });
  const filled = (key, values) => word(key).replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const percent = value => `${Math.round(100 * value)}%`;
  const named = kind => page.words.en["kind." + kind] ? word("kind." + kind) : kind;
  const whole = row => [row.source, row.proposal, row.attempt, row.key, row.context, row.comment, row.match?.target ?? "", ...row.others].join("\n").toLowerCase();
  function text(tag, kind, content, side) {
    const made = make(tag, "text " + kind, content);
    made.dir = "auto";
    if (side !== undefined) made.lang = languages[side];
    return made;
  }

  function entry(row) {
    const made = make("div", "entry"), first = make("div"), source = make("div"), proposal = make("div"), near = make("div", "near");
    made.tabIndex = -1;
    made.setAttribute("role", "listitem");
    first.append(make("p", "state of-" + row.state, word("state." + row.state)));
    if (row.confidence !== null) {
      const sure = make("p", "sure"), bar = make("i");
      bar.style.setProperty("--share-of", percent(row.confidence));
      sure.title = word("confidence");
      sure.append(bar, percent(row.confidence), make("span", "unseen", word("confidence")));
      first.append(sure);
    }
    first.append(make("p", "about", filled("line", { line: row.line.toLocaleString("en") })));
    source.append(text("p", "source", row.source, 0));
    if (row.plural) source.append(make("p", "about", filled("plural", { form: row.plural })));
    if (row.context) source.append(make("p", "about", filled("context", { context: row.context })));
    if (row.comment) source.append(make("p", "about", row.comment));
    if (row.key && row.key !== row.source) source.append(make("p", "about place", row.key));
    if (row.proposal) proposal.append(text("p", "proposal", row.proposal, 1));
    else if (row.attempt) proposal.append(make("p", "about", word("left.empty")), text("p", "attempt", row.attempt, 1));
    else proposal.append(make("p", "about", word("left.empty.none")));
    if (row.checks.length) {
      const checks = make("ul");
      for (const { grave, said } of row.checks) checks.append(make("li", grave ? "grave" : "", said[root.dataset.lang] ?? said.en));
      proposal.append(checks);
    }
    if (row.others.length) proposal.append(make("p", "about", filled("others", { others: row.others.join(" · ") })));
    if (row.match && row.state !== "memory") {
      near.append(make("b", "", filled("near", { similarity: percent(row.match.similarity) })));
      const beside = text("p", "", "", 0);
      for (const [piece, differs] of row.match.pieces) beside.append(differs && piece.trim() ? make("mark", "", piece) : piece);
      near.append(beside, text("p", "", row.match.target, 1));
    } else if (row.match) near.append(make("b", "", word("near.exact")));
    made.append(first, source, proposal, near);
    return made;
  }

  const orders = {
    worst: () => 0,
    file: (a, b) => a.number - b.number,
    confidence: (a, b) => (a.confidence ?? 2) - (b.confidence ?? 2),
    similarity: (a, b) => (b.match?.similarity ?? -1) - (a.match?.similarity ?? -1),
    length: (a, b) => b.source.length - a.source.length,
  };
  function pick() {
    const wanted = chosen.q.trim().toLowerCase();
    found = rows.filter(row => (!chosen.state || row.state === chosen.state) && (!chosen.check || row.checks.some(one => one.kind === chosen.check))
      && (!wanted || (row.searched ??= whole(row)).includes(wanted)));
    if (chosen.sort !== "worst") found.sort(orders[chosen.sort] ?? orders.worst);
    written = 0;
    list.replaceChildren();
    more();
    place.querySelector(".found").textContent = filled("found", { found: found.length.toLocaleString("en"), count: rows.length.toLocaleString("en") });
    place.querySelector(".none").hidden = found.length > 0;
    follow(); // the page has another height now
  }
  function more() {
    list.append(...found.slice(written, written + STEP).map(entry));
    written = Math.min(written + STEP, found.length);
    place.querySelector(".more").hidden = written >= found.length;
    if (written <= STEP && list.firstChild) list.firstChild.tabIndex = 0;
  }
  function choose(name, value) {
    chosen[name] = value;
    remember(name, value);
    tools();
    pick();
  }
  function tools() {
    const states = place.querySelector(".states");
    const buttons = [["", rows.length], ...Object.entries(counts.state)].map(([state, count]) => {
      const button = make("button", state && "of-" + state, word("state." + (state || "all")));
      button.type = "button";
      button.setAttribute("aria-pressed", chosen.state === state);
      button.append(make("b", "", count.toLocaleString("en")));
      button.addEventListener("click", () => { choose("state", state); states.querySelector("[aria-pressed=true]").focus(); });
      return button;
    });
    states.replaceChildren(...buttons);
    states.setAttribute("aria-label", word("states"));
    const any = [["", word("check.all")], ...Object.entries(counts.check).map(([kind, count]) => [kind, `${named(kind)} (${count.toLocaleString("en")})`])];
    field("check").replaceChildren(...any.map(([value, label]) => new Option(label, value, false, value === chosen.check)));
    for (const option of field("sort").options) option.textContent = word("sort." + option.value);
    field("sort").value = chosen.sort;
  }
  function move(by) {
    const here = [...list.children].indexOf(document.activeElement.closest?.(".entry"));
    if (here + by >= written) more();
    const next = list.children[Math.max(here + by, 0)];
    if (!next) return;
    list.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
    next.tabIndex = 0;
    next.focus();
  }

  if (place) {
    if (!(chosen.sort in orders)) chosen.sort = "worst";
    if (!(chosen.state in counts.state)) chosen.state = "";
    if (!(chosen.check in counts.check)) chosen.check = "";
    field("q").value = chosen.q;
    field("q").addEventListener("input", event => {
      clearTimeout(pick.later);
      pick.later = setTimeout(() => { chosen.q = event.target.value; remember("q", chosen.q); pick(); }, 120);
    });
    for (const name of ["check", "sort"]) field(name).addEventListener("change", event => choose(name, event.target.value));
    document.getElementById("language").addEventListener("click", () => { tools(); pick(); });
    place.querySelector(".more").addEventListener("click", more);
    new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && more(), { rootMargin: "600px" }).observe(place.querySelector(".more"));
    addEventListener("keydown", event => {
      if (event.ctrlKey || event.metaKey || event.altKey || (event.target.matches("input, select") && event.key !== "Escape")) return;
      const inside = event.target.closest?.(".entry");
      if (event.key === "/") field("q").focus();
      else if (event.key === "Escape") list.querySelector("[tabindex='0']")?.focus();
      else if (event.key === "j" || (inside && event.key === "ArrowDown")) move(1);
      else if (event.key === "k" || (inside && event.key === "ArrowUp")) move(-1);
      else return;
      event.preventDefault();
    });
    tools();
    pick();
  }
  root.dataset.reviewed = "true";
}
