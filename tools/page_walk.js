// What tools/page_walk.py asks of a page: which places it has, and what is wrong with what it shows.
({
  // Names of this page's own places: what there is of attention, pictures, time and training.
  places: () => {
    const { trace } = pellucid, cell = (step, ...own) => !step ? null
      : `${step.name}[${step.axes.map(([axis], d) => `${axis}=${Math.min(own.at(d - step.shape.length) ?? 0, step.shape[d] - 1)}`).join(", ")}]`;
    const of = (...ops) => trace.steps.find(step => ops.includes(step.op) && !trace.isLeaf(step));
    const last = call => call && trace.steps[call.weights], calls = trace.attentions, biggest = list => list.sort((a, b) => b.size - a.size)[0];
    const call = calls.find(one => one.place.includes("cross")) ?? calls[0], hidden = calls.find(one => one.reason.includes("causal"));
    const weight = trace.steps.find(step => step.op === "parameter" && step.shape.length === 2 && trace.hasGradient(step) && step.size < 1e5);
    const heads = call && trace.steps[call.weights].axes.at(-3)?.[0] === "head" && trace.steps[call.weights].shape.at(-3) > 1;
    const moved = trace.training && trace.steps[Object.keys(trace.training.moves)[0]], within = calls.length ? trace.steps[calls[0].scores] : trace.steps[trace.outputs[0]];
    const state = trace.steps.find(step => ["gru", "lstm", "rnn_tanh"].includes(step.op));
    const named = name => trace.steps.find(step => step.name === name);
    return {
      large: biggest(trace.steps.filter(step => step.op === "parameter" && step.shape.length === 2))?.name ?? null,
      embedding: cell(of("embedding"), 1, 3), linear: cell(of("linear"), 1, 1), norm: cell(of("layer_norm"), 1, 1), added: cell(of("add"), 1, 2),
      attention: call ? last(call).name : null, heads: heads ? last(call).name : null, scores: call ? cell(trace.steps[call.scores], 1, 2, 1) : null,
      masked: hidden ? cell(trace.steps[hidden.masked], 0, 1, 2) : null,
      back: trace.loss === null ? null : cell(within, 0, 1, 1), weight: trace.loss === null ? null : cell(weight, 1, 1),
      convolution: cell(of("conv2d"), 0, 2, 3), pooling: cell(of("max_pool2d", "avg_pool2d"), 0, 1, 1),
      time: state?.name ?? null, hidden: cell(trace.steps.find(step => /(^|\.)t2\.h$/.test(step.name)), 0, 1),
      network: document.querySelector("nav a[href='#/network']") ? "/network" : null, decoding: document.querySelector("nav a[href='#/decoding']") ? "/decoding" : null,
      flow: trace.loss === null ? null : "/backward", training: trace.training ? "/step" : null, move: moved?.name ?? null, moved: cell(moved, 1, 1),
      tour: trace.walk ? trace.walk[0].map(stage => trace.steps[stage.show ?? stage.steps[0]].name) : null,
      folded: [...document.querySelectorAll(".diagram [data-fold]")].map(one => one.dataset.fold).join(",") || null, out: trace.steps[trace.outputs[0]].name,
    };
  },

  // What is wider than its place, what lies on each other, what is not in the reader's language, what is empty.
  faults: zh => {
    const found = [], told = one => `${one.tagName.toLowerCase()}.${String(one.className.baseVal ?? one.className).split(" ")[0]} “${(one.textContent ?? "").trim().slice(0, 50)}”`;
    const root = document.documentElement;
    if (root.scrollWidth > innerWidth) found.push(`the page is ${root.scrollWidth} wide`);
    for (const one of document.querySelectorAll("#app *")) {
      const style = getComputedStyle(one);
      if (style.display === "none" || one.closest(".unseen, [hidden], details:not([open]) > :not(summary)")) continue;
      const over = one.scrollWidth - one.clientWidth;
      if (over > 1 && one.clientWidth && ["auto", "scroll"].includes(style.overflowX)) found.push(`scrolls by ${over}: ${told(one)}`);
      else if (over > 1 && one.clientWidth && style.overflowX === "hidden") found.push(`cut by ${over}: ${told(one)}`);
      const box = one.getBoundingClientRect();
      if (box.width && box.right > innerWidth + 1 && !one.closest(".map, footer, .decoding section, table, svg, .play-map")) found.push(`outside by ${Math.round(box.right - innerWidth)}: ${told(one)}`);
    }
    for (const svg of document.querySelectorAll("main svg")) {
      const texts = [...svg.querySelectorAll("text")].map(one => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width);
      texts.forEach(([one, a], i) => { for (const [other, b] of texts.slice(i + 1)) {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left), down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 2 && down > 4) found.push(`on each other: ${told(one)} and ${told(other)}`);
      } });
    }
    const walker = document.createTreeWalker(document.getElementById("app"), NodeFilter.SHOW_TEXT), own = ".lead, .mono, .formula, .nums, .address, .crumbs, .where, .terms, .paths, code, th[scope=row], .parts, #language, pre, canvas, .word, .source, .spoken, figcaption b, .badge";
    while (zh && walker.nextNode()) {
      const node = walker.currentNode, text = node.data.trim();
      if (/[A-Za-z]{3,} [A-Za-z]{2,}/.test(text) && !node.parentElement.closest(own)) found.push(`not in Chinese: ${text.slice(0, 80)}`);
    }
    for (const one of document.querySelectorAll("main section, main figure, aside")) if (!one.textContent.trim() && !one.querySelector("canvas, svg")) found.push(`empty: ${told(one)}`);
    const all = document.body.innerText;
    for (const sign of ["undefined", "[object", "NaN"]) if (all.includes(sign)) found.push(`says ${sign}`);
    return [...new Set(found)].slice(0, 12);
  },
})
