import { el } from "pellucid/dom.js";
export const smallNetwork = () => null;
export function network(app) { return el("div"); }
