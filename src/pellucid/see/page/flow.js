import { el } from "pellucid/dom.js";
export async function flow(app) { return el("div"); }
