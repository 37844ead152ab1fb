"""The package as a whole: what imports what, what every public name carries, and what no module does."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import nbformat
import pytest

import vaescan_lite as vl

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(vl.__file__).parent
# The rooms, from the ground up: what stands in a row imports only from the rows above it.
FLOORS = (
    ("leads",),
    ("ecg", "factors", "statistics", "cpus"),
    ("training", "cache"),
    ("beats", "plots", "hospitals"),
    ("simulator", "measurements", "vae", "decisions"),
    ("databases", "web", "scan", "models"),
    ("benchmark", "own_model"),
    ("explain",),
    ("saliency",),
    ("book",),
    ("cli",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
PHYSIOLOGY = ("leads", "ecg", "factors", "beats", "simulator", "measurements", "databases")
LEGACY_RANDOM = re.compile(r"^(np|numpy)\.random\.(?!default_rng$|Generator$|SeedSequence$|BitGenerator$|PCG64$|Philox$)\w+$")


def module_name(path):
    """``beats.medians`` of a file of the package; a face has the name of its folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
MODULES = sorted(set(TREES) - {"", "__main__"})
ROOMS = sorted({name.split(".")[0] for name in MODULES})


def room(name):
    return name.split(".")[0]


def imports(name):
    """Modules of the package, and other packages, that a module imports anywhere in its source."""
    is_face = (PACKAGE / name.replace(".", "/") / "__init__.py").exists()
    here = name.split(".") if is_face else name.split(".")[:-1]
    inside, outside = set(), set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            outside |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            outside.add(node.module)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                longer = ".".join([*base, alias.name])
                inside.add(longer if longer in TREES else ".".join(base))
    own = {module.removeprefix("vaescan_lite.") for module in outside if module.startswith("vaescan_lite.")}
    return (inside | own) & set(TREES) - {""}, {module.split(".")[0] for module in outside}


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


def test_every_room_has_a_floor():
    assert set(ROOMS) == set(FLOOR)


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_down_and_never_up_or_sideways(name):
    above = {other for other in imports(name)[0] if room(other) != room(name) and FLOOR[room(other)] >= FLOOR[room(name)]}
    assert not above, f"{name} imports {sorted(above)}"


@pytest.mark.parametrize("name", MODULES)
def test_no_module_imports_itself_in_a_circle(name):
    assert name not in reached(name)


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) in PHYSIOLOGY])
def test_physiology_does_not_know_torch(name):
    for module in {name, *reached(name)}:
        assert not imports(module)[1] & {"torch", "captum", "interpret"}, module


@pytest.mark.parametrize("name", ROOMS)
def test_a_face_offers_what_it_lists_and_no_file_bears_the_name_of_an_offered_function(name):
    folder = PACKAGE / name
    if not folder.is_dir():
        return
    face = import_module(f"vaescan_lite.{name}")
    assert face.__doc__ and face.__all__ == sorted(face.__all__)
    files = {path.stem for path in folder.glob("*.py")}
    for offered in face.__all__:
        assert getattr(face, offered) is not None
        assert offered not in files, f"{name}/{offered}.py hides behind the function {offered}"


def chapter_sources():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                yield path.stem, cell.source


def test_chapters_import_from_faces_only():
    seen = set()
    for chapter, source in chapter_sources():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vaescan_lite"):
                assert node.module.count(".") == 1, f"{chapter}: {node.module} is behind a face"
                face = import_module(node.module)
                offered = getattr(face, "__all__", dir(face))
                hidden = [alias.name for alias in node.names if alias.name not in offered or alias.name.startswith("_")]
                assert not hidden, f"{chapter}: {node.module} does not offer {hidden}"
                seen.add(node.module)
        for name, attribute in re.findall(r"\bvl\.([a-z_]+)\.(\w+)", source):
            if name in ROOMS:
                face = import_module(f"vaescan_lite.{name}")
                assert attribute in getattr(face, "__all__", dir(face)), f"{chapter}: vl.{name}.{attribute}"
    assert "vaescan_lite.book" in seen


def test_the_readme_has_a_row_for_every_room():
    table = set(re.findall(r"^\| `([a-z_, `]+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = {word for row in table for word in re.findall(r"[a-z_]+", row)}
    assert named >= set(ROOMS), sorted(set(ROOMS) - named)


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


@pytest.mark.parametrize("name", MODULES)
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
    assert not {"utils", "util", "helpers", "misc", "common", "tools"} & {name.split(".")[-1] for name in MODULES}


def test_functions_can_be_read_aloud_and_files_at_a_sitting():
    """At most 60 lines a function, its docstring included, and 450 a file; the package is a small helper package."""
    long = [
        f"{name}.{node.name}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60
    ]
    assert not long
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert max(lengths.values()) <= 450 and sum(lengths.values()) <= 14_500
