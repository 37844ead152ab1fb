"""The project's papers: pins, commands, licences, addresses, and what `make` and the continuous test do."""

import ast
import inspect
import os
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

import vaescan_lite as vl

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "book/intro.md", "_config.yml"]
PYPI_NAMES = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}


def requirements():
    """Every requirement of pyproject.toml, name -> bounds."""
    project = PYPROJECT["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return {re.match(r"[\w-]+", line)[0].lower(): line[len(re.match(r"[\w-]+", line)[0]) :] for line in lines}


def make(folder, *arguments):
    """Run make apart from the make that may be running these tests."""
    outer = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(["make", *arguments], cwd=folder, env=outer, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("name", "bounds"), requirements().items())
def test_every_dependency_has_a_lower_and_an_upper_bound(name, bounds):
    assert ">=" in bounds and re.search(r"<\d", bounds)


def test_the_lock_holds_a_version_within_its_bounds_of_everything_that_is_asked_for_and_no_path():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    locked = dict(re.fullmatch(r"([\w.-]+)==([\w.+!-]+)", line).groups() for line in lines[2:])
    locked = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in locked.items()}
    for name, bounds in requirements().items():
        assert SpecifierSet(bounds).contains(locked[name]), name


def test_environment_yml_has_the_bounds_of_pyproject():
    pins = [line for line in ENVIRONMENT["dependencies"] if isinstance(line, str) and line not in ("pip",)]
    assert len(pins) >= 5
    for pin in pins:
        name, bounds = re.fullmatch(r"([\w-]+?)((?:[<>=]).*)", pin).groups()
        if name != "python":
            assert requirements()[PYPI_NAMES.get(name, name)] == bounds, name


def test_environment_yml_brings_a_torch_without_cuda_and_the_package_itself():
    names = [re.match(r"[\w-]+", line)[0] for line in ENVIRONMENT["dependencies"] if isinstance(line, str)]
    assert "pytorch-cpu" in names and not {"torch", "pytorch"} & set(names)
    assert {"pip": ["-e .[book]"]} in ENVIRONMENT["dependencies"]
    assert not (ROOT / "binder").exists(), "a folder binder/ would hide environment.yml from Binder"


def test_python_versions_agree_everywhere():
    lower, upper = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PYPROJECT["project"]["requires-python"]).groups()
    supported = [f"3.{minor}" for minor in range(int(lower), int(upper))]
    named = re.search(r"need Python ([\d., or]+), git and make", README)[1]
    assert re.findall(r"3\.\d+", named) == supported
    assert f"(3, {lower}) <= sys.version_info < (3, {upper})" in MAKEFILE
    assert f"python=3.{lower}" in ENVIRONMENT["dependencies"]
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py3{lower}"
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        assert set(re.findall(r'"(3\.\d+)"', path.read_text(encoding="utf-8"))) <= set(supported), path


def test_readme_begins_with_the_two_commands_and_the_time_they_take():
    first = re.search(r"```bash\n(.*?)```", README, flags=re.DOTALL)[1].strip().splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make book", "make test"]
    assert all("minutes" in line for line in first)
    assert README.index("```bash") < 400


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "book/intro.md"])
def test_every_make_command_in_the_papers_is_a_target(page):
    targets = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)[1].split())
    named = set(
        re.findall(r"(?:^|`)(?:\w+=\S+ )?make ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    assert named and named <= targets


def test_every_target_has_a_recipe_and_is_explained_by_make_help():
    targets = re.search(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)[1].split()
    explained = make(ROOT, "help").stdout
    for target in targets:
        assert re.search(rf"^{target}:.*(\n\t|\$\(INSTALLED\))", MAKEFILE, flags=re.MULTILINE), target
        assert target == "help" or f"make {target}" in explained


def test_the_three_lines_of_the_readme_run():
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    *lines, last = code.strip().splitlines()
    names = {}
    exec("\n".join(lines), names)
    table = eval(last, names)
    assert table.loc["count", "heart_rate_bpm"] > 150 and 40 < table.loc["50%", "heart_rate_bpm"] < 120
    assert 60 < table.loc["50%", "qrs_ms"] < 140


@pytest.mark.parametrize("page", [page for page in PAGES if page.endswith(".md")])
def test_links_to_files_of_the_repository_lead_somewhere(page):
    path = ROOT / page
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_the_address_of_the_repository_is_the_same_everywhere():
    url = CONFIG["repository"]["url"]
    owner = url.removeprefix("https://github.com/")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["repository-code"] == url
    seen = 0
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for found in re.findall(r"(?:github\.com|mybinder\.org/v2/gh)/([\w.-]+/vaescan[\w-]*)", text):
            assert found == owner, page
            seen += 1
        for branch in re.findall(rf"{re.escape(owner)}/(?:blob/|tree/)?([\w.-]+)[?/]", text):
            assert branch == CONFIG["repository"]["branch"], page
    assert seen >= 5


def test_launch_links_point_at_the_tag_of_this_version_which_is_not_built_again_after_every_change():
    assert CONFIG["repository"]["branch"] == f"v{PYPROJECT['project']['version']}"
    assert "once the repository and its tag" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_binder_fills_the_cache_with_what_the_chapters_train():
    script = ROOT / "postBuild"  # beside environment.yml: a folder binder/ would hide both
    assert os.access(script, os.X_OK) and not (ROOT / "binder").exists()
    body = re.search(r"<<'CACHE'\n(.*)CACHE\n", script.read_text(encoding="utf-8"), flags=re.DOTALL)[1]
    made = ast.literal_eval(re.search(r"in (\(.*?\)):", body)[1])
    kept = set(re.findall(r'self\._cached\(f?"([a-z]+)', inspect.getsource(vl.Workspace)))
    assert len(kept) >= 6 and kept <= {*made, "vae"}  # `scan` makes the VAE
    assert all(callable(getattr(vl.Workspace, name)) for name in made)
    compile(body, str(script), "exec")


def test_config_yml_is_honest_when_a_reader_builds_without_make():
    assert CONFIG["execute"]["execute_notebooks"] == "force"
    assert CONFIG["only_build_toc_files"] is True
    sphinx = CONFIG["sphinx"]["config"]
    assert sphinx["nb_execution_raise_on_error"] is True
    assert sphinx["nb_ipywidgets_js"] == {}
    assert ["html", "text/html", 1] in sphinx["nb_mime_priority_overrides"]
    assert not sphinx["mathjax_path"].startswith("http") and (ROOT / "book/_static" / sphinx["mathjax_path"]).is_file()
    assert ".venv" in CONFIG["exclude_patterns"]


def test_citation_names_the_version_and_the_papers_of_the_bibliography():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert "preferred-citation" not in citation
    assert citation["version"] == PYPROJECT["project"]["version"]
    bibliography = (ROOT / "book/references.bib").read_text(encoding="utf-8")
    for reference in citation["references"]:
        assert reference["doi"] in bibliography and reference["title"].split(":")[0].split(",")[0].lower() in (
            re.sub(r"[{}]", "", bibliography).lower()
        )


def test_code_and_content_have_their_licences():
    assert "MIT License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    content = (ROOT / "LICENSE-CONTENT").read_text(encoding="utf-8")
    assert "CC BY 4.0" in content and "10.1038/s41597-020-0495-6" in content
    assert set(PYPROJECT["project"]["license-files"]) == {"LICENSE", "LICENSE-CONTENT"}
    assert "Apache License" in (ROOT / "book/_static/mathjax/LICENSE").read_text(encoding="utf-8")


def test_bibliography_has_each_work_once_with_author_title_and_year():
    bibliography = (ROOT / "book/references.bib").read_text(encoding="utf-8")
    entries = re.split(r"^@", bibliography, flags=re.MULTILINE)[1:]
    keys = [re.match(r"\w+\{([\w]+),", entry)[1] for entry in entries]
    assert len(keys) >= 25 and len(set(keys)) == len(keys)
    for key, entry in zip(keys, entries, strict=True):
        for field in ("author", "title", "year"):
            assert re.search(rf"^\s*{field}\s*=", entry, flags=re.MULTILINE), (key, field)


def test_git_leaves_out_what_runs_make():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert {".venv/", "_build/", "__pycache__/", ".ipynb_checkpoints/"} <= set(ignored)


def test_make_says_so_when_there_is_no_suitable_python(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    run = make(tmp_path, "environment", "PYTHON=no-such-python false")
    assert run.returncode != 0
    assert "3.11" in run.stderr and "no-such-python" in run.stderr and "make PYTHON=" in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_make_installs_once_and_again_only_when_pyproject_changed(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").mkdir()
    stamp = tmp_path / ".venv/installed"
    stamp.touch()
    os.utime(tmp_path / "pyproject.toml", (1_000_000, 1_000_000))
    assert "pip install" not in make(tmp_path, "--dry-run", "environment").stdout
    os.utime(stamp, (999_999, 999_999))
    assert "pip install" in make(tmp_path, "--dry-run", "environment").stdout


def test_the_continuous_test_calls_make_test_and_hands_its_failure_on(tmp_path):
    clone, tools = tmp_path / "clone", tmp_path / "tools"
    shutil.copytree(ROOT / ".ci", clone / ".ci")
    tools.mkdir()
    fake = tools / "make"
    fake.write_text('#!/bin/sh\necho "make $* data=$VAESCAN_TEST_DATA in $(pwd)"\nexit 3\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    environment = {name: value for name, value in os.environ.items() if name != "VAESCAN_TEST_DATA"}
    environment["PATH"] = f"{tools}{os.pathsep}{environment['PATH']}"

    def run():
        return subprocess.run([str(clone / ".ci/run")], cwd="/", env=environment, capture_output=True, text=True, check=False)

    alone = run()
    assert alone.returncode == 3 and alone.stdout == f"make test data= in {clone}\n"
    beside = re.search(r"-d \.\./(\S+) ", (ROOT / ".ci/run").read_text(encoding="utf-8"))[1]
    (tmp_path / beside).mkdir(parents=True)
    assert f"data={tmp_path / beside} " in run().stdout
