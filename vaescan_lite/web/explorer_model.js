// Arithmetic of the explorer, without a page: decoder, symbol encoder, operators, and what is read from latents.
// Formulas: vae.network.Decoder, scan.network.SymbolEncoder, scan.change and scan.operators of the package.

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

// The state as it travels, with its matrices unpacked and the arrays that `decode` writes into, made once.
function readable(state) {
  const weights = unpack(state.half_floats, state.parts), { n_leads, n_times } = state;
  const beat = new Float32Array(n_leads * n_times);
  const work = {
    hidden: new Float64Array(weights.hidden.rows), components: new Float64Array(weights.head.rows),
    flat: new Float32Array(n_leads * n_times), stretch: new Float64Array(weights.stretch.rows),
    beat: Array.from({ length: n_leads }, (_, lead) => beat.subarray(lead * n_times, (lead + 1) * n_times)),
  };
  const readout = state.readout && unpack(state.readout.values, state.readout.parts);
  const beats = unpack(state.beats.values, state.beats.parts);
  const people = state.people.map((person, i) => {
    const own = Array.from({ length: n_leads }, (_, lead) => beats[i].values.subarray(lead * n_times, (lead + 1) * n_times));
    return { ...person, own };
  });
  const network = { ...state, weights, work, people, readout: readout && { ...state.readout, ...readout } };
  for (const person of people) { // what the VAE cannot say of the person, and how far the readout is off on them
    const drawn = decode(network, person.mu), guess = readouts(network, person.mu);
    person.residual = person.own.map((row, lead) => row.map((mv, t) => mv - drawn[lead][t]));
    const measured = { ...person.measured, has_p: Number.isFinite(person.measured.pr_ms) };
    person.offset = guess && Object.fromEntries(Object.entries(guess).map(([name, value]) => [name, (measured[name] ?? value) - value]));
  }
  return network;
}

// ---- decoder

function times(matrix, vector, out) {
  const { rows, columns, values } = matrix;
  for (let i = 0, k = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += values[k++] * vector[j];
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

// Latents -> beat in mV, one array per lead that the network knows (eight). The arrays are those of `work`, written anew.
function decode(network, z) {
  const w = network.weights, { n_leads, n_times, r_index, border, most_stretch, work } = network;
  work.hidden.set(w.hidden_bias.values);
  times(w.hidden, z, work.hidden);
  for (let i = 0; i < work.hidden.length; i++) work.hidden[i] = gelu(work.hidden[i]);
  work.components.fill(0);
  times(w.skip, z, times(w.head, work.hidden, work.components));
  work.flat.set(w.back_bias.values);
  const flat = times(w.back, work.components, work.flat), last = n_times - 1;
  work.stretch.set(w.stretch_bias.values);
  times(w.stretch, z, work.stretch);
  for (let i = 0; i < work.stretch.length; i++) work.stretch[i] = Math.min(most_stretch, Math.max(-most_stretch, work.stretch[i]));
  const [before, leftOfR, rightOfR, after] = Array.from(work.stretch, Math.exp);
  for (let t = 0; t < n_times; t++) {
    const time = t - r_index, within = Math.min(border, Math.max(-border, time)), beyond = time - within;
    let at = time < 0 ? within * leftOfR + beyond * before : within * rightOfR + beyond * after;
    at = Math.min(last, Math.max(0, at + r_index));
    const left = Math.min(Math.floor(at), n_times - 2), f = at - left, l = Math.max(0, left - 1), r = Math.min(last, left + 2);
    for (let lead = 0; lead < n_leads; lead++) {
      const o = lead * n_times, a = flat[o + l], b = flat[o + left], c = flat[o + left + 1], d = flat[o + r];
      work.beat[lead][t] = b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)));
    }
  }
  return work.beat;
}

// The beat of a state: the decoded one, and for a person what the decoder leaves out of theirs.
function shownBeat(network, z, person) {
  const beat = decode(network, z);
  if (person) person.residual.forEach((row, lead) => { for (let t = 0; t < row.length; t++) beat[lead][t] += row[t]; });
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

// Latents of a person with other factors: theirs, moved by W (y_to - y_from), all factors that are not named left alone.
function change(scan, person, assignment) {
  const steps = Object.entries(assignment).map(([name, value]) => {
    const j = scan.names.indexOf(name);
    return [j, (value - person.present[j]) / scan.sd[j]];
  });
  return person.mu.map((mu, i) => mu + steps.reduce((sum, [j, step]) => sum + scan.weight[i][j] * step, 0));
}

// The operators on assignments, as `combine` of the package; a contradiction is an error.
function combine(a, b, how) {
  if (how === "ignore") return Object.fromEntries(Object.entries(a).filter(([name]) => !(name in b)));
  if (how === "in_common") return Object.fromEntries(Object.entries(a).filter(([name, value]) => b[name] === value));
  const conflicts = Object.keys(a).filter((name) => name in b && a[name] !== b[name]);
  if (conflicts.length) {
    const both = conflicts.map((name) => `${name} (${a[name]} and ${b[name]})`).join(", ");
    throw new Error(`AND of assignments that contradict each other: ${both}.`);
  }
  return { ...a, ...b };
}

// What each latent adds to the log odds of factor j (to its mean, if it is continuous), and the baseline before it.
function contributions(network, z, j) {
  const { weights, bias } = network.scan, w = weights[j];
  const baseline = bias[j] + w.reduce((sum, wi, i) => sum + wi * network.mean[i], 0);
  const parts = w.map((wi, i) => wi * (z[i] - network.mean[i]));
  return { baseline, parts, total: baseline + parts.reduce((sum, part) => sum + part, 0) };
}

// ---- approximate measurements

const turned = (deg) => deg - 360 * Math.ceil((deg - 180) / 360); // above -180, up to 180

// Intervals and axis of the beat that was decoded last, by the ridge regressions of `readout`; null where there are none.
function readouts(network, z) {
  const { readout, work } = network;
  if (!readout) return null;
  const { columns, values } = readout.weights, out = readout.bias.values.slice(), n = z.length, h = work.hidden.length;
  for (let i = 0, k = 0; i < out.length; i++, k += columns) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += values[k + j] * z[j];
    for (let j = 0; j < h; j++) sum += values[k + n + j] * work.hidden[j];
    for (let j = 0; j < work.stretch.length; j++) sum += values[k + n + h + j] * work.stretch[j];
    out[i] += sum;
  }
  const [pr_ms, qrs_ms, qt_ms, cosine, sine, has_p] = out;
  return { pr_ms, qrs_ms, qt_ms, qrs_axis_deg: (180 / Math.PI) * Math.atan2(sine, cosine), has_p }; // has_p: about 1 or 0
}
