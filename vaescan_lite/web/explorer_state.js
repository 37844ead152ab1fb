// What an explorer shows, as plain values: z (latents), person (a place in network.people, or -1 for nobody), two assignments
// of factors a and b, which of them or which combination is shown, and what unknown factors are taken to be.

const SHOWN = { a: "A", b: "B", and: "A AND B", in_common: "A IN COMMON B", ignore: "A IGNORE B" };
const copied = (state) => ({ ...state, z: [...state.z], a: { ...state.a }, b: { ...state.b } });

function assignmentOf({ a, b, shown }) {
  return shown === "a" ? a : shown === "b" ? b : combine(a, b, shown);
}

// Where the latents are before anybody moves a slider.
function baseOf(network, state) {
  const { scan, people } = network;
  if (!scan) return state.person < 0 ? network.mean : people[state.person].mu;
  const assignment = assignmentOf(state);
  return state.person < 0 ? encode(scan, assignment, state.unspecified).mu : change(scan, people[state.person], assignment);
}

// Change a state; what sliders did stays.
function moved(network, state, step) {
  const before = baseOf(network, state), next = copied(state);
  step(next);
  const after = baseOf(network, next);
  next.z = state.z.map((z, i) => z + after[i] - before[i]);
  return next;
}

// Steps back and forth. Steps with the same key that follow each other within 0.8 s are one: a drag, or a held arrow key.
function makeHistory() {
  const past = [], future = [];
  let last = null, at = 0;
  return {
    past, future,
    remember(state, key, now = performance.now()) {
      if (key && key === last && now - at < 800) { at = now; return; }
      [last, at] = [key, now];
      past.push(copied(state));
      if (past.length > 200) past.shift();
      future.length = 0;
    },
    go(from, to, state) {
      last = null;
      if (!from.length) return null;
      to.push(copied(state));
      return from.pop();
    },
  };
}

// A state as the end of a link, letters and digits only; slider moves in SD, to 0.001.
function toFragment(network, state) {
  const base = baseOf(network, state);
  const moves = state.z.map((z, i) => [i, Math.round((1000 * (z - base[i])) / network.sd[i]) / 1000]).filter(([, move]) => move);
  const kept = { p: state.person, a: state.a, b: state.b, s: state.shown, u: state.unspecified, m: moves };
  return btoa(JSON.stringify(kept)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}

function fromFragment(network, text) {
  const { p, a, b, s, u, m } = JSON.parse(atob(text.replace(/-/g, "+").replace(/_/g, "/")));
  const names = network.scan?.names ?? [], known = (factors) => Object.entries(factors).every(
    ([name, value]) => names.includes(name) && Number.isFinite(value));
  const inside = m.every(([i, move]) => i in network.mean && Number.isFinite(move));
  if (!(Number.isInteger(p) && p >= -1 && p < network.people.length && s in SHOWN && known(a) && known(b) && inside
    && ["observe", "average"].includes(u))) throw new Error("a link of another figure");
  const state = { person: p, a, b, shown: s, unspecified: u, z: [] };
  state.z = [...baseOf(network, state)];
  for (const [i, move] of m) state.z[i] += move * network.sd[i];
  return state;
}
