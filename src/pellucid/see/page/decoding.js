import { el } from "pellucid/dom.js";
export async function decoding(app) { return el("div"); }
