// Long work in turns: after a few milliseconds whatever waits (a pointer, a frame) goes first.

const TURN = 6; // milliseconds
const waiting = [];
const { port1, port2 } = new MessageChannel();
port1.onmessage = () => { began = performance.now(); waiting.shift()?.(); };
let began = performance.now();

export const due = () => performance.now() - began > TURN;

// Awaited where `due()` says so.
export const turn = () => new Promise(go => { waiting.push(go); port2.postMessage(0); });
