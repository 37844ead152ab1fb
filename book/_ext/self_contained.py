"""Sphinx extension: pages that load nothing from another host, and whose parts say to a screen reader what they show.

Jupyter Book 1 always loads sphinx-thebe, which this book does not use: it would fetch its script from a CDN, and it
declares its constants twice ("THEBE_JS_URL has already been declared"). Everything of it is taken out of the pages.
"""

import re
from pathlib import Path


def _is_thebe(script):
    """Whether a script of a page belongs to sphinx-thebe: its file, or the inline constants before it."""
    body = (getattr(script, "attributes", None) or {}).get("body") or ""
    name = str(getattr(script, "filename", script) or "")
    return "thebe" in name or "THEBE_JS_URL" in body


def _remove_thebe(app, pagename, templatename, context, doctree):
    """Take sphinx-thebe's scripts, styles and page configuration out of a page."""
    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context.get(kind, []) if not _is_thebe(asset)]
    if context.get("body"):
        context["body"] = re.sub(r'\s*<script type="text/x-thebe-config">.*?</script>', "", context["body"], flags=re.DOTALL)
        context["body"] = re.sub(r"\s*<script>kernelName = '[^']*'</script>", "", context["body"])


# What axe calls serious or critical in what theme and bibtex write: names that hide text of the page, lists without items.
WRONG_ROLES = (
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    (r'(<button[^>]*search-button-field[^>]*?) aria-label="[^"]*"', r"\1"),
    (r'(<i class="theme-switch [^>]*?) title="[^"]*"([^>]*)>', r'\1\2 aria-hidden="true">'),
    (r'<summary>(?=<span class="toctree-toggle")', '<summary aria-label="Pages below this one">'),
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
)


def _mend_roles(app, exception):
    """Take wrong names and roles out of the finished pages."""
    for path in [] if exception or app.builder.format != "html" else Path(app.outdir).rglob("*.html"):
        page = mended = path.read_text(encoding="utf-8")
        for wrong, right in WRONG_ROLES:
            mended = re.sub(wrong, right, mended)
        if mended != page:
            path.write_text(mended, encoding="utf-8")


def setup(app):
    """Register with Sphinx; priority 900 runs after the themes and extensions that add scripts."""
    app.connect("html-page-context", _remove_thebe, priority=900)
    app.connect("build-finished", _mend_roles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
