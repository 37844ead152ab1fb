// A small reading study in the page: ECGs with a bare probability and ECGs with an explanation. Answers stay in this page.
function startReading(root, study) {
  const make = (tag, text, parent, attributes = {}) => {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (parent) parent.appendChild(element);
    return element;
  };
  const percent = (share) => `${Math.round(100 * share)} %`;
  const isWrong = (ecg) => (ecg.p >= 0.5) !== (ecg.y === 1);
  let order, position, answers;

  // The two ECGs of a pair have the same label, and the model is right about both or wrong about both: a coin says which of them
  // is explained. Another coin says which kind comes first.
  function deal() {
    const bare = [], explained = [];
    for (const [a, b] of study.pairs) {
      const swap = Math.random() < 0.5;
      bare.push({ ...study.ecgs[swap ? b : a], kind: "bare" });
      explained.push({ ...study.ecgs[swap ? a : b], kind: "explained" });
    }
    const mixed = [bare, explained].map((ecgs) => ecgs.map((ecg) => [Math.random(), ecg]).sort((x, y) => x[0] - y[0]).map((x) => x[1]));
    order = Math.random() < 0.5 ? [...mixed[0], ...mixed[1]] : [...mixed[1], ...mixed[0]];
    position = 0;
    answers = [];
  }

  // The 95 % interval of a share by Wilson's formula.
  function interval(k, n) {
    const z = 1.96, centre = (k + z * z / 2) / (n + z * z);
    const half = z * Math.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z);
    return [Math.max(0, centre - half), Math.min(1, centre + half)];
  }

  function draw(ecg, parent) {
    const ns = "http://www.w3.org/2000/svg", columns = 4, cell = { width: 150, height: 130 };
    const svg = document.createElementNS(ns, "svg");
    svg.setAttribute("viewBox", `0 0 ${columns * cell.width} ${Math.ceil(study.leads.length / columns) * cell.height}`);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `Median beat in ${study.leads.length} leads`);
    const add = (tag, attributes, text) => {
      const element = document.createElementNS(ns, tag);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      if (text) element.textContent = text;
      svg.appendChild(element);
    };
    const small = study.pixels_per_mv / 10;
    for (let x = 0; x <= columns * cell.width; x += small) add("path", { d: `M${x} 0V${3 * cell.height}`, stroke: "#f6d5d5", "stroke-width": Math.round(x / small) % 5 ? 0.4 : 1 });
    for (let y = 0; y <= 3 * cell.height; y += small) add("path", { d: `M0 ${y}H${columns * cell.width}`, stroke: "#f6d5d5", "stroke-width": Math.round(y / small) % 5 ? 0.4 : 1 });
    study.leads.forEach((lead, i) => {
      const left = Math.floor(i / 3) * cell.width + 8, middle = (i % 3) * cell.height + 0.6 * cell.height;
      const step = study.pixels_per_s / study.fs;
      const at = (t) => `${(left + t * step).toFixed(1)} ${(middle - ecg.uv[i][t] * study.pixels_per_mv / 1000).toFixed(1)}`;
      add("text", { x: left, y: middle - 0.6 * cell.height + 14, "font-size": 12, fill: "#222" }, lead);
      study.segments.forEach((segment, s) => {
        const points = [];
        for (let t = segment.start; t <= Math.min(segment.end, ecg.uv[i].length - 1); t++) points.push(at(t));
        const weight = ecg.kind === "explained" ? Math.max(-1, Math.min(1, ecg.waves[s] / study.strong)) : 0;
        const color = weight > 0.08 ? `rgb(${Math.round(150 + 70 * weight)},30,30)` : weight < -0.08 ? `rgb(30,60,${Math.round(150 - 70 * weight)})` : "#222";
        add("polyline", { points: points.join(" "), fill: "none", stroke: color, "stroke-width": 1.3 + 1.5 * Math.abs(weight) });
      });
    });
    parent.appendChild(svg);
  }

  function explain(ecg, parent) {
    const table = make("table", "", parent);
    make("caption", "What each wave adds to the log odds: red speaks for, blue against (all leads together)", table);
    study.segments.forEach((segment, s) => {
      const row = make("tr", "", table), value = ecg.waves[s];
      make("th", segment.name, row, { scope: "row" });
      make("td", (value >= 0 ? "+" : "\u2212") + Math.abs(value).toFixed(1), row);
      const bar = make("span", "", make("td", "", row), { "aria-hidden": "true" });
      bar.style.cssText = `display:inline-block;height:.8em;width:${Math.min(160, 50 * Math.abs(value)).toFixed(0)}px;background:${value >= 0 ? "#c02020" : "#2050c0"}`;
    });
  }

  function ask() {
    root.replaceChildren();
    const ecg = order[position];
    make("p", `ECG ${position + 1} of ${order.length}. The model says: ${percent(ecg.p)} for ${study.disease}.`, root, { class: "reading-question", "aria-live": "polite", tabindex: "-1", style: "outline: none; font-weight: 600" }).focus({ preventScroll: true });
    draw(ecg, root);
    if (ecg.kind === "explained") explain(ecg, root);
    const buttons = make("p", "", root);
    for (const [label, answer] of [[`${study.disease}: yes`, 1], ["no", 0]]) {
      const button = make("button", label, buttons, { type: "button", "data-answer": answer });
      button.addEventListener("click", () => { answers.push(answer); position += 1; position < order.length ? ask() : report(); });
      buttons.append(" ");
    }
  }

  function report() {
    root.replaceChildren();
    make("p", "Your reading. Nothing of it left this page, and a reload forgets it.", root);
    const table = make("table", "", root), head = make("tr", "", table);
    for (const title of ["", "you were right", "95 % interval", "the model was right", "you followed it where it was wrong"]) make("th", title, head, { scope: "col" });
    for (const [kind, title] of [["bare", "bare probability"], ["explained", "with explanation"]]) {
      const seen = order.map((ecg, i) => [ecg, answers[i]]).filter(([ecg]) => ecg.kind === kind);
      const right = seen.filter(([ecg, answer]) => answer === ecg.y).length;
      const wrong = seen.filter(([ecg]) => isWrong(ecg));
      const followed = wrong.filter(([ecg, answer]) => answer !== ecg.y).length;
      const [low, high] = interval(right, seen.length);
      const row = make("tr", "", table, { "data-kind": kind });
      make("th", title, row, { scope: "row" });
      for (const text of [`${right} of ${seen.length}`, `${percent(low)} to ${percent(high)}`, `${seen.length - wrong.length} of ${seen.length}`, wrong.length ? `${followed} of ${wrong.length}` : "it never was"]) make("td", text, row);
    }
    make("p", "So few ECGs say little: look how wide the intervals are before you believe a difference.", root);
    const list = make("details", "", root);
    make("summary", "Answers one by one", list);
    const items = make("ol", "", list), word = (yes) => (yes ? "yes" : "no");
    order.forEach((ecg, i) => make("li", `${ecg.kind}: label ${word(ecg.y === 1)}, model ${percent(ecg.p)}, you ${word(answers[i] === 1)}`, items));
    start("Once more");
  }

  function start(label) {
    const button = make("button", label, make("p", "", root), { type: "button", "data-start": "" });
    button.addEventListener("click", () => { deal(); ask(); });
  }

  root.replaceChildren();
  make("p", `${2 * study.pairs.length} ECGs, one after another: is it ${study.disease}? Half of them come with a bare probability, half with an explanation. The model is wrong about some.`, root);
  start("Begin");
}
