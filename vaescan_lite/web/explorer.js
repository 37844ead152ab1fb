// The interactive figure of vaescan_lite.Explorer. STYLE, the arithmetic, the paper and the state stand before this text: it is
// the front end of an anywidget (`export default { render }`) and stands inline in static pages, where a stand-in takes the
// place of `model`. No library, no request.

const FIRST_LATENTS = 12, MOST_SD = 4;
const READ_MS = 120; // numbers that change more often while one drags cannot be read, and hold up the waves
const MEASURES = { pr_ms: ["PR", "ms"], qrs_ms: ["QRS", "ms"], qt_ms: ["QT", "ms"], qrs_axis_deg: ["QRS axis", "°"] };

const signed = (x, digits) => (x < 0 ? "\u2212" : "+") + Math.abs(x).toFixed(digits);
const rounded = (x, digits) => (Number(x.toFixed(digits)) === 0 ? (0).toFixed(digits) : signed(x, digits));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// Writing what already stands there would make the browser lay it out again.
function say(element, text) { if (element.textContent !== text) element.textContent = text; }
function setAttribute(element, name, value) { if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value); }

function button(text, action, attributes = {}) {
  const element = make("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", () => { if (element.getAttribute("aria-disabled") !== "true") action(element); });
  return element;
}

function picker(label, options, action, attributes = {}) {
  const select = make("select", { "aria-label": label, ...attributes }, ...options.map(([value, text]) => make("option", { value }, text)));
  select.addEventListener("change", () => action(select.value));
  return select;
}

// One factor: a switch of three states (a slider, if it is continuous), and beside it what is read from the beat.
function factorRow(scan, j, id, choose) {
  const label = scan.labels[j], result = make("output"), bar = make("i"), choice = make("div", { class: "choice" });
  const read = make("div", {}, result, make("div", { class: "bar", "aria-hidden": "true" }, bar));
  const element = make("div", { class: "factor", role: "group", "aria-label": label }, make("b", {}, label), choice, read);
  if (!scan.weights) read.hidden = true;
  if (scan.continuous[j]) {
    const [low, high] = scan.ranges[j], known = make("input", { type: "checkbox", "aria-label": `${label}: known` });
    const slider = make("input", { type: "range", min: low, max: high, step: 1, "aria-label": label });
    slider.addEventListener("input", () => choose(Number(slider.value), `factor ${j}`));
    known.addEventListener("change", () => choose(known.checked ? Number(slider.value) : null));
    choice.append(known, slider);
    const show = (value) => {
      known.checked = value !== undefined;
      slider.value = value ?? scan.mean[j];
      slider.setAttribute("aria-valuetext", value === undefined ? "unknown" : `${value}`);
    };
    return { element, result, bar, show };
  }
  const radios = [["?", undefined, "unknown"], ["no", 0, "no"], ["yes", 1, "yes"]].map(([text, value, word]) => {
    const radio = make("input", { type: "radio", name: `${id}-${j}`, value: word, "aria-label": `${label}: ${word}` });
    radio.addEventListener("change", () => choose(value ?? null));
    choice.append(make("label", { class: "pick" }, radio, text));
    return [radio, value];
  });
  return { element, result, bar, show: (value) => radios.forEach(([radio, its]) => { radio.checked = its === value; }) };
}

// One latent: a slider in SDs of the population, what it adds to the chosen factor, and a button that plays it.
function latentRow(network, latent, hint, slide, play) {
  const slider = make("input", { type: "range", min: -MOST_SD, max: MOST_SD, step: 0.05, "data-latent": latent, "aria-label": `Latent ${latent}` });
  const value = make("output"), adds = make("output", { class: "adds" }), bar = make("i");
  const called = make("span", { class: "called" }, `latent ${latent}`, make("small", {}, hint));
  const player = button("\u25b6", () => play(latent), { "aria-label": `Play latent ${latent}`, "aria-pressed": "false" });
  const element = make("div", { class: "latent" }, called, slider, value, player);
  if (network.scan?.weights) element.append(make("div", { class: "bar", "aria-hidden": "true" }, bar), adds);
  slider.addEventListener("input", () => slide(latent, network.mean[latent] + network.sd[latent] * Number(slider.value)));
  return { latent, element, slider, value, adds, bar, player };
}

// What one SD of each latent does to the measured values around the mean: the one it moves most.
function hintsOf(network) {
  const at = (latent, sds) => {
    const z = [...network.mean];
    z[latent] += sds * network.sd[latent];
    decode(network, z);
    return readouts(network, z);
  };
  return Object.fromEntries(network.active.map((latent) => {
    const [low, high] = [at(latent, -1), at(latent, 1)];
    if (!low) return [latent, ""];
    const steps = Object.keys(MEASURES).map((name) => {
      const step = name.endsWith("_deg") ? turned(high[name] - low[name]) / 2 : (high[name] - low[name]) / 2;
      return [name, step, Math.abs(step) / network.readout.sd[name]];
    }).filter(([, , share]) => share > 0.15).sort((one, other) => other[2] - one[2]);
    return [latent, steps.length ? `${MEASURES[steps[0][0]][0].replace("QRS axis", "axis")} ${rounded(steps[0][1], 0)}${MEASURES[steps[0][0]][1]}` : ""];
  }));
}

// A sticky element sticks to the nearest ancestor that may scroll: those that need not scroll must not stand in between.
function freeFromScrollers(root) {
  for (let e = root.parentElement; e && e !== document.body; e = e.parentElement) {
    const { overflowX, overflowY } = getComputedStyle(e);
    if (!/auto|scroll|hidden/.test(overflowX + overflowY)) continue;
    if (e.scrollHeight > e.clientHeight + 1 || /^(HTML|MAIN)$/.test(e.tagName)) return;
    e.style.overflow = "visible";
  }
}

// Height of the bars of the page that stay at the top of the window.
function heightOfBars(root) {
  const bars = [...document.querySelectorAll("header, .bd-header-article")].filter((bar) => !root.contains(bar)
    && /sticky|fixed/.test(getComputedStyle(bar).position) && bar.offsetHeight < innerHeight / 4);
  return Math.max(0, ...bars.map((bar) => bar.offsetHeight + (parseFloat(getComputedStyle(bar).top) || 0)));
}

function render({ model, el }) {
  const network = readable(model.get("_network")), { scan, people } = network;
  const id = model.get("_name") ?? `vaescan-live-${Math.random().toString(36).slice(2)}`;
  const root = make("div", { class: "vaescan-explorer", role: "group", "aria-label": "ECG explorer", "data-lm-suppress-shortcuts": "true" },
    make("style", {}, STYLE));
  const paper = drawPaper(network), history = makeHistory();
  const status = make("p", { class: "note status", role: "status" }), values = make("p", { class: "values" });
  const cells = Object.fromEntries(Object.entries(MEASURES).map(([name, [text, unit]]) => {
    const error = network.readout?.error[name], value = make("b");
    values.append(make("span", {}, `${text} \u2248 `, value, unit === "°" ? unit : ` ${unit}`, error ? ` \u00b1 ${error.toFixed(0)}` : ""));
    return [name, value];
  }));
  values.hidden = !network.readout;
  const stage = make("div", { class: "stage" }, paper.element, make("div", { class: "words" }, values, status)), controls = make("div", { class: "controls" });
  root.append(stage, controls);

  const personOf = (name) => people.findIndex((person) => person.id === name);
  const fromModel = () => ({ z: [...model.get("z")], person: personOf(model.get("person")), a: { ...model.get("factors") }, b: {},
    shown: "a", unspecified: model.get("unspecified") });
  let state = fromModel(), chosen = 0, waiting = null, sending = false, playing = null, told = "";
  let frame = 0, painted = -Infinity, counting = null, counted = -Infinity; // when waves were painted and numbers shown last

  const send = () => {
    clearTimeout(waiting);
    waiting = null;
    sending = true;
    model.set("z", [...state.z]);
    if (scan) model.set("factors", { ...assignmentOf(state) });
    model.set("person", people[state.person]?.id ?? null);
    model.set("unspecified", state.unspecified);
    model.save_changes();
    sending = false;
  };
  const show = (next) => { stop(); told = ""; state = next; send(); update(true); };
  const act = (key, step) => {
    try {
      const next = moved(network, state, step);
      history.remember(state, key);
      show(next);
    } catch (error) { told = error.message; update(true); }
  };
  const undo = () => { const next = history.go(history.past, history.future, state); if (next) show(next); };
  const redo = () => { const next = history.go(history.future, history.past, state); if (next) show(next); };
  const reset = () => {
    history.remember(state);
    const next = { ...copied(state), a: {}, b: {}, shown: "a" };
    show({ ...next, z: [...baseOf(network, next)] });
  };
  const slide = (latent, z) => {
    if (playing) stop();
    history.remember(state, `latent ${latent}`);
    state.z[latent] = z;
    told = "";
    update();
    waiting ??= setTimeout(send, 60);
  };

  // ---- playing a latent: to and fro around where it is, twice; in steps where less motion is asked for
  function stop() {
    if (!playing) return;
    cancelAnimationFrame(playing.frame);
    clearTimeout(playing.timer);
    state.z[playing.latent] = playing.from;
    playing = null;
    update(true);
  }
  function play(latent) {
    const again = playing?.latent === latent;
    stop();
    if (again) return;
    const from = state.z[latent], sd = network.sd[latent], begun = performance.now();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches, steps = [-2, 0, 2, 0];
    playing = { latent, from };
    const at = (sds) => {
      const most = (z) => Math.max(network.mean[latent] - MOST_SD * sd, Math.min(network.mean[latent] + MOST_SD * sd, z));
      state.z[latent] = most(from + sds * sd);
      update();
    };
    const next = (i = 0) => { if (i === steps.length) stop(); else { at(steps[i]); playing.timer = setTimeout(next, 1500, i + 1); } };
    const tick = () => {
      const turns = (performance.now() - begun) / 4000;
      if (turns >= 2) return stop();
      at(2.5 * Math.sin(2 * Math.PI * turns));
      playing.frame = requestAnimationFrame(tick);
    };
    if (still) next(); else tick();
  }

  // ---- the controls
  const person = picker("Start from", [[-1, scan ? "everybody: the mean of the training ECGs" : "the mean: all latents at 0"],
    ...people.map(({ label }, i) => [i, label])], (value) => act(null, (next) => { next.person = Number(value); }));
  if (people.length) controls.append(make("div", { class: "tools" }, make("label", {}, "Start from ", person)));
  const undoing = button("Undo", undo, { title: "Ctrl+Z" }), redoing = button("Redo", redo, { title: "Ctrl+Shift+Z" });
  const linkField = make("input", { class: "link", type: "text", readonly: "", hidden: "", "aria-label": "Link to this state" });
  const title = () => root.querySelector(".leads").getAttribute("aria-label");
  const link = button("Copy link", async () => {
    const address = `${location.href.split("#")[0]}#${id}-${toFragment(network, state)}`;
    if (model.isStandIn) window.history.replaceState(null, "", address);
    try { await navigator.clipboard.writeText(address); told = "Link copied: it opens this page in this state."; } catch {
      linkField.hidden = false;
      linkField.value = address;
      linkField.select();
      told = "The link is below the buttons, ready to be copied.";
    }
    update();
  });
  const svg = button("SVG", () => download("ecg.svg", new Blob([paper.asText(title())], { type: "image/svg+xml" })), { "aria-label": "Save as SVG" });
  const png = button("PNG", async () => download("ecg.png", await asPng(paper.asText(title()), paper.size)), { "aria-label": "Save as PNG" });
  const isFull = () => document.fullscreenElement === root || root.classList.contains("fills");
  const full = button("Full screen", () => {
    if (document.fullscreenElement === root) document.exitFullscreen();
    else if (!isFull() && root.requestFullscreen && document.fullscreenEnabled) root.requestFullscreen();
    else { root.classList.toggle("fills"); arrange(); }
  }, { "aria-pressed": "false" });
  controls.append(make("div", { class: "tools" }, undoing, redoing, button("Reset", reset), link, svg, png, full), linkField);

  const rows = [], shownButtons = {};
  const rule = picker("What unknown factors are taken to be", [["observe", "follow the known (observe)"], ["average", "keep the usual mix (average)"]],
    (value) => act(null, (next) => { next.unspecified = value; }));
  if (scan) {
    const choose = (name) => (value, key = null) => act(key, (next) => {
      const factors = { ...assignmentOf(next) };
      if (value === null) delete factors[name]; else factors[name] = value;
      if (next.shown === "b") next.b = factors; else [next.a, next.shown] = [factors, "a"];
    });
    rows.push(...scan.names.map((name, j) => factorRow(scan, j, id, choose(name))));
    const operators = make("div", { class: "tools", role: "group", "aria-label": "Which concept is shown" }, ...Object.entries(SHOWN).map(([key, text]) => {
      shownButtons[key] = button(text, () => act(null, (next) => { next.shown = key; assignmentOf(next); }), { "aria-pressed": "false" });
      return shownButtons[key];
    }));
    controls.append(make("fieldset", {}, make("legend", {}, "Factors" + (scan.weights ? ", and what the beat says of them" : "")), operators,
      make("div", { class: "factors" }, ...rows.map((row) => row.element)), make("div", { class: "tools" }, make("label", {}, "Unknown factors ", rule))));
  }
  const sum = make("p", { class: "note" }), tools = make("div", { class: "tools" });
  if (scan?.weights) {
    chosen = Math.max(0, scan.continuous.findIndex((is, j) => !is && scan.names[j] !== "sex_female"));
    const which = picker("Show what latents add to", scan.names.map((_, j) => [j, scan.labels[j]]), (value) => { chosen = Number(value); update(); });
    which.value = chosen;
    tools.append(make("label", {}, "Bars: what a latent adds to ", which), sum);
  }
  const hints = hintsOf(network), sliders = network.active.map((latent) => latentRow(network, latent, hints[latent], slide, play));
  const listed = (some) => make("div", { class: "latents" }, ...some.map((row) => row.element));
  const more = sliders.slice(FIRST_LATENTS);
  controls.append(make("fieldset", {}, make("legend", {}, `Latents, most informative first (in SD${scan ? " of the ECGs" : " of the prior"})`), tools,
    listed(sliders.slice(0, FIRST_LATENTS)), ...(more.length ? [make("details", {}, make("summary", {}, `${more.length} more latents`), listed(more))] : [])));
  if (network.readout) controls.append(make("p", { class: "note" }, "PR, QRS, QT and QRS axis are approximate: ridge regressions on the decoder's "
    + `hidden layer; \u00b1 is their mean error in cross-validation on ${network.readout.n} decoded beats. Under a latent: what +1 SD changes most, by the same.`));

  // ---- drawing
  const percent = (p) => (p < 1 ? "<1 %" : p > 99 ? ">99 %" : `${p.toFixed(0)} %`);
  const chance = (logit) => 1 / (1 + Math.exp(-logit));
  const inWords = (factors) => Object.entries(factors).map(([name, value]) => {
    const j = scan.names.indexOf(name);
    return `${scan.labels[j]} ${scan.continuous[j] ? value : value ? "yes" : "no"}`;
  }).join(", ");

  function statusText(leaving) {
    const factors = scan ? assignmentOf(state) : {}, base = baseOf(network, state), named = inWords(factors), texts = [];
    if (told) texts.push(told);
    if (named) texts.push(state.person < 0 ? `Mean beat given: ${named}.` : `This person with: ${named}.`);
    if (state.z.some((z, i) => Math.abs(z - base[i]) > 1e-3 * network.sd[i])) texts.push("Latents moved by hand.");
    if (leaving.length) texts.push(`Off the paper: ${leaving.map(([lead, mv]) => `${lead} (${signed(mv, 1)} mV)`).join(", ")}.`);
    return texts.join(" ") || (state.person < 0 ? `Grey: ${scan ? "nothing known of the person" : "all latents at 0"}.` : "Grey: the person's own beat.");
  }
  function showReadouts() {
    const guess = readouts(network, state.z), offset = people[state.person]?.offset, hasP = guess && guess.has_p + (offset?.has_p ?? 0) > 0.5;
    if (guess) for (const [name, cell] of Object.entries(cells)) {
      const value = name === "pr_ms" && !hasP ? NaN : guess[name] + (offset?.[name] ?? 0);
      say(cell, Number.isFinite(value) ? (name.endsWith("_deg") ? turned(value) : value).toFixed(0).replace("-", "\u2212") : "\u2013");
    }
  }
  function showReading() {
    if (!scan?.weights) return;
    rows.forEach(({ result, bar }, j) => {
      const { total } = contributions(network, state.z, j), [low, high] = scan.ranges[j] ?? [0, 1];
      say(result, scan.continuous[j] ? total.toFixed(0) : percent(100 * chance(total)));
      bar.style.transform = `scaleX(${scan.continuous[j] ? Math.min(1, Math.max(0, (total - low) / (high - low))) : chance(total)})`;
    });
    const { baseline, parts, total } = contributions(network, state.z, chosen), continuous = scan.continuous[chosen];
    const most = Math.max(...sliders.map(({ latent }) => 3 * Math.abs(scan.weights[chosen][latent]) * network.sd[latent]), 1e-9);
    for (const { latent, adds, bar } of sliders) {
      say(adds, rounded(parts[latent], 2));
      bar.className = parts[latent] > 0 ? "up" : "";
      bar.style.transform = `scaleX(${Math.max(-1, Math.min(1, parts[latent] / most))})`;
    }
    say(sum, `${continuous ? "" : "Log odds: "}baseline ${rounded(baseline, 2)}, latents ${rounded(total - baseline, 2)}, together ${rounded(total, 2)}`
      + (continuous ? "" : ` = ${percent(100 * chance(total))}`));
  }
  function showControls() {
    const factors = scan ? assignmentOf(state) : {};
    for (const { latent, slider, value, player } of sliders) {
      const place = (state.z[latent] - network.mean[latent]) / network.sd[latent], text = rounded(place, 1);
      if (Math.abs(slider.valueAsNumber - place) > 0.025) slider.value = place;
      say(value, text);
      setAttribute(slider, "aria-valuetext", `${text} SD${scan?.weights ? `, adds ${rounded(scan.weights[chosen][latent] * (state.z[latent] - network.mean[latent]), 2)}` : ""}`);
      const isPlaying = playing?.latent === latent;
      say(player, isPlaying ? "\u25a0" : "\u25b6");
      setAttribute(player, "aria-pressed", isPlaying);
    }
    rows.forEach(({ show: showRow }, j) => showRow(factors[scan.names[j]]));
    for (const [key, element] of Object.entries(shownButtons)) setAttribute(element, "aria-pressed", key === state.shown);
    person.value = state.person;
    rule.value = state.unspecified;
    rule.parentElement?.toggleAttribute("hidden", state.person >= 0); // a person's other factors stay as they are
    setAttribute(undoing, "aria-disabled", !history.past.length);
    setAttribute(redoing, "aria-disabled", !history.future.length);
  }
  let describing = null, ghost = null;
  function describe(beat) {
    const peaks = paper.extremes(beat).map(([name, high, low]) => `${name} ${high.toFixed(1)} to ${low.toFixed(1)}`).join(", ");
    paper.element.setAttribute("aria-label", `Twelve-lead median beat on ECG paper. Highest and lowest point in mV: ${peaks}`);
  }
  function showNumbers() {
    clearTimeout(counting);
    counting = null;
    counted = performance.now();
    showReadouts();
    showReading();
  }
  function paint(isSingle) {
    const start = people[state.person];
    if (ghost !== state.person) { // the grey beat changes with the person only
      ghost = state.person;
      paper.draw("ghost", start ? start.own : decode(network, baseOf(network, { ...state, a: {}, shown: "a", unspecified: "observe" })));
    }
    const beat = shownBeat(network, state.z, start), leaving = paper.draw("beat", beat);
    showControls();
    if (isSingle || performance.now() - counted > READ_MS) showNumbers(); else counting ??= setTimeout(showNumbers, READ_MS);
    say(status, statusText(leaving));
    clearTimeout(describing);
    describing = setTimeout(() => describe(shownBeat(network, state.z, people[state.person])), 250);
  }
  // A change is painted at once, but what follows within a frame (a drag, held keys) waits for the next one. Only then is a
  // frame asked for: one after every change would keep the browser busy when the next change comes.
  function update(isSingle = false) {
    if (isSingle || performance.now() - painted > 8) {
      paint(isSingle);
      painted = performance.now();
    } else frame ||= requestAnimationFrame(() => { frame = 0; painted = -Infinity; update(); });
  }

  // ---- place and size
  function arrange() {
    const width = root.clientWidth - 16, isBeside = root.clientWidth >= 960;
    if (width <= 0) return;
    root.classList.toggle("beside", isBeside);
    setAttribute(full, "aria-pressed", isFull());
    say(full, isFull() ? "Leave full screen" : "Full screen");
    const hasWordsBeside = !isBeside && width >= 560; // of the paper; the whole stage stays in the upper half of the window
    root.classList.toggle("words-beside", hasWordsBeside);
    const bars = isFull() ? 0 : heightOfBars(root), below = hasWordsBeside ? 10 : 10 + stage.lastChild.offsetHeight;
    root.style.setProperty("--below", `${bars}px`);
    const high = isBeside ? (isFull() ? innerHeight - 20 : 0.72 * innerHeight) - bars - below : innerHeight / 2 - 24 - bars - below;
    const isNew = paper.arrange(isBeside ? stage.clientWidth : width - (hasWordsBeside ? 172 : 0), Math.max(110, high));
    if (isNew) update(true); // what leaves the paper depends on how high it is
  }
  const sizes = new ResizeObserver(() => { freeFromScrollers(root); arrange(); });
  sizes.observe(root);
  const onFull = () => arrange();
  addEventListener("resize", onFull);
  document.addEventListener("fullscreenchange", onFull);

  // ---- keyboard, kernel and link
  root.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase(), held = event.ctrlKey || event.metaKey;
    if (key === "escape" && playing) stop();
    else if (key === "escape" && root.classList.contains("fills")) full.click();
    else if (held && key === "z" && !event.shiftKey) undo();
    else if (held && (key === "y" || key === "z")) redo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const arrived = new Set();
  function adopt() {
    const names = new Set(arrived), next = fromModel();
    arrived.clear();
    if (waiting) return;
    const kept = !scan || same(next.a, assignmentOf(state)) ? { a: state.a, b: state.b, shown: state.shown } : { b: state.b };
    stop();
    history.remember(state, "kernel");
    const target = { ...next, ...kept };
    state = names.has("z") ? target : moved(network, state, (step) => Object.assign(step, { ...target, z: step.z }));
    update(true);
  }
  const heard = ["z", "factors", "unspecified", "person"].map((name) => [`change:${name}`, () => {
    if (sending) return;
    if (!arrived.size) queueMicrotask(adopt);
    arrived.add(name);
  }]);
  heard.forEach(([name, hear]) => model.on(name, hear));
  function restore() {
    const text = location.hash.slice(1);
    if (!text.startsWith(`${id}-`)) return;
    try {
      const next = fromFragment(network, text.slice(id.length + 1));
      history.remember(state);
      show(next);
    } catch { told = "The link does not fit this figure, which is shown as it begins."; update(); }
    setTimeout(() => root.scrollIntoView({ block: "start" }), 0);
  }
  addEventListener("hashchange", restore);
  el.replaceChildren(root);
  arrange();
  update();
  describe(shownBeat(network, state.z, people[state.person]));
  restore();
  if (!model.isStandIn) requestAnimationFrame(() => hideTwin(root));
  return () => {
    clearTimeout(waiting);
    clearTimeout(describing);
    clearTimeout(counting);
    playing = null;
    sizes.disconnect();
    removeEventListener("resize", onFull);
    removeEventListener("hashchange", restore);
    document.removeEventListener("fullscreenchange", onFull);
    heard.forEach(([name, hear]) => model.off(name, hear));
  };
}

// ---- a notebook has the figure twice, live and as a static page has it: one of them is seen

// The live figure hides the static one above it, once it is in the page.
function hideTwin(root, tries = 50) {
  if (!root.isConnected) { if (tries) setTimeout(hideTwin, 100, root, tries - 1); return; }
  const cell = root.closest(".jp-Cell, .cell_container, .output_container, .cell") ?? document;
  const before = [...cell.querySelectorAll(".vaescan-static")].filter((twin) => twin.compareDocumentPosition(root) & Node.DOCUMENT_POSITION_FOLLOWING);
  const twin = before.at(-1);
  if (twin) (twin.closest(".jp-OutputArea-child") ?? twin).style.display = "none";
}

// Where live widgets are gone with their kernel, a static figure stays and its error message goes; others say what helps.
function hideError(place) {
  const child = place.closest(".jp-OutputArea-child"), within = place.closest(".jp-Notebook") ?? child?.parentElement;
  if (!child) return;
  const look = () => {
    for (const output of within.querySelectorAll(".jp-OutputArea-output")) {
      if (output.childElementCount || !/^Error displaying widget/.test(output.textContent.trim())) continue;
      const its = output.closest(".jp-OutputArea-child");
      if (its.previousElementSibling?.querySelector(".vaescan-static")) its.style.display = "none";
      else output.textContent = "Run this cell again: what it shows went with its kernel.";
    }
  };
  look();
  new MutationObserver(look).observe(within, { childList: true, subtree: true, characterData: true });
}

// What a page without a kernel gives `render` in place of a widget's model.
function standIn(state) {
  const values = { ...state };
  return { isStandIn: true, get: (name) => values[name], set: (name, value) => { values[name] = value; }, on() {}, off() {}, save_changes() {} };
}

export { contributions, decode, encode, readable, render, standIn };
export default { render };
