"""Tables as people read them: heads in words with units, few digits, intervals in one column."""

import re
from html import escape

import numpy as np
import pandas as pd

UNITS = {"ms": "ms", "s": "s", "mV": "mV", "uV": "µV", "deg": "°", "bpm": "beats per minute", "hz": "Hz", "years": "years"}
NAMES = ("AUROC", "PR", "QRS", "QT", "RR", "ST", "Q", "R", "S", "P", "T", "KL", "VAE", "PCA", "ECG", "SHAP", "Cornell", "Lyon")
WORDS = {word.lower(): word for word in NAMES} | {"n": "number of", "with": "people with it", "gradcam": "Grad-CAM"}
WORDS |= {"sokolow": "Sokolow", "mae": "mean absolute error", "qtcb": "QTc (Bazett)", "qtcf": "QTc (Fridericia)"}
KEYS = rf"sex_female|[a-z]\w*_({'|'.join(UNITS)})"  # names of factors and measurements in cells
MOST_ROWS = 20


def name_of(name):
    """Spell out a name of the code, its unit last: ``r_peak_time_V5_ms`` is "R peak time V5, ms"."""
    if isinstance(name, tuple):
        return " · ".join(map(name_of, name))
    words = str(name).split("_")
    unit = ", " + UNITS[words.pop()] if len(words) > 1 and words[-1] in UNITS else ""
    return " ".join(WORDS.get(word, word) for word in words) + unit if len(str(name)) > 1 else str(name)


def as_text(table):
    """Write a DataFrame out: three significant digits at most, ``low`` and ``high`` behind their value, ``.79 [.77, .81]``."""
    names, columns, heads, at = list(table.columns), [], [], 0
    while at < len(names):
        has_ends = names[at + 1 : at + 3] in (["low", "high"], [f"{names[at]}_low", f"{names[at]}_high"])
        rows = _written(table.iloc[:, at : at + 1 + 2 * has_ends])
        if has_ends:
            rows = [[re.sub(r"^(−?)0\.", r"\1.", text) for text in row] for row in rows]
        columns.append([f"{row[0]} [{row[1]}, {row[2]}]" if has_ends and row[0] != "–" else row[0] for row in rows])
        heads.append(name_of(names[at]) + " [95 %]" * has_ends)
        at += 1 + 2 * has_ends
    rows = pd.Index([name_of(row) if isinstance(row, str | tuple) else _text(row) for row in table.index], dtype=object)
    text = pd.DataFrame(dict(enumerate(columns)), index=rows, dtype=object).set_axis(heads, axis=1)
    return text.rename_axis(" · ".join(name_of(name) for name in [*table.index.names, *table.columns.names] if name))


def with_minus(text):
    """Write hyphens before numbers as minus signs."""
    return re.sub(r"(?<![\w.])-(?=\.?\d|inf)", "−", text)


def table_html(table, caption=""):
    """Lay a DataFrame out as HTML that scrolls and takes the keyboard; of a long one the first and the last rows."""
    text = as_text(table)
    rows = [(name, *cells) for name, *cells in text.itertuples()]
    if len(rows) > MOST_ROWS:
        caption = f"{caption} The first and the last of {len(rows)} rows.".strip()
        rows = [*rows[: MOST_ROWS // 2], ["⋮"] * (1 + text.shape[1]), *rows[-MOST_ROWS // 4 :]]
    sides = ["left", *("left" if text.iloc[:, i].str.contains("[A-Za-z]{2}").any() else "right" for i in range(text.shape[1]))]

    def line(cells, tags):
        parts = (f'<{tag} style="text-align: {side}">{escape(cell)}</{tag[:2]}>' for cell, side, tag in zip(cells, sides, tags))
        return "<tr>" + "".join(parts) + "</tr>"

    head = line([text.index.name, *text], ['th scope="col"' if text.index.name else "td", *['th scope="col"'] * text.shape[1]])
    body = "".join(line(row, ['th scope="row"', *["td"] * text.shape[1]]) for row in rows)
    label = escape(caption or "Table: " + ", ".join(text), quote=True)
    title = f"<caption>{escape(caption)}</caption>" * bool(caption)
    scrolls = f'<div class="vl-table" role="group" tabindex="0" aria-label="{label}" style="overflow-x: auto">'
    return f"{scrolls}<table>{title}<thead>{head}</thead><tbody>{body}</tbody></table></div>"


def _written(columns):
    """Text row by row of columns that share their decimals, unless those would leave little of a small value or interval."""
    decimals = None
    if all(map(pd.api.types.is_float_dtype, columns.dtypes)):
        values = columns.to_numpy(float)
        decimals = _decimals(values)
        step, sizes = 10.0**-decimals, np.abs(values[:, 0][values[:, 0] != 0])
        is_lost = (sizes < max(0.5 * step, np.nanmax(sizes, initial=0) / 300)).any()
        is_lost |= values.shape[1] == 3 and (values[:, 2] - values[:, 1] < 2 * step).any() and step > 0.001
        decimals = [_decimals(row) for row in values] if is_lost else [decimals] * len(values)
    rows = columns.itertuples(index=False)
    return [[_text(value, decimals and decimals[i]) for value in row] for i, row in enumerate(rows)]


def _decimals(values):
    """Decimals that give the largest value three significant digits, fewer where no value needs them."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    most = max(0, 2 - int(np.floor(np.log10(sizes.max()) + 1e-9))) if len(sizes) else 0
    return next(n for n in range(most + 1) if n == most or np.allclose(sizes.round(n), sizes, rtol=0, atol=1e-6 * sizes.max()))


def _text(value, decimals=None):
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, str) and re.fullmatch(KEYS, value):
        return name_of(value)
    if not isinstance(value, float | np.floating):
        return "–" if str(value) in ("", "None", "<NA>", "NaT") else with_minus(str(value))
    decimals = _decimals(np.array([value], float)) if decimals is None else decimals
    return "–" if np.isnan(value) else f"{round(float(value), decimals) + 0:.{decimals}f}".replace("-", "−")
