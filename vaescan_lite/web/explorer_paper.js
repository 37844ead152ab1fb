// ECG paper with twelve leads as SVG, in millimetres: 1 mm is 40 ms and 0.1 mV. The grid is one drawing, the waves another on
// top of it, so that a beat can be drawn anew without its paper.

const MM_PER_S = 25, MM_PER_MV = 10, MARGIN_MM = 8, FOOT_MM = 4;
const LAYOUTS = [
  [["I", "II", "III", "aVR", "aVL", "aVF"], ["V1", "V2", "V3", "V4", "V5", "V6"]],
  [["I", "aVR", "V1", "V4"], ["II", "aVL", "V2", "V5"], ["III", "aVF", "V3", "V6"]],
];
const PRINT_STYLE = `.ground{fill:#fffafa}.small{stroke:#f6dede;stroke-width:.1}.large{stroke:#e7a3a3;stroke-width:.16}
.ghost{stroke:#6f7b87;stroke-width:.25}.beat,.pulse{stroke:#1c2733;stroke-width:.4}path{fill:none;stroke-linejoin:round}
.mark{fill:#c4402f}text{fill:#1c2733;font-family:system-ui,sans-serif}.name{font-weight:bold}`;
const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, ...children) {
  const isSvg = ["svg", "path", "text", "g", "rect", "title"].includes(tag);
  const element = isSvg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function drawPaper(network) {
  const { n_times, fs, leads } = network, wide = Math.ceil((MM_PER_S * (n_times - 1)) / fs) + 1;
  const grid = make("svg", { class: "grid", "aria-hidden": "true" }), waves = make("svg", { class: "waves", "aria-hidden": "true" });
  const element = make("div", { class: "leads", role: "img" }, grid, waves);
  const xs = Array.from({ length: n_times }, (_, t) => ((MM_PER_S * t) / fs).toFixed(2));
  const strips = Object.fromEntries(leads.map((name) => {
    const [ghost, beat] = ["ghost", "beat"].map((kind) => make("path", { class: kind, "data-lead": name }));
    const strip = make("svg", { width: wide, overflow: "hidden" }, ghost, beat); // heights in it are -10 mm a millivolt
    const marks = [make("path", { class: "mark" }), make("path", { class: "mark" })];
    strip.append(...marks);
    return [name, { strip, ghost, beat, marks, label: make("text", { class: "name" }, name), low: 0, high: 0 }];
  }));
  const row = new Float32Array(n_times), size = {};

  const lines = (step, width, height) => {
    let d = "";
    for (let x = 0; x <= width; x += step) d += `M${x} 0V${height}`;
    for (let y = 0; y <= height; y += step) d += `M0 ${y}H${width}`;
    return d;
  };

  // Choose the arrangement whose millimetres are largest in the place given, and draw everything but the waves.
  function arrange(maxWidth, maxHeight) {
    const options = LAYOUTS.map((rows) => {
      let height = 0;
      const spans = rows.map((names) => { // of a row, in half millivolts
        const ranges = names.map((name) => network.ranges_mv[leads.indexOf(name)]);
        const low = Math.min(-0.5, Math.floor(2 * Math.min(...ranges.map((range) => range[0]))) / 2);
        const high = Math.max(1.5, Math.ceil(2 * Math.max(...ranges.map((range) => range[1]))) / 2);
        height += MM_PER_MV * (high - low);
        return { low, high, top: height - MM_PER_MV * (high - low) };
      });
      const width = MARGIN_MM + rows[0].length * wide;
      height += FOOT_MM;
      return { rows, spans, width, height, scale: Math.min(maxWidth / width, maxHeight / height) };
    });
    const { rows, spans, width, height, scale } = options.reduce((best, option) => (option.scale > best.scale ? option : best));
    if (size.rows === rows && Math.abs(size.scale - scale) < 1e-3) return false;
    Object.assign(size, { rows, width, height, scale });
    element.style.width = `${Math.floor(width * scale)}px`;
    element.style.height = `${Math.floor(height * scale)}px`;
    for (const svg of [grid, waves]) svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const pulses = spans.map(({ top, high }) => `M1 ${top + MM_PER_MV * high}h1v-10h5v10h1`).join("");
    grid.replaceChildren(make("rect", { class: "ground", width, height }), make("path", { class: "small", d: lines(1, width, height) }),
      make("path", { class: "large", d: lines(5, width, height) }));
    const letters = Math.max(2.8, 9 / scale); // at least 9 px
    const scaleText = make("text", { x: width - 1, y: height - 1, "text-anchor": "end", "font-size": letters }, "25 mm/s   10 mm/mV");
    waves.replaceChildren(make("path", { class: "pulse", d: pulses }), scaleText);
    for (const name of leads) { // always in this order, for whoever reads the drawing rather than sees it
      const i = rows.findIndex((names) => names.includes(name)), j = rows[i].indexOf(name);
      const { strip, label } = strips[name], x = MARGIN_MM + j * wide, { low, high, top } = spans[i], tall = MM_PER_MV * (high - low);
      Object.assign(strips[name], { low, high });
      for (const [key, value] of Object.entries({ x, y: top, height: tall, viewBox: `0 ${-MM_PER_MV * high} ${wide} ${tall}` })) strip.setAttribute(key, value);
      for (const [key, value] of Object.entries({ x: x + 0.5, y: top + letters, "font-size": letters })) label.setAttribute(key, value);
      waves.append(strip, label);
    }
    return true;
  }

  // Draw eight leads as twelve; returns the names of the leads whose beat leaves the paper, each with its extreme in mV.
  function draw(kind, eight) {
    const leaving = [];
    network.twelve.forEach((shares, i) => {
      let d = "", top = 0, bottom = 0;
      row.fill(0);
      shares.forEach((share, lead) => { if (share) for (let t = 0; t < n_times; t++) row[t] += share * eight[lead][t]; });
      for (let t = 0; t < n_times; t++) {
        d += (t ? "L" : "M") + xs[t] + " " + (-MM_PER_MV * row[t]).toFixed(2);
        if (row[t] > row[top]) top = t;
        if (row[t] < row[bottom]) bottom = t;
      }
      const { marks, low, high, [kind]: path } = strips[leads[i]];
      path.setAttribute("d", d);
      if (kind !== "beat") return;
      const over = high > low && row[top] > high, under = high > low && row[bottom] < low; // once it is arranged
      marks[0].setAttribute("d", over ? `M${Number(xs[top]) + 0.8} ${-MM_PER_MV * high + 2.6}l1.5 -2.4l1.5 2.4z` : "");
      marks[1].setAttribute("d", under ? `M${Number(xs[bottom]) + 0.8} ${-MM_PER_MV * low - 2.6}l1.5 2.4l1.5 -2.4z` : "");
      if (over) leaving.push([leads[i], row[top]]);
      if (under) leaving.push([leads[i], row[bottom]]);
    });
    return leaving;
  }

  // Highest and lowest point of each lead in mV, for the description.
  function extremes(eight) {
    return network.twelve.map((shares, i) => {
      const values = Array.from(eight[0], (_, t) => shares.reduce((sum, share, lead) => sum + share * eight[lead][t], 0));
      return [leads[i], Math.max(...values), Math.min(...values)];
    });
  }

  // The paper as a file of its own, light whatever the page's theme.
  function asText(title) {
    const { width, height } = size;
    const svg = make("svg", { xmlns: SVG, viewBox: `0 0 ${width} ${height}`, width: `${width}mm`, height: `${height}mm` });
    const style = document.createElementNS(SVG, "style");
    style.textContent = PRINT_STYLE;
    svg.append(make("title", {}, title), style, ...[...grid.childNodes, ...waves.childNodes].map((node) => node.cloneNode(true)));
    return new XMLSerializer().serializeToString(svg);
  }
  return { element, arrange, draw, extremes, asText, size };
}

function download(name, blob) {
  const address = URL.createObjectURL(blob), link = make("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// SVG text -> PNG, 16 pixels a millimetre.
async function asPng(text, { width, height }) {
  const image = new Image(), canvas = make("canvas", { width: Math.round(16 * width), height: Math.round(16 * height) });
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => { canvas.toBlob(done, "image/png"); });
}
