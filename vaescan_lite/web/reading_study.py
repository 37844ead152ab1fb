"""A small reading study for the page: bare probabilities against explanations. Its script is reading_study.js."""

import html
import itertools
import json
from pathlib import Path

import numpy as np

from ..ecg import LEADS_12, to_twelve_leads

SCRIPT = Path(__file__).with_name("reading_study.js")
N_PAIRS = 10
WRONG_PAIRS = 3  # of the pairs about whose both ECGs the model is wrong, as far as there are that many
STYLE = "max-width: 46rem; border: 1px solid #bbb; border-radius: 0.3rem; padding: 0.6rem 1rem; background: #fff; color: #222"
_numbers = itertools.count(1)  # of the studies of this process, for ids that a page holds once


class ReadingStudy:
    """Ten ECGs with a bare probability and ten with an explanation, read in the page. Explained in chapter 12.

    In the page a coin decides which ECG of a pair is explained, and another whether bare or explained ones come first. There
    are as many cases as controls where they suffice, and wrong answers more often than in life: accuracy here is not the
    model's accuracy. Nothing is stored or sent; a reload forgets all. `rows` (20,) are those of the `beats` that were chosen,
    fewer if not enough ECGs fit; `pairs` the positions in `rows` of two ECGs with the same label about which the model is right
    both times, or wrong both times.

    Parameters
    ----------
    beats : BeatSet, median beats that the model was not fitted to
    y, probability : array-like of float, shape (n,), labels, 1, 0 or NaN (not shown), and what the model says
    contributions : DataFrame (n, n_segments * n_leads), logits by (segment, lead) of `explain.wave_contributions`; leads add up
    segments_s : dict of str to (float, float), borders in seconds from the R peak, which together cover the beat
    disease, seed : str, int, what the reader is asked about, and the seed of the choice of ECGs
    """

    def __init__(self, beats, y, probability, contributions, segments_s, disease, seed=0):
        y, probability = np.asarray(y, dtype=float), np.asarray(probability, dtype=float)
        if not len(beats) == len(y) == len(probability) == len(contributions):
            counts = f"{len(beats)}, {len(y)}, {len(probability)} and {len(contributions)}"
            raise ValueError(f"beats, y, probability and contributions must have a row for each ECG; got {counts}.")
        self.disease = disease
        is_shown = np.isfinite(y) & np.isfinite(probability) & beats.usable
        self.rows, self.pairs = _matched_pairs(y, probability, is_shown, np.random.default_rng(seed))
        chosen, twelve, last = self.rows, to_twelve_leads(beats[self.rows]), beats.signals.shape[2] - 1
        samples = {name: [round(border * beats.fs) + beats.r_index for border in ends] for name, ends in segments_s.items()}
        # Neighbours share a sample, so that the line has no gaps.
        segments = [{"name": name, "start": max(0, first), "end": min(last, end)} for name, (first, end) in samples.items()]
        waves = contributions.T.groupby(level=0, sort=False).sum().T[list(segments_s)].to_numpy()[chosen]
        signals_uv = 1000 * (twelve.signals - np.median(twelve.signals, axis=2, keepdims=True))
        columns = {"p": probability[chosen].round(3), "y": y[chosen].astype(int), "waves": waves.astype(float).round(2)}
        columns["uv"] = signals_uv.round().astype(int)
        ecgs = [dict(zip(columns, row)) for row in zip(*(column.tolist() for column in columns.values()))]
        self._study = {
            "disease": disease, "leads": list(LEADS_12), "fs": float(beats.fs), "segments": segments,
            "pixels_per_s": 130, "pixels_per_mv": 52,  # 25 mm/s and 10 mm/mV: 0.4 s are as wide as 1 mV is high
            "strong": float(max(np.abs(waves).max() / 2, 1e-6)), "pairs": self.pairs, "ecgs": ecgs,
        }  # fmt: skip

    def __repr__(self):
        return f"ReadingStudy({len(self.rows)} ECGs, {self.disease}); it is read in the page, in a browser."

    def _repr_html_(self):
        """Return a page part that works without a kernel, and says what it would be where scripts do not run."""
        name = f"reading-study-{next(_numbers)}"
        study = json.dumps(self._study, separators=(",", ":")).replace("<", "\\u003c")
        without = (
            f"Here you would read {len(self.rows)} ECGs, half with a bare probability and half with an explanation, then "
            f"see how often you were right about {html.escape(self.disease)}, and how often you followed a wrong model. It "
            "needs JavaScript, and runs in the page alone."
        )
        source = SCRIPT.read_text(encoding="utf-8")
        script = f"(() => {{\n{source}\nstartReading(document.getElementById('{name}'), {study});\n}})();"
        return f'<div id="{name}" class="reading-study" style="{STYLE}"><p>{without}</p></div>\n<script>\n{script}\n</script>'


def _matched_pairs(y, probability, is_shown, rng):
    """Choose rows, and pairs of them that agree in label and in whether the model is right."""
    is_wrong = (probability >= 0.5) != (y == 1)
    pools = {}
    for label, wrong in itertools.product((1, 0), (True, False)):
        pools[label, wrong] = list(rng.permutation(np.flatnonzero(is_shown & (y == label) & (is_wrong == wrong))))
    pairs = []

    def take(label, wrong, n):
        pool = pools[label, wrong]
        for _ in range(n):
            if len(pool) >= 2:
                pairs.append((pool.pop(), pool.pop()))

    take(1, True, WRONG_PAIRS - WRONG_PAIRS // 2)
    take(0, True, WRONG_PAIRS - len(pairs))
    n_positive = sum(y[a] == 1 for a, _ in pairs)
    take(1, False, N_PAIRS // 2 - n_positive)
    take(0, False, N_PAIRS - len(pairs))
    take(1, False, N_PAIRS - len(pairs))
    if len(pairs) < 2:
        gave = f"{is_shown.sum()} with label and probability gave {len(pairs)} pair(s)"
        raise ValueError(f"too few ECGs for a reading study: {gave}, and at least 2 are needed.")
    return np.array([row for pair in pairs for row in pair]), [(2 * i, 2 * i + 1) for i in range(len(pairs))]
