"""Sphinx configuration: ``python -m sphinx -W -b html docs docs/_build/html``."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

from caproto._version import __version__ as release  # noqa: E402

project = "caproto"
author = "The caproto developers"
project_copyright = f"2026, {author}"
version = release.rsplit(".dev", 1)[0]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "caproto_tables"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
default_role = "code"
# Each skin has a Context; a parameter of that type says which by the page it is on.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = f"caproto {release}"
