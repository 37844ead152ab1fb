"""Sphinx extension: names of the package in a chapter's code lead to their entry on the API pages.

``vl.measure`` and ``vl.explain.traversal`` do so wherever they stand, and what ``from vaescan_lite.vae import ...`` brings
wherever it is called. Marks of names, punctuation and blanks, which have the colour of all text, are taken out where there is
no link: a sixth of a page.
"""

import re
from importlib import import_module

from api_pages import offered

import vaescan_lite as vl

BLOCK = re.compile(r'<div class="highlight">.*?</pre></div>', re.DOTALL)
CHAIN = re.compile(r'<span class="n">vl</span>(?:<span class="o">\.</span><span class="n">\w+</span>)+')
UNCOLOURED = re.compile(r'(<a .*?</a>)|<span class="[npw]">([^<]*)</span>', re.DOTALL)
IMPORT = re.compile(r"from vaescan_lite\.(\w+) import (\([^)]*\)|[^\n]*)")


def target(names):
    """Room and anchor of what follows ``vl.``, a list of names; None where no page has it."""
    room = vl._HOME.get(names[0])
    name = names[0] if room else (names[1] if len(names) > 1 else None)
    room = room or names[0]
    if room not in vl._ROOMS or room in ("cache", "cpus"):
        return None
    if name is None:
        return room, f"module-vaescan_lite.{room}"
    return (room, f"vaescan_lite.{room}.{name}") if name in offered(import_module(f"vaescan_lite.{room}")) else None


def linked(html, address):
    """Put links into the code blocks of a page; `address` gives the address of a room's page."""
    brought = {}
    for room, names in IMPORT.findall(re.sub(r"<[^>]+>", "", "\n".join(BLOCK.findall(html)))):
        brought |= {name: target([room, name]) for name in re.findall(r"\w+", names) if target([room, name])}

    def link(text, place):
        return f'<a class="vl-name" href="{address(place[0])}#{place[1]}">{text}</a>'

    def chain(match):
        names = re.findall(r">(\w+)<", match[0])[1:]
        for n in (2, 1):
            if place := target(names[:n]):
                tokens = re.findall(r"<span[^>]*>[^<]*</span>", match[0])
                end = 3 if names[0] in vl._HOME else 2 * n + 1
                return link("".join(tokens[:end]), place) + "".join(tokens[end:])
        return match[0]

    def block(match):
        text = CHAIN.sub(chain, match[0])
        call = r'(?<!<span class="o">\.</span>)<span class="n">(\w+)</span>(?=<span class="p">\()'
        text = re.sub(call, lambda found: link(found[0], brought[found[1]]) if found[1] in brought else found[0], text)
        return UNCOLOURED.sub(r"\1\2", text)

    return BLOCK.sub(block, html)


def setup(app):
    """Register with Sphinx."""

    def link_names(app, pagename, templatename, context, doctree):
        if pagename.startswith("notebooks/") and "book/api" in app.env.found_docs and context.get("body"):
            context["body"] = linked(context["body"], lambda room: app.builder.get_relative_uri(pagename, f"book/api/{room}"))

    app.connect("html-page-context", link_names)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
