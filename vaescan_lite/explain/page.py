"""One ECG explained on one page that needs nothing else: what is measured, what a Scan reads, and why."""

import base64
import html
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image

from ..beats import median_beats
from ..cache import written_whole
from ..databases.records import doubt_of_rate
from ..ecg import EcgSet
from ..factors import FACTOR_LABELS
from ..measurements import measure
from ..plots import plot_beats, plot_contributions, plot_ecg
from ..plots.ecgs import in_style, png_of
from ..scan import load_trainings
from ..scan.pretrained import WEIGHTS
from .gradients import wave_contributions

PAGE = Path(__file__).with_name("page.html")
# Second to 98th percentile of 46,129 adults: Mason JW, et al. J Electrocardiol 2007;40:228-234.
NORMAL = {
    "heart_rate_bpm": ("Heart rate", "/min", 48, 98), "pr_ms": ("PR interval", "ms", 113, 212),
    "qrs_ms": ("QRS duration", "ms", 69, 109), "qt_ms": ("QT interval", "ms", 325, 452),
    "qtcf_ms": ("QT, corrected by Fridericia", "ms", 359, 445), "qrs_axis_deg": ("QRS axis", "degrees", -40, 91),
}  # fmt: skip
NOT_MV = "cannot be millivolts"  # in the words of a fault
N_EXPLAINED, N_LARGEST, N_NEAREST = 2, 3, 3
PICTURE = {"dpi": 120, "n_colors": 128, "dither": Image.Dither.NONE}


@dataclass(frozen=True, repr=False)
class Report:
    """What `report` found about one ECG.

    Attributes
    ----------
    factors : DataFrame, one row per factor; no rows where no beat is usable
        ``value``: probability, or years; ``low high``: over the trainings of the model; ``training_share``: of the training
        ECGs that carry it (of a continuous factor the mean); ``unexpected``: log odds above those of that share.
    measurements : DataFrame by measurement, ``value low high unit``: limits are 2nd and 98th percentile of healthy adults
    faults : list of str, what is wrong with the recording, in words; empty where nothing was noticed
    html : str, the page
    """

    factors: pd.DataFrame
    measurements: pd.DataFrame
    faults: list
    html: str

    def __repr__(self):
        return f"Report({len(self.factors)} factors, {len(self.measurements)} measurements, {len(self.faults)} faults)"

    def save(self, path):
        """Write the page, whole or not at all, and return its path."""
        with written_whole(path) as temporary:
            temporary.write_text(self.html, encoding="utf-8")
        return Path(path)

    def _repr_html_(self):
        return f'<iframe title="ECG report" style="width:100%;height:70vh;border:0" srcdoc="{html.escape(self.html)}"></iframe>'


def report(ecg, *, vae=None, scan=None, folder=None, interactive=True):
    """Explain one ECG on one page: a `Report`.

    `ecg` is an EcgSet of one ECG, as `read_record` gives it. The model is `vae` and `scan`, or what ``vaescan-lite train``
    wrote to `folder`; default: what `load_pretrained` gives, beside its other trainings, whose spread is shown.
    Without `interactive` the page has no explorer and half the size.
    """
    if not isinstance(ecg, EcgSet) or len(ecg) != 1:
        given = f"{len(ecg)} ECGs" if isinstance(ecg, EcgSet) else type(ecg).__name__
        raise ValueError(f"report explains one ECG, an EcgSet of length 1; got {given}. Take one with ecgs[[0]].")
    if (vae is None) != (scan is None) or (scan is not None and folder is not None):
        raise ValueError("give a VAE and a Scan, or a folder with both, or neither.")
    trainings = load_trainings(folder) if scan is None else [(vae, scan)]
    with in_style():
        folder = None if vae is not None else Path(folder or WEIGHTS)
        return _report(ecg, [scan for _, scan in trainings], folder, interactive)


def _report(ecg, scans, folder, interactive):
    """Put the page together; the first of the trainings explains, the others tell the spread."""
    scan, beats, is_read = scans[0], [None, None], False
    faults = [words for words in [doubt_of_rate(ecg.signals[0], ecg.fs)] if words]
    try:
        beats = [median_beats(ecg, fs=fs) for fs in (None, scan.vae.fs_)]  # measured at the file's rate, read at the model's
        quality = beats[1].quality.iloc[0]
        faults += [words for words in str(quality["faults"]).split("; ") if words]
        is_read = bool(quality["usable"]) and not any(NOT_MV in fault for fault in faults)
    except ValueError as error:  # too short, or sampled too slowly
        faults.append(str(error))
    values, factors = measure(beats[0]).iloc[0] if is_read else dict.fromkeys(NORMAL, np.nan), _read(scans, beats[1], is_read)
    rows = {name: (values[name], low, high, unit) for name, (_, unit, low, high) in NORMAL.items()}
    measurements = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "unit"])
    sections = [_recording(ecg, faults, is_read)]
    if is_read:
        sections = [_summary(measurements, factors, faults), *sections, _measurements(beats[0], measurements)]
        sections += [_factors(factors, len(scans)), *_reasons(scan, beats[1], factors)]
        sections.append(_neighbours(scan, beats[1]))
    if is_read and interactive:
        from ..web import Explorer  # needs anywidget, which nothing else in this folder does

        figure = Explorer(scan.vae, scan, beats=beats[1]).html(png_of(plot_beats(beats[1]), **PICTURE))
        sections.append(f"<h2>Try it</h2><p>Move the latents and factors of this beat.</p>{figure}")
    sections.append(_model(folder, scan))
    form, name = Template(PAGE.read_text(encoding="utf-8")), html.escape(str(ecg.ids[0]))
    return Report(factors, measurements, faults, form.substitute(name=name, sections="\n".join(sections)))


def _read(scans, beats, is_read):
    """Return what several trainings read in one beat, most unexpected diagnosis first; no rows where it is not read."""
    coding, read = scans[0].coding_, pd.DataFrame(np.nan, index=[0], columns=scans[0].coding_.names)
    if is_read:
        read = pd.concat([scan.ecg_to_factors(beats) for scan in scans])
    table = pd.DataFrame({"value": read.iloc[0], "low": read.min(), "high": read.max(), "training_share": coding.mean})
    with np.errstate(divide="ignore", invalid="ignore"):
        log_odds = np.log(table[["value", "training_share"]] / (1 - table[["value", "training_share"]]))
    is_diagnosis = [not c and name != "sex_female" for name, c in zip(coding.names, coding.continuous)]
    unexpected = log_odds["value"] - log_odds["training_share"]
    table = table.assign(unexpected=unexpected.where(is_diagnosis)).dropna(subset="value")
    return table.sort_values("unexpected", ascending=False)


def _summary(measurements, factors, faults):
    """Return the first thing to read: what lies outside the limits, and what the model takes for more likely than not."""
    outside = measurements[(measurements["value"] < measurements["low"]) | (measurements["value"] > measurements["high"])]
    unusual = ", ".join(f"{NORMAL[name][0]} {row.value:.0f} {row.unit}" for name, row in outside.iterrows())
    likely = factors[factors["unexpected"].notna() & (factors["value"] >= 0.5)]
    read = ", ".join(f"{FACTOR_LABELS.get(name, name)} {_said(row.value, row)}" for name, row in likely.iterrows())
    words = f"Faults of the recording, named below: {len(faults)}. " if faults else ""
    words += f"Outside the range of healthy adults: {unusual or 'nothing that is measured here'}."
    return f"<h2>In short</h2><p>{words} At 50 % or more the model reads: {html.escape(read) or 'none of its diagnoses'}.</p>"


def _recording(ecg, faults, is_read):
    paper = "on paper: 25 mm/s and 10 mm/mV."
    try:
        figure = plot_ecg(ecg)
    except ValueError:  # no paper is so high
        figure, axes = plt.subplots(len(ecg.leads), sharex=True, figsize=(9, 9))
        for ax, lead, signal in zip(axes, ecg.leads, ecg.signals[0], strict=True):
            ax.plot(signal, lw=0.7)
            ax.set_ylabel(lead, rotation=0)
        paper = "not on paper: the amplitudes are too large for it."
    words = "Nothing wrong with the recording was noticed."
    if faults:
        items = "".join(f"<li>{html.escape(fault)}</li>" for fault in faults)
        words = f'<div class="warning"><p>The recording has faults:</p><ul>{items}</ul></div>'
    if not is_read:
        words += '<p class="warning">No beat of it can be used, so nothing is measured or read.</p>'
    caption = f"{ecg.signals.shape[-1] / ecg.fs:.3g} s at {ecg.fs:g} Hz, {paper}"
    return f"<h2>The recording</h2>{_picture(figure, caption)}{words}"


def _measurements(beats, table):
    rows = "".join(
        f"<tr{' class=outside' if value < low or value > high else ''}><td>{NORMAL[name][0]}</td>"
        f"<td>{'not found' if np.isnan(value) else f'{value:.0f} {unit}'}</td><td>{low} to {high}</td></tr>"
        for name, value, low, high, unit in table.itertuples()
    )
    beat = _picture(plot_beats(beats), f"The median of {beats.quality['n_used'].iloc[0]:.0f} beats.")
    caption = "Bold: outside the range of 96 in 100 healthy adults (Mason et al. 2007), which is no diagnosis."
    head = "<tr><th>Measurement</th><th>Here</th><th>Healthy adults</th></tr>"
    return f"<h2>Its beat and what is measured</h2>{beat}{_table(caption, head, rows)}"


def _factors(table, n_trainings):
    rows = "".join(
        f"<tr><td>{html.escape(FACTOR_LABELS.get(name, name))}</td><td>{_said(row.value, row)}</td>"
        f"<td>{_said(row.low, row)} to {_said(row.high, row)}</td><td>{_said(row.training_share, row)}</td></tr>"
        for name, row in table.iterrows()
    )
    spread = f"lowest and highest of {n_trainings} trainings" if n_trainings > 1 else "one training: no spread is known"
    caption = "Probabilities of the median beat, which has no rhythm. They fit a group in which each factor is as frequent as "
    caption += f"among the training ECGs (last column). Spread: {spread}."
    head = "<tr><th>Factor</th><th>Here</th><th>Spread</th><th>Training ECGs</th></tr>"
    return f"<h2>What the model reads</h2>{_table(caption, head, rows)}"


def _table(caption, head, rows):
    return f'<div class="wide" tabindex="0"><table><caption>{caption}</caption>{head}{rows}</table></div>'


def _said(value, row):
    """Return a probability in per cent, or a mean of something that is measured on a scale."""
    if min(row.low, row.training_share) >= 0 and max(row.high, row.training_share) <= 1:
        return f"{100 * value:.0f} %" if 0.01 <= value <= 0.99 else ("&lt; 1 %" if value < 0.5 else "&gt; 99 %")
    return f"{value:.0f}"


def _reasons(scan, beats, factors):
    """Why, for the diagnoses that the ECG speaks for most: contributions of waves, and the same person without it."""
    names = factors["unexpected"].dropna().index[:N_EXPLAINED]
    words = f"Explained are the {len(names)} diagnoses that stand highest against their share among the training ECGs. "
    words += f"{(factors.loc[names, 'value'] >= 0.5).sum()} of them reach 50 %; of the others, read what speaks against them."
    yield f"<h2>Why</h2><p>{words}</p>"
    for name in names:
        parts, label = wave_contributions(scan, beats, name).iloc[0], html.escape(FACTOR_LABELS.get(name, name))
        largest = parts.reindex(parts.abs().sort_values(ascending=False).index)[:N_LARGEST]
        said = ", ".join(f"{segment} in {lead} ({value:+.1f})" for (segment, lead), value in largest.items())
        sentence = f"Against a mean beat of the training ECGs the waves add {parts.sum():+.1f} to the log odds; most: {said}."
        caption = "Each wave coloured by what it adds: red for it, blue against (integrated gradients through the encoder)."
        section = f"<h3>{label}: {_said(factors.loc[name, 'value'], factors.loc[name])}</h3><p>{sentence}</p>"
        section += _picture(plot_contributions(beats, parts), caption)
        if factors.loc[name, "value"] >= 0.5:
            without = scan.change(beats, {name: 0})
            pair = {"as recorded": beats, "the same person without it": without}
            caption = f"The same person without: {label}, as the model draws it. A picture, no fact."
            section += _picture(plot_beats(pair), caption)
        yield section


def _neighbours(scan, beats):
    """Training ECGs whose latents are nearest, decoded: they travel with the model without ids."""
    latents, values = scan.people_
    distance = np.square((latents - scan.vae.transform(beats)) / scan.aggregated_sd_).mean(axis=1)
    nearest = np.argsort(distance)[:N_NEAREST]
    binary = [not c for c in scan.coding_.continuous]
    names = np.array([FACTOR_LABELS.get(name, name) for name in scan.coding_.names])
    said = {}
    for place, person in enumerate(nearest, start=1):
        carried = ", ".join(names[(values[person] == 1) & binary]) or "none of the factors"
        said[f"{place}: {carried}"] = scan.latents_to_ecg(latents[[person]])
    caption = f"The nearest of {len(latents)} training ECGs that travel with the model, drawn from latents, and what they have."
    return f"<h2>Who is alike</h2>{_picture(plot_beats(said), caption)}"


def _model(folder, scan):
    words = f"A Scan fitted on {scan.n_fitted_} ECGs."
    card = None if folder is None else folder / "README.md"
    if card is not None and card.exists():
        text = card.read_text(encoding="utf-8")
        parts = [re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S) for title in ("Data", "Limits")]
        words = "".join(f"<p>{html.escape(part[1].strip())}</p>".replace("\n- ", "<br>- ") for part in parts if part)
    return f"<h2>The model</h2>{words}"


def _picture(figure, caption):
    source = base64.b64encode(png_of(figure, **PICTURE)).decode()
    image = f'<img alt="{html.escape(caption)}" src="data:image/png;base64,{source}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
