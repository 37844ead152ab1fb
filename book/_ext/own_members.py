"""Sphinx extension: leave out of the API page what scikit-learn adds to every estimator."""

import re


def _skip(app, what, name, obj, skip, options):
    """Skip ``set_output`` and ``set_<method>_request``, whose docstrings link into scikit-learn's own pages."""
    return True if re.fullmatch(r"set_output|set_\w+_request", name) else None


def setup(app):
    """Register with Sphinx."""
    app.connect("autodoc-skip-member", _skip)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
