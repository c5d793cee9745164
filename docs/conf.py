"""Settings of the documentation's site: `make docs` builds it, without a network."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import biot

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))
os.environ.setdefault("OMP_NUM_THREADS", "1")

project = "biot"
author = "the authors of biot"
copyright = author  # noqa: A001  # the name that Sphinx asks for
version = release = biot.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinxcontrib.mermaid",
    "sphinx_gallery.gen_gallery",
    "command_help",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_templates", "extensions", "figures/*.py", "gallery/**/*.py"]
templates_path = ["_templates"]
default_role = "code"
suppress_warnings = ["config.cache"]  # the gallery's order is a class, which cannot be pickled

# Pages in Markdown ------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

# Reference --------------------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"  # with them, the longest are cut off beside the page
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# Gallery ----------------------------------------------------------------------------------------


class InOrder:
    """Sorts the scripts of the gallery: those that are named first, then the others."""

    FIRST = (
        "folder_to_report.py", "raw_to_annotations.py", "sklearn_groups.py", "from_braindecode.py",
        "missing_channels.py", "pretraining_two_corpora.py", "adapting.py", "explaining.py",
    )  # fmt: skip

    def __init__(self, _folder: str) -> None:
        """Sphinx-Gallery gives the folder."""

    def __call__(self, name: str) -> tuple[int, str]:
        """Key of a script."""
        return (self.FIRST.index(name) if name in self.FIRST else len(self.FIRST), name)


sphinx_gallery_conf: dict[str, Any] = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r".*\.py$",
    "within_subsection_order": InOrder,
    "default_thumb_file": str(HERE / "figures" / "tokens.png"),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "min_reported_time": 1,
    "plot_gallery": True,
}
warnings.filterwarnings("error", category=FutureWarning, module="biot")

# Look -------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = f"biot {version}"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 4,  # more would not fit into one line beside the search
    "footer_start": [],
    "footer_end": [],
}
html_sidebars: dict[str, list[str]] = {
    name: []
    for name in ("changelog", "commands", "comparison", "first_steps", "index", "troubleshooting")
}
"""Pages that have no others below them need no list of these."""
html_static_path = ["static"]
html_css_files = ["biot.css"]

_OUTSIDE = (
    ("benchmarks/reproduce/README.md", "reproduction.md"),
    ("benchmarks/README.md", "benchmarks.md"),
    ("CHANGELOG.md", "changelog.md"),
    ("CONTRIBUTING.md", "contributing.md"),
)
"""Files beside docs/ that pages lead to, and the pages that include them."""

_WITHOUT_PAGE = ("CITATION.cff", "CODE_OF_CONDUCT.md", "SECURITY.md", "paper/paper.md")
"""Files that have no page in the site; links to them become their text."""


def _lead_to_pages(text: str) -> str:
    """Links to files of the repository become links to the pages that hold them."""
    for file, page in _OUTSIDE:
        text = re.sub(rf"\]\((?:\.\./)*{re.escape(file)}", f"]({page}", text)
    for file in _WITHOUT_PAGE:
        text = re.sub(rf"\[([^\]]+)\]\((?:\.\./)*{re.escape(file)}\)", r"\1", text)
    text = re.sub(r"\]\((?:\.\./)*docs/", "](", text)
    # a link that is called like its file is shown with the title of the page
    return re.sub(r"\[(?:docs/)?[\w/]+\.md\](?=\([\w/]+\.md[)#])", "[]", text)


def _of_page(_app: Any, _name: str, content: list[str]) -> None:
    content[0] = _lead_to_pages(content[0])


def _of_included(_app: Any, relative: Path, _parent: str, content: list[str]) -> None:
    text = _lead_to_pages(content[0])
    if Path(relative).parts[-2:] == ("benchmarks", "README.md"):
        text = text.replace("](reproduce/README.md", "](reproduction.md")
    content[0] = text


def _parsable(*args: Any) -> tuple[str, str] | None:
    """Make Python of defaults such as `<class 'torch.nn.ELU'>`, which break a signature."""
    signature, returns = args[-2:]
    if not signature:
        return None
    signature = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", signature)
    return signature.replace("<factory>", "..."), returns


def setup(app: Any) -> None:
    """Let links between the repository's pages work in the site as well."""
    app.connect("autodoc-process-signature", _parsable)
    app.connect("source-read", _of_page)
    app.connect("include-read", _of_included)
