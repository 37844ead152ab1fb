"""The package as a whole: what imports what, what every public name carries, and what no module does."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vaescan_lite as vl

PACKAGE = Path(vl.__file__).parent
# A module imports only from those before it. Modules that are not named here are parts of one of these; they may not form a
# way back: what a named module reaches through them counts as its own import.
ORDER = (
    "cache", "cpus", "ecg", "factors", "records", "simulator", "databases", "beats", "measurements",
    "edits", "training", "vae", "scan", "pretraining", "disentanglement", "requirements", "explain", "cnn", "saliency",
    "benchmark", "hybrid", "decisions", "readers", "plots",
    "explorer", "workspace", "exercises", "book", "cli",
)  # fmt: skip
PHYSIOLOGY = ORDER[: ORDER.index("measurements") + 1]
LEGACY_RANDOM = re.compile(r"^(np|numpy)\.random\.(?!default_rng$|Generator$|SeedSequence$|BitGenerator$|PCG64$|Philox$)\w+$")

TREES = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.glob("*.py")}
MODULES = sorted(set(TREES) - {"__init__", "__main__"})


def imports(name):
    """Names of modules of the package, and of other packages, that a module imports anywhere in its source."""
    inside, outside = set(), set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                (inside if alias.name.startswith("vaescan_lite.") else outside).add(alias.name.removeprefix("vaescan_lite."))
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level == 0 and not module.startswith("vaescan_lite"):
                outside.add(module)
            else:
                first = module.removeprefix("vaescan_lite").strip(".").split(".")[0]
                inside |= {first} if first else {alias.name for alias in node.names}
    return inside & set(TREES), {module.split(".")[0] for module in outside}


def reached(name):
    """Every module of the package that a module imports, directly or through others."""
    seen, waiting = set(), [name]
    while waiting:
        for other in imports(waiting.pop())[0] - seen:
            seen.add(other)
            waiting.append(other)
    return seen


def dotted(node):
    """``a.b.c`` of nested attributes, else an empty text."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def public_definitions(name):
    """Public functions and classes of a module, and the public methods of its public classes."""
    for node in TREES[name].body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                        yield f"{node.name}.{method.name}", method


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_from_those_before_it(name):
    later = {other for other in reached(name) & set(ORDER) if ORDER.index(other) >= ORDER.index(name)}
    assert not later, f"{name} reaches {sorted(later)}"


@pytest.mark.parametrize("name", MODULES)
def test_no_module_imports_itself_in_a_circle(name):
    assert name not in reached(name)


@pytest.mark.parametrize("name", PHYSIOLOGY)
def test_physiology_does_not_know_torch(name):
    for module in {name, *reached(name)}:
        assert not imports(module)[1] & {"torch", "captum", "interpret"}, module


def test_importing_the_package_is_light_and_physiology_runs_without_torch():
    code = (
        "import sys, vaescan_lite as vl\n"
        "assert not {'numpy', 'pandas', 'torch', 'matplotlib'} & set(sys.modules), 'the bare import is heavy'\n"
        "vl.measure, vl.median_beats, vl.open_database, vl.simulate\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules), 'physiology imports torch or matplotlib'\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_every_name_that_the_package_offers_can_be_had():
    assert len(vl.__all__) >= 30
    for name in vl.__all__:
        assert getattr(vl, name) is not None


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("_")])
def test_modules_and_their_public_parts_have_docstrings(name):
    assert ast.get_docstring(TREES[name]), name
    missing = [label for label, node in public_definitions(name) if not ast.get_docstring(node)]
    assert not missing


def test_offered_functions_and_classes_say_what_they_take():
    offered = [name for name in vl.__all__ if callable(getattr(vl, name))]
    assert len(offered) >= 12
    for name in offered:
        docstring = getattr(vl, name).__doc__
        assert "Parameters\n" in docstring or "Attributes\n" in docstring, name


@pytest.mark.parametrize("name", MODULES)
def test_no_module_prints_shows_figures_or_touches_global_random_state(name):
    faults = []
    for node in ast.walk(TREES[name]):
        label = dotted(node.func) if isinstance(node, ast.Call) else dotted(node)
        if isinstance(node, ast.Call) and label == "print" and name != "cli":
            faults.append((node.lineno, "print"))
        if isinstance(node, ast.Call) and label in ("plt.show", "plt.style.use", "plt.rcParams.update", "random.seed"):
            faults.append((node.lineno, label))
        if isinstance(node, ast.Attribute) and LEGACY_RANDOM.match(label):
            faults.append((node.lineno, label))
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and dotted(node.value).endswith("rcParams"):
            faults.append((node.lineno, "rcParams"))
        if isinstance(node, ast.Call) and label == "torch.manual_seed" and name != "training":  # seeded_weights puts it back
            faults.append((node.lineno, label))
        if isinstance(node, ast.Assert):
            faults.append((node.lineno, "assert"))
    assert not faults


def test_modules_have_names_that_say_something():
    assert not {"utils", "util", "helpers", "misc", "common", "tools"} & set(MODULES)
    assert set(ORDER) <= set(MODULES)
