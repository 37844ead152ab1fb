// The interactive figure of vaescan_lite.Explorer: decoder, symbol encoder and drawing, without any library or request.
// The same text is the front end of an anywidget (`export default { render }`) and stands inline in static pages, where a
// stand-in takes the place of `model`. Formulas: vae_network.Decoder and scan_network.SymbolEncoder of the package.

const STYLE = `
.vaescan-explorer { --ink: #1c2733; --soft: #5b6773; --ground: #ffffff; --paper: #fffafa; --small: #f6dede; --large: #e7a3a3;
  --line: #c9d0d8; --up: #c4402f; --down: #1b4f8a; --ghost: #8d99a5;
  container-type: inline-size; box-sizing: border-box; color: var(--ink); background: var(--ground); max-width: 100%;
  font: 14px/1.35 system-ui, sans-serif; border: 1px solid var(--line); border-radius: 6px; padding: 8px; text-align: left; }
html[data-theme="dark"] .vaescan-explorer, body[data-jp-theme-light="false"] .vaescan-explorer {
  --ink: #e8ebee; --soft: #aeb8c2; --ground: #15191e; --paper: #1e1718; --small: #33262a; --large: #6d464b;
  --line: #48515b; --up: #ff8d7c; --down: #7db4f0; --ghost: #78838e; color-scheme: dark; }
html[data-theme="dark"] .text_html:has(.vaescan-explorer) { background: none !important; padding: 0 !important; }
.vaescan-explorer * { box-sizing: border-box; }
.vaescan-explorer .top { display: grid; gap: 10px; grid-template-columns: minmax(0, 1fr); }
.vaescan-explorer .leads { display: grid; gap: 2px; grid-template-columns: repeat(3, minmax(0, 1fr)); margin: 0; }
.vaescan-explorer svg { display: block; width: 100%; height: auto; background: var(--paper); overflow: hidden; }
.vaescan-explorer svg path { fill: none; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.vaescan-explorer .small { stroke: var(--small); stroke-width: 1; } .vaescan-explorer .large { stroke: var(--large); stroke-width: 1; }
.vaescan-explorer .ghost { stroke: var(--ghost); stroke-width: 1.2; } .vaescan-explorer .beat { stroke: var(--ink); stroke-width: 1.7; }
.vaescan-explorer svg text { fill: var(--ink); font: bold 2.4px system-ui, sans-serif; }
.vaescan-explorer .note { color: var(--soft); font-size: 12px; margin: 2px 0 0; }
.vaescan-explorer fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
.vaescan-explorer legend, .vaescan-explorer .title { font-weight: 600; font-size: 13px; padding: 0; margin: 6px 0 2px; color: var(--ink);
  border: 0; width: auto; float: none; }
.vaescan-explorer .factor { display: grid; grid-template-columns: 4.2em minmax(0, 1fr) 4.6em; gap: 6px; align-items: center;
  min-height: 25px; border-bottom: 1px solid var(--line); }
.vaescan-explorer .factor > b { font-weight: 600; overflow-wrap: anywhere; font-size: 13px; }
.vaescan-explorer .choice { display: flex; flex-wrap: wrap; gap: 0 7px; align-items: center; }
.vaescan-explorer label { display: inline-flex; gap: 2px; align-items: center; margin: 0; cursor: pointer; font-size: 13px; color: var(--ink); }
.vaescan-explorer input { margin: 0; accent-color: var(--down); min-width: 0; }
.vaescan-explorer output { font-variant-numeric: tabular-nums; font-size: 12px; color: var(--ink); padding: 0; text-align: right; display: block; }
.vaescan-explorer .bar { height: 4px; background: var(--line); position: relative; overflow: hidden; border-radius: 2px; }
.vaescan-explorer .bar i { position: absolute; top: 0; bottom: 0; background: var(--down); transition: all .12s; }
.vaescan-explorer .bar i.up { background: var(--up); }
.vaescan-explorer .latents { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 205px), 1fr)); gap: 2px 14px; }
.vaescan-explorer .latent { display: grid; grid-template-columns: 5em minmax(60px, 1fr) 3em; gap: 0 5px; align-items: center;
  white-space: nowrap; font-size: 13px; }
.vaescan-explorer .latent input { width: 100%; height: 20px; }
.vaescan-explorer .latent .bar { grid-column: 2; } .vaescan-explorer .latent .adds { grid-column: 3; font-size: 11px; line-height: 1; }
.vaescan-explorer .latent .word { grid-column: 1; font-size: 11px; color: var(--soft); line-height: 1; }
.vaescan-explorer select, .vaescan-explorer button { font: inherit; font-size: 13px; color: var(--ink); background: var(--ground);
  border: 1px solid var(--line); border-radius: 4px; padding: 2px 6px; max-width: 100%; min-width: 0; }
.vaescan-explorer .tools { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; margin: 6px 0 2px; }
.vaescan-explorer .tools label { flex-wrap: wrap; gap: 2px 6px; cursor: default; min-width: 0; }
.vaescan-explorer :focus-visible { outline: 2px solid var(--down); outline-offset: 1px; }
@container (min-width: 600px) {
  .vaescan-explorer .with-scan { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); }
  .vaescan-explorer .leads { grid-template-columns: repeat(4, minmax(0, 1fr)); grid-template-rows: repeat(3, auto); grid-auto-flow: column; }
}
@media (prefers-reduced-motion: reduce) { .vaescan-explorer .bar i { transition: none; } }
@media (forced-colors: active) { .vaescan-explorer .beat { stroke: CanvasText; } }
`;

// ---- decoder

function readHalf(h) {
  const sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, fraction = h & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return exponent === 31 ? (fraction ? NaN : sign * Infinity) : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// Little-endian float16 in base64, cut into named matrices in the order of `parts`: [name, rows, columns].
function unpack(base64, parts) {
  const text = atob(base64), weights = {};
  let at = 0;
  for (const [name, rows, columns] of parts) {
    const values = new Float32Array(rows * columns);
    for (let i = 0; i < values.length; i++, at += 2) values[i] = readHalf(text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8));
    weights[name] = { rows, columns, values };
  }
  if (at !== text.length) throw new Error(`decoder weights have ${text.length} bytes, ${at} were expected`);
  return weights;
}

function times(matrix, vector, out) {
  for (let i = 0, k = 0; i < matrix.rows; i++) {
    let sum = 0;
    for (let j = 0; j < matrix.columns; j++) sum += matrix.values[k++] * vector[j];
    out[i] += sum;
  }
  return out;
}

// Error function by a series of positive terms, to double precision.
function erf(x) {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  let term = a, sum = a;
  for (let n = 1; term > 1e-17 * sum; n++) { term *= (2 * a * a) / (2 * n + 1); sum += term; }
  return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
}

const gelu = (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2));

// Latents -> beat in mV, one Float64Array per lead that the network knows (eight).
function decode(network, z) {
  const w = network.weights, { n_leads, n_times, r_index, border, most_stretch } = network;
  const hidden = times(w.hidden, z, Float64Array.from(w.hidden_bias.values)).map(gelu);
  const components = times(w.skip, z, times(w.head, hidden, new Float64Array(w.head.rows)));
  const flat = times(w.back, components, Float64Array.from(w.back_bias.values));
  const stretch = times(w.stretch, z, Float64Array.from(w.stretch_bias.values));
  const [before, after] = stretch.map((s) => Math.exp(Math.min(most_stretch, Math.max(-most_stretch, s))));
  const beat = Array.from({ length: n_leads }, () => new Float64Array(n_times));
  for (let t = 0; t < n_times; t++) {
    const time = t - r_index;
    let at = time < -border ? -border + (time + border) * before : time > border ? border + (time - border) * after : time;
    at = Math.min(n_times - 1, Math.max(0, at + r_index));
    const left = Math.min(Math.floor(at), n_times - 2), f = at - left;
    for (let lead = 0; lead < n_leads; lead++) {
      const [a, b, c, d] = [-1, 0, 1, 2].map((o) => flat[lead * n_times + Math.min(n_times - 1, Math.max(0, left + o))]);
      beat[lead][t] = b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)));
    }
  }
  return beat;
}

// ---- symbol encoder: factors, some of them unknown, -> mean and variance of the latents

function solve(matrix, right) {
  const a = matrix.map((row, i) => [...row, right[i]]), n = a.length;
  for (let i = 0; i < n; i++) {
    let pivot = i;
    for (let j = i + 1; j < n; j++) if (Math.abs(a[j][i]) > Math.abs(a[pivot][i])) pivot = j;
    [a[i], a[pivot]] = [a[pivot], a[i]];
    for (let j = 0; j < n; j++) if (j !== i) {
      const q = a[j][i] / a[i][i];
      for (let k = i; k <= n; k++) a[j][k] -= q * a[i][k];
    }
  }
  return a.map((row, i) => row[n] / row[i]);
}

// Expected standard scores of all factors, and the covariance of the unknown ones.
function fillIn(scan, assignment, unspecified) {
  const n = scan.names.length, all = [...Array(n).keys()];
  const known = all.filter((j) => assignment[scan.names[j]] !== undefined && assignment[scan.names[j]] !== null);
  const unknown = all.filter((j) => !known.includes(j));
  const scores = all.map((j) => (known.includes(j) ? (assignment[scan.names[j]] - scan.mean[j]) / scan.sd[j] : 0));
  const covariance = all.map((i) => all.map((j) => (unknown.includes(i) && unknown.includes(j) ? scan.correlation[i][j] : 0)));
  if (unspecified === "observe" && known.length) {
    const among = known.map((i) => known.map((j) => scan.correlation[i][j]));
    const slopes = unknown.map((u) => solve(among, known.map((k) => scan.correlation[k][u])));
    unknown.forEach((u, i) => {
      scores[u] = known.reduce((sum, k, m) => sum + slopes[i][m] * scores[k], 0);
      unknown.forEach((v) => { covariance[u][v] -= known.reduce((sum, k, m) => sum + slopes[i][m] * scan.correlation[k][v], 0); });
    });
  }
  return { known, unknown, scores, covariance };
}

function encode(scan, assignment, unspecified) {
  const { known, unknown, scores, covariance } = fillIn(scan, assignment, unspecified);
  const mu = [], variance = [];
  scan.m0.forEach((m0, i) => {
    const w = scan.weight[i], a = scan.variance_weight[i];
    const mean = m0 + w.reduce((sum, wj, j) => sum + wj * scores[j], 0);
    let between = 0, exponent = scan.log_variance[i];
    for (const u of unknown) for (const v of unknown) between += w[u] * covariance[u][v] * w[v];
    for (const j of known) exponent += a[j] * scores[j];
    for (const j of unknown) {
      const chance = Math.min(1, Math.max(0, scan.mean[j] + scan.sd[j] * scores[j]));
      exponent += scan.continuous[j]
        ? a[j] * scores[j] + 0.5 * a[j] ** 2 * covariance[j][j]
        : (a[j] * -scan.mean[j]) / scan.sd[j] + Math.log1p(chance * Math.expm1(Math.min(20, a[j] / scan.sd[j])));
    }
    let m = mean, v = Math.exp(exponent) + between;
    const spread = v, b = scan.lam - scan.beta_y;
    for (let k = 0; k < 6 && scan.beta_y > 0; k++) {
      const q = spread + (mean - m) ** 2;
      v = (-b + Math.sqrt(b * b + 4 * scan.beta_y * scan.lam * q)) / (2 * scan.beta_y);
      m = (scan.lam * mean) / (scan.lam + scan.beta_y * v);
    }
    mu.push(m);
    variance.push(v);
  });
  return { mu, variance };
}

// What each latent adds to the log odds of factor j (to its mean, if it is continuous), and the baseline before it.
function contributions(network, z, j) {
  const { weights, bias } = network.scan, w = weights[j];
  const baseline = bias[j] + w.reduce((sum, wi, i) => sum + wi * network.mean[i], 0);
  const parts = w.map((wi, i) => wi * (z[i] - network.mean[i]));
  return { baseline, parts, total: baseline + parts.reduce((sum, part) => sum + part, 0) };
}

const readable = (state) => ({ ...state, weights: unpack(state.half_floats, state.parts) });

// ---- drawing

function make(tag, attributes = {}, ...children) {
  const isSvg = ["svg", "path", "text"].includes(tag);
  const element = isSvg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const signed = (x, digits) => (x < 0 ? "\u2212" : "+") + Math.abs(x).toFixed(digits);
const rounded = (x, digits) => (Number(x.toFixed(digits)) === 0 ? (0).toFixed(digits) : signed(x, digits));
const MM_PER_S = 25, MM_PER_MV = 10;

// Twelve panels of paper in which small squares are square: 1 mm = 40 ms = 0.1 mV. Units of the drawing are millimetres.
function drawLeads(network) {
  const [low, high] = network.height_mv, n = network.n_times;
  const width = (MM_PER_S * (n - 1)) / network.fs, height = MM_PER_MV * (high - low);
  const lines = (step) => {
    let d = "";
    const first = (-network.r_index / network.fs) * MM_PER_S;
    for (let x = Math.ceil(first / step) * step - first; x <= width; x += step) d += `M${x.toFixed(2)} 0V${height}`;
    for (let y = Math.ceil((low * MM_PER_MV) / step) * step; y <= high * MM_PER_MV; y += step) d += `M0 ${high * MM_PER_MV - y}H${width}`;
    return d;
  };
  const [small, large] = [lines(1), lines(5)];
  const panel = make("div", { class: "leads", role: "img" });
  const paths = network.leads.map((name) => {
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    const [ghost, beat] = ["ghost", "beat"].map((kind) => make("path", { class: kind, "data-lead": name }));
    const label = make("text", { x: 0.6, y: 2.7 }, name);
    svg.append(make("path", { class: "small", d: small }), make("path", { class: "large", d: large }), ghost, beat, label);
    panel.append(svg);
    return { ghost, beat };
  });
  const draw = (kind, eight) => network.twelve.forEach((row, i) => {
    let d = "";
    for (let t = 0; t < n; t++) {
      const mv = row.reduce((sum, share, lead) => sum + (share ? share * eight[lead][t] : 0), 0);
      d += `${t ? "L" : "M"}${((MM_PER_S * t) / network.fs).toFixed(2)} ${(MM_PER_MV * (high - mv)).toFixed(2)}`;
    }
    paths[i][kind].setAttribute("d", d);
  });
  return { panel, draw };
}

function drawBar(bar, value, most) {
  const share = Math.min(1, Math.abs(value) / most) * 50;
  bar.className = value > 0 ? "up" : "";
  bar.style.left = `${value > 0 ? 50 : 50 - share}%`;
  bar.style.width = `${share}%`;
}

function render({ model, el }) {
  const network = readable(model.get("_network")), { scan } = network;
  const id = `vaescan-${Math.random().toString(36).slice(2)}`; // radio buttons of two figures on a page are not one group
  const root = make("div", { class: "vaescan-explorer", role: "group", "aria-label": "ECG explorer" }, make("style", {}, STYLE));
  const { panel, draw } = drawLeads(network);
  const status = make("p", { class: "note", role: "status" });
  const paper = make("div", {}, panel, status, make("p", { class: "note" },
    "One small square: 40 ms, 0.1 mV. Grey: " + (scan ? "nothing known of the person." : "all latents at 0.")));
  const top = make("div", { class: scan ? "top with-scan" : "top" }, paper);
  root.append(top);
  let z = [...model.get("z")], chosen = 0, waiting = null;
  const start = scan ? encode(scan, {}, "observe").mu : network.mean;
  const send = () => { clearTimeout(waiting); waiting = null; model.set("z", [...z]); model.save_changes(); };
  const sendSoon = () => { waiting ??= setTimeout(send, 60); };

  // Factors: a switch of three states each, and beside it what the decoder reads from the beat that is shown.
  const switches = [];
  const choose = (name, value) => {
    const factors = { ...model.get("factors") };
    if (value === null) delete factors[name]; else factors[name] = value;
    model.set("factors", factors);
    move();
  };
  const move = () => {
    z = encode(scan, model.get("factors"), model.get("unspecified")).mu;
    send();
    update();
  };
  function addFactor(name, j) {
    const result = make("output"), bar = make("i"), choice = make("div", { class: "choice" });
    const row = make("div", { class: "factor", role: "group", "aria-label": scan.labels[j] }, make("b", { title: scan.labels[j] }, scan.short[j]),
      choice, make("div", {}, result, make("div", { class: "bar", "aria-hidden": "true" }, bar)));
    let show;
    if (scan.continuous[j]) {
      const [low, high] = scan.ranges[j], known = make("input", { type: "checkbox", "aria-label": `${scan.labels[j]}: known` });
      const slider = make("input", { type: "range", min: low, max: high, step: 1, style: "width:60%", "aria-label": scan.labels[j] });
      slider.addEventListener("input", () => { known.checked = true; choose(name, Number(slider.value)); });
      known.addEventListener("change", () => choose(name, known.checked ? Number(slider.value) : null));
      choice.append(known, slider);
      show = (value) => {
        known.checked = value !== undefined && value !== null;
        slider.value = known.checked ? value : scan.mean[j];
        slider.setAttribute("aria-valuetext", known.checked ? `${value}` : "unknown");
      };
    } else {
      const radios = [["?", null, "unknown"], ["no", 0, "no"], ["yes", 1, "yes"]].map(([text, value, word]) => {
        const radio = make("input", { type: "radio", name: `${id}-${name}`, value: word, "aria-label": `${scan.labels[j]}: ${word}` });
        radio.addEventListener("change", () => choose(name, value));
        choice.append(make("label", {}, radio, text));
        return [radio, value];
      });
      show = (value) => radios.forEach(([radio, its]) => { radio.checked = its === (value ?? null); });
    }
    switches.push({ show, result, bar });
    return row;
  }

  // Latents: one slider each, in SDs of the population, with what it adds to the chosen factor below.
  const sliders = network.active.map((latent) => {
    const slider = make("input", { type: "range", min: -4, max: 4, step: 0.05, "data-latent": latent, "aria-label": `Latent ${latent}` });
    const value = make("output"), adds = make("output", { class: "adds" }), bar = make("i");
    slider.addEventListener("input", () => {
      z[latent] = network.mean[latent] + network.sd[latent] * Number(slider.value);
      update();
      sendSoon();
    });
    slider.addEventListener("change", send);
    const row = make("div", { class: "latent" }, make("span", {}, `latent ${latent}`), slider, value);
    if (scan?.weights) row.append(make("span", { class: "word" }, "adds"), make("div", { class: "bar", "aria-hidden": "true" }, bar), adds);
    return { latent, slider, value, adds, bar, row };
  });

  const sum = make("p", { class: "note" });
  const tools = make("div", { class: "tools" });
  if (scan) {
    const rule = make("select", { "aria-label": "What unknown factors are taken to be" },
      make("option", { value: "observe" }, "follow the known (observe)"), make("option", { value: "average" }, "keep the usual mix (average)"));
    rule.value = model.get("unspecified");
    rule.addEventListener("change", () => { model.set("unspecified", rule.value); move(); });
    model.on("change:unspecified", () => { rule.value = model.get("unspecified"); });
    const reset = make("button", { type: "button" }, "All unknown");
    reset.addEventListener("click", () => { model.set("factors", {}); move(); });
    top.append(make("fieldset", {}, make("legend", {}, "Factors" + (scan.weights ? ", and what the beat says of them" : "")),
      ...scan.names.map(addFactor), make("div", { class: "tools" }, make("label", {}, "Unknown factors ", rule), reset)));
    if (scan.weights) {
      const options = scan.names.map((_, j) => make("option", { value: j }, scan.labels[j]));
      const which = make("select", { "aria-label": "Show what latents add to" }, ...options);
      chosen = Math.max(0, scan.continuous.findIndex((is, j) => !is && scan.names[j] !== "sex_female"));
      which.value = chosen;
      which.addEventListener("change", () => { chosen = Number(which.value); update(); });
      tools.append(make("label", {}, "Latents add to ", which), sum);
    }
  } else {
    const reset = make("button", { type: "button" }, "All at 0");
    reset.addEventListener("click", () => { z = [...network.mean]; send(); update(); });
    tools.append(reset);
  }
  root.append(make("fieldset", {}, make("legend", {}, `Latents in use, most informative first (in SD${scan ? " of the ECGs" : " of the prior"})`), tools,
    make("div", { class: "latents" }, ...sliders.map((one) => one.row))));

  function say(j, total) {
    const percent = 100 / (1 + Math.exp(-total));
    return scan.continuous[j] ? total.toFixed(0) : percent < 1 ? "<1 %" : percent > 99 ? ">99 %" : `${percent.toFixed(0)} %`;
  }

  function update() {
    const beat = decode(network, z), factors = model.get("factors") ?? {};
    draw("beat", beat);
    const named = Object.entries(factors).map(([name, value]) => `${name} ${value === 1 ? "yes" : value === 0 ? "no" : value}`);
    const expected = scan ? encode(scan, factors, model.get("unspecified")).mu : start;
    const byHand = z.some((value, i) => Math.abs(value - expected[i]) > 1e-3 * network.sd[i]);
    status.textContent = byHand ? "Latents moved by hand." : scan && named.length ? `Mean beat given: ${named.join(", ")}; unknown factors: ${model.get("unspecified")}.` : "";
    const parts = scan?.weights ? contributions(network, z, chosen) : null;
    const most = parts ? Math.max(1, ...parts.parts.map(Math.abs)) : 1;
    for (const { latent, slider, value, adds, bar } of sliders) {
      const place = (z[latent] - network.mean[latent]) / network.sd[latent];
      slider.value = place;
      value.textContent = rounded(place, 1);
      slider.setAttribute("aria-valuetext", `${rounded(place, 1)} SD` + (parts ? `, adds ${rounded(parts.parts[latent], 2)}` : ""));
      if (parts) { adds.textContent = rounded(parts.parts[latent], 2); drawBar(bar, parts.parts[latent], most); }
    }
    switches.forEach(({ show, result, bar }, j) => {
      show(factors[scan.names[j]]);
      if (!scan.weights) return;
      const total = contributions(network, z, j).total, [low, high] = scan.ranges[j] ?? [0, 1];
      result.textContent = say(j, total);
      bar.style.left = 0;
      bar.style.width = `${100 * (scan.continuous[j] ? Math.min(1, Math.max(0, (total - low) / (high - low))) : 1 / (1 + Math.exp(-total)))}%`;
    });
    if (parts) {
      const unit = scan.continuous[chosen] ? "" : "log odds: ";
      sum.textContent = `${unit}baseline ${rounded(parts.baseline, 2)}, latents ${rounded(parts.total - parts.baseline, 2)}, together ${rounded(parts.total, 2)}`
        + (scan.continuous[chosen] ? "" : ` = ${say(chosen, parts.total)}`);
    }
    const peaks = network.leads.map((name, i) => [name, Math.max(...Array.from(beat[0], (_, t) => network.twelve[i].reduce((s, share, lead) => s + share * beat[lead][t], 0)))]);
    panel.setAttribute("aria-label", "Twelve-lead median beat on ECG paper. Highest point in mV: " + peaks.map(([name, mv]) => `${name} ${mv.toFixed(1)}`).join(", "));
  }

  draw("ghost", decode(network, start));
  const fromKernel = () => { if (!waiting) { z = [...model.get("z")]; update(); } };
  model.on("change:z", fromKernel);
  model.on("change:factors", fromKernel);
  el.replaceChildren(root);
  update();
  return () => { clearTimeout(waiting); model.off("change:z", fromKernel); model.off("change:factors", fromKernel); };
}

// What a page without a kernel gives `render` in place of a widget's model.
function standIn(state) {
  const values = { ...state };
  return { get: (name) => values[name], set: (name, value) => { values[name] = value; }, on() {}, off() {}, save_changes() {} };
}

export { contributions, decode, encode, readable, render, standIn };
export default { render };
