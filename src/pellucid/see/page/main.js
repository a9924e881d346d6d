// The page comes to life here: the trace is read, the address says what is shown, and what is shown says its address.

import { forgetColours } from "pellucid/colour.js";
import { BrokenTrace, Trace } from "pellucid/store.js";
import { App } from "pellucid/app.js";
import { el } from "pellucid/dom.js";
import { preferred, setLanguage, setWords, t } from "pellucid/words.js";

const read = id => document.getElementById(id)?.textContent ?? "";

function start() {
  const root = document.getElementById("app");
  try {
    setWords(JSON.parse(read("words")));
  } catch {
    return; // what waits for the page says so
  }
  let graph = null;
  if (!("DecompressionStream" in window) || !Promise.withResolvers) return; // and so for this
  try {
    graph = JSON.parse(read("graph"));
    setLanguage(preferred(graph.language));
    const trace = new Trace(graph);
    const app = new App(trace, root);
    window.pellucid = app; // for whoever opens the console, and for tests
    matchMedia("(prefers-color-scheme:dark)").addEventListener("change", () => { forgetColours(); app.redraw(); });
    addEventListener("unhandledrejection", event => { if (event.reason instanceof BrokenTrace) { event.preventDefault(); sorry(root); } });
    trace.file.whole.promise.catch(() => sorry(root));
    app.start().catch(error => { if (!(error instanceof BrokenTrace)) throw error; sorry(root); });
  } catch (error) {
    if (!(error instanceof BrokenTrace) && !(error instanceof SyntaxError)) throw error;
    setLanguage(preferred(graph?.language));
    sorry(root);
  }
}

const sorry = root => root.replaceChildren(el("p", { class: "sorry", role: "alert" }, t("page.broken")));

start();
