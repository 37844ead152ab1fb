"""Sphinx extension: in chapters, links to ``#...`` become references, so that a notebook reads well without Sphinx.

``[the figure above](#fig-04-scale)`` becomes the figure's number, ``[folds](#term-fold)`` leads to the glossary,
``[Higgins et al. (2018)](#higgins2018scan)`` and ``[(Higgins et al., 2018)](#higgins2018scan)`` are citations in text and in
brackets. JupyterLab, Colab and GitHub show the words.
"""

import json
import re
from functools import cache
from pathlib import Path

LINK = re.compile(r"\[([^][]+)\]\(#(fig-[\w-]+|term-[\w.'-]+|[a-z]+\d{4}[a-z0-9]*(?:,[a-z]+\d{4}[a-z0-9]*)*)\)")


def anchors(glossary):
    """Terms of the glossary, a text, by the end of their address."""
    entries = "\n".join(re.findall(r"^:::\{glossary\}\n(.*?)^:::", glossary, flags=re.MULTILINE | re.DOTALL))
    return {term.replace(" ", "-"): term for term in re.findall(r"^(\S.*)$", entries, flags=re.MULTILINE)}


def with_roles(text, terms):
    """Text of a cell with roles in place of links; `terms` are those of `anchors`."""

    def role(match):
        words, key = match.groups()
        if key.startswith("fig-"):
            return f"{{numref}}`{key}`"
        if not key.startswith("term-"):
            return f"{{cite:{'p' if words.startswith('(') else 't'}}}`{key}`"
        if (anchor := key.removeprefix("term-")) not in terms:
            raise ValueError(f"[{words}](#{key}): the glossary has no {anchor!r}; there are {', '.join(sorted(terms))}.")
        return f"{{term}}`{words} <{terms[anchor]}>`"

    return LINK.sub(role, text)


class ReadOnce:
    """Sphinx's environment, in which a page is read once for all references to its figures, not for each of them."""

    def __init__(self, env):
        self.env, self.get_doctree = env, cache(env.get_doctree)

    def __getattr__(self, name):
        return getattr(self.env, name)


def number_quickly(app, env):
    """Have the references to figures find them in pages that are read once."""
    domain, seen = env.get_domain("std"), ReadOnce(env)
    resolve = domain._resolve_numref_xref
    domain._resolve_numref_xref = lambda env, *reference: resolve(seen, *reference)


def setup(app):
    """Register with Sphinx."""

    def read(app, docname, source):
        if str(app.env.doc2path(docname)).endswith(".ipynb"):
            glossary = Path(app.srcdir, "book/glossary.md")
            terms = anchors(glossary.read_text(encoding="utf-8")) if glossary.exists() else {}
            notebook = json.loads(source[0])
            for cell in notebook["cells"]:
                if cell["cell_type"] == "markdown":
                    cell["source"] = with_roles("".join(cell["source"]), terms)
            source[0] = json.dumps(notebook)

    app.connect("source-read", read)
    app.connect("env-updated", number_quickly)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
