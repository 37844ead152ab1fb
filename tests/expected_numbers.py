"""Numbers that chapters say in their findings and answers, smoke profile, simulated ECGs, seed 0: expected with tolerances.

To renew the table: ``python tests/expected_numbers.py``, twenty minutes. It runs the chapters as they are and in `WAYS` that
round differently, as other processors do; training makes much of little. A tolerance is one and a half of the last digit shown,
three where something is trained, or twice the largest difference between these runs; what not all runs say is left out. Where
something is trained, one number in six may miss it: up to 12 % of a chapter's numbers in one of the six runs lie beyond what
the five others let one expect.
Folders of chapters that ran before may be given instead, the usual run first.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pandas as pd

OF_TIMES = ("A2_scale",)  # chapters whose findings are seconds
TABLE = Path(__file__).parent / "book" / "expected_numbers.csv"
TRAIN_NOTHING = ("01", "02", "03", "A1")
NO_AVX512 = {"NPY_DISABLE_CPU_FEATURES": "AVX512F,AVX512_SKX,AVX512_ICL,X86_V4"}
WAYS = [  # kernels of OpenBLAS, PyTorch, oneDNN and NumPy that other processors take
    {},
    {"OPENBLAS_CORETYPE": "SkylakeX"},
    {"OPENBLAS_CORETYPE": "Nehalem", "ATEN_CPU_CAPABILITY": "default"},
    {"OPENBLAS_CORETYPE": "Sandybridge", "DNNL_MAX_CPU_ISA": "AVX2"},
    NO_AVX512,
    {"OPENBLAS_CORETYPE": "SkylakeX", "ATEN_CPU_CAPABILITY": "avx2", "DNNL_MAX_CPU_ISA": "AVX2", **NO_AVX512},
]
NUMBER = re.compile(r"(?<![\w.,])[-−+]?\d+(?:,\d{3})*(?:\.\d+)?(?![\w])")


def numbers(notebook):
    """Numbers as they are written, by the words that stand before them."""
    values = {}
    for cell in notebook.cells:
        tags = {"finding", "answer"} & set(cell.metadata.get("tags", ()))
        if cell.cell_type != "code" or not tags:
            continue
        text = " ".join(output.get("data", {}).get("text/markdown", "") for output in cell.outputs)
        text = re.sub(r"[*`_]|:::\S*|^:class:.*$", "", text, flags=re.MULTILINE)
        for match in NUMBER.finditer(text):
            words = re.findall(r"[^\W\d_]+", text[: match.start()])[-4:]
            name = f"{min(tags)}: {' '.join(words)}"
            same = sum(known.split(" #")[0] == name for known in values)
            values[f"{name} #{same + 1}" if same else name] = match.group()
    return values


def value_of(text):
    return float(text.replace(",", "").replace("−", "-"))


def last_digit(text):
    """One unit of the last digit shown."""
    return 10.0 ** -len(text.partition(".")[2])


def table(folders):
    """Expected numbers and tolerances from runs of the book; numbers that not all runs have are left out."""
    rows = []
    for path in sorted(path for path in Path(folders[0]).glob("*.ipynb") if path.stem not in OF_TIMES):
        runs = [numbers(nbformat.read(Path(folder) / path.name, as_version=4)) for folder in folders]
        for name in (name for name in runs[0] if all(name in run for run in runs)):
            values = [value_of(run[name]) for run in runs]
            spread = max(abs(value - values[0]) for value in values)
            least = (1.5 if path.stem.startswith(TRAIN_NOTHING) else 3) * last_digit(runs[0][name])
            rows.append((path.stem, name, runs[0][name].replace("−", "-"), max(least, 2 * spread)))
    return pd.DataFrame(rows, columns=["chapter", "name", "value", "tolerance"])


def allowed(chapter):
    """How many numbers of a chapter may differ: none where nothing is trained, else what another processor may bring."""
    n = (pd.read_csv(TABLE)["chapter"] == chapter).sum()
    return 0 if chapter.startswith(TRAIN_NOTHING) else n // 6


def differences(notebook, chapter):
    """Lines on numbers of a chapter that are missing or too far from the table."""
    expected = pd.read_csv(TABLE, dtype={"value": str}).query("chapter == @chapter")
    shown = numbers(notebook)
    for row in expected.itertuples():
        if row.name not in shown:
            yield f"{row.name}: nowhere in the chapter"
        elif abs(value_of(shown[row.name]) - value_of(row.value)) > row.tolerance * (1 + 1e-9):
            yield f"{row.name}: {shown[row.name]}, expected {row.value} within {row.tolerance:g}"


def runs(place):
    """Run the chapters in all ways below a folder, each with a cache of its own; the folders of executed chapters."""
    for i, way in enumerate(WAYS):
        source, settings = place / f"way_{i}", ["--profile", "smoke", "--database", "simulated"]
        for folder in ("notebooks", "book"):  # chapters read tables of the results page
            shutil.copytree(Path(__file__).parents[1] / folder, source / folder)
        command = [sys.executable, "-m", "vaescan_lite", "chapters", "--source", source, *settings]
        print(f"run {i + 1} of {len(WAYS)}: {way or 'as it is'}", flush=True)
        subprocess.run(command, env=os.environ | way | {"VAESCAN_CACHE": str(source / "cache")}, check=True)
        yield source / "_build" / "executed"


if __name__ == "__main__":
    if not all(any(Path(folder).glob("*.ipynb")) for folder in sys.argv[1:]):
        sys.exit("give folders of executed chapters, the usual run first, or none; the table is left as it is.")
    with tempfile.TemporaryDirectory() as place:
        made = table(sys.argv[1:] or list(runs(Path(place))))
    made.to_csv(TABLE, index=False, float_format="%.6g")
    print(made.groupby("chapter").size().to_string())
