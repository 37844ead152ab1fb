"""The API pages: directives that make them from the rooms of the package, with links to the source on the repository.

``{api-room} beats`` documents a room on its page ``book/api/beats.md``; ``{api-list} beats measurements`` lists rooms and what
they offer on ``book/api.md``, where a link to the one page of older books is led on.
"""

import inspect
import re
from importlib import import_module
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

import vaescan_lite as vl

PACKAGE = Path(vl.__file__).parent
LED_ON = """<script>
const room = location.hash.match(/^#(?:module-)?vaescan_lite[.](\\w+)/);
if (room) location.replace("api/" + room[1] + ".html" + location.hash);
</script>"""


def address(config, path, lines=None):
    """Address on the repository of a file or folder of the package, as the tag or branch of the book has it."""
    repository = config.html_theme_options
    place = Path("vaescan_lite") / path.relative_to(PACKAGE)
    kind = "tree" if path.is_dir() else "blob"
    end = f"#L{lines[0]}-L{lines[1]}" if lines else ""
    return f"{repository['repository_url']}/{kind}/{repository['repository_branch']}/{place.as_posix()}{end}"


def source_of(info):
    """File and first and last line of what autodoc documents, ``{"module": ..., "fullname": ...}``; None for a value."""
    found = import_module(info["module"])
    for name in info["fullname"].split("."):
        found = getattr(found, name, None)
    found = inspect.unwrap(found.fget if isinstance(found, property) else found) if found is not None else None
    try:
        path = Path(inspect.getsourcefile(found))
        lines, first = inspect.getsourcelines(found)
    except (TypeError, OSError):
        return None
    return (path, (first, first + len(lines) - 1)) if path.is_relative_to(PACKAGE) else None


def name_for_users(room, name):
    """Write a name as chapters do: ``vl.Scan`` where the package offers it itself, else ``vl.scan.associations``."""
    return f"vl.{name}" if vl._HOME.get(name) == room else f"vl.{room}.{name}"


def offered(module):
    """Functions and classes of a room: by its list, or where it is one file without a list, what is defined in it."""
    defined = (name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__)
    names = getattr(module, "__all__", None) or [name for name in defined if not name.startswith("_")]
    return [name for name in names if callable(getattr(module, name))]


class ApiDirective(SphinxDirective):
    """A directive that writes Markdown."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        """Parse what `written` gives."""
        node = nodes.container()
        self.state.nested_parse(StringList(self.written(), source=self.get_source_info()[0]), self.content_offset, node)
        return node.children


class ApiRoom(ApiDirective):
    """The whole room: a link to its source, and everything its face offers."""

    def written(self):
        """Give the lines."""
        room = self.arguments[0]
        module = import_module(f"vaescan_lite.{room}")
        path = Path(module.__file__)
        path = path.parent if path.name == "__init__.py" else path
        lines = [f"[Source of `vaescan_lite.{room}`]({address(self.config, path)}) · [all rooms](../api.md)", ""]
        return [*lines, "```{eval-rst}", f".. automodule:: vaescan_lite.{room}", "   :members:", "```"]


class ApiList(ApiDirective):
    """Rooms: where their page is, what they are for, and what they offer."""

    def written(self):
        """Give the lines."""
        lines = []
        for room in self.arguments[0].split():
            module = import_module(f"vaescan_lite.{room}")
            about = re.sub(r"``(.+?)``", r"`\1`", inspect.getdoc(module).split("\n\n")[0].replace("\n", " "))
            links = [f"[`{name_for_users(room, name)}`](#vaescan_lite.{room}.{name})" for name in offered(module)]
            lines += [f"[`vl.{room}`](api/{room}.md): {about}", "", f": {', '.join(links)}", ""]
        return lines


def setup(app):
    """Register the directives, the script of the old page, and where a name's source stands."""

    def resolve(domain, info):
        place = source_of(info) if domain == "py" and info["module"] else None
        return address(app.config, *place) if place else None

    def lead_on(app, pagename, templatename, context, doctree):
        if pagename == "book/api":
            context["body"] += LED_ON

    app.config.linkcode_resolve = resolve
    app.setup_extension("sphinx.ext.linkcode")
    app.connect("html-page-context", lead_on)
    app.add_directive("api-room", ApiRoom)
    app.add_directive("api-list", ApiList)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
