"""One HTML file from a template: text is shown as text, and nothing is fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from biot.errors import require, visible
from biot.io import atomic_file

__all__ = ["asset", "render_page", "require_pages", "write_page"]


def require_pages() -> None:
    """Find out before the work, not after it, whether pages can be written.

    Raises
    ------
    MissingDependencyError
        If Jinja2 is not installed.
    """
    require("jinja2", extra="report")


def asset(name: str) -> str:
    """The text of a file in ``report/assets``, such as a script to give to :func:`render_page`."""
    return (resources.files("biot.report") / "assets" / name).read_text(encoding="utf-8")


def render_page(
    template: str,
    *,
    title: str,
    scripts: Sequence[str] = (),
    styles: Sequence[str] = (),
    **context: Any,
) -> str:
    """The text of a page.

    Parameters
    ----------
    template
        Name of a file in ``report/templates``; it extends ``base.html``.
    title
        Of the page, plain text.
    scripts, styles
        Our own JavaScript and CSS, usually from :func:`asset`; they go into the page. Only these
        scripts run: the page's Content-Security-Policy holds their checksums, and forbids every
        other script and every request.
    **context
        What the template shows. Every string is escaped; characters that would act instead of being
        seen (control characters, marks of writing direction) are spelled out. A variable that the
        template names and that is missing here is an error.

    Raises
    ------
    MissingDependencyError
        If Jinja2 is not installed.
    """
    jinja2 = require("jinja2", extra="report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("biot.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sources = [_inside(source, "script") for source in scripts]
    page: str = environment.get_template(template).render(
        title=title,
        policy=_policy(sources),
        scripts=sources,
        styles=[_inside(source, "style") for source in (asset("page.css"), *styles)],
        **context,
    )
    return page


def write_page(path: Path, template: str, **context: Any) -> Path:
    """Write a page; the file appears whole or not at all.

    Parameters
    ----------
    path
        Where to; its folder must exist, an older file is replaced.
    template, **context
        As :func:`render_page` takes them.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    MissingDependencyError
        If Jinja2 is not installed.
    OSError
        If the file cannot be written.
    """
    text = render_page(template, **context)
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def _shown(value: Any) -> Any:
    """What a template shows: plain strings without characters that act; markup as it is."""
    return visible(value) if type(value) is str else value


def _inside(source: str, element: str) -> str:
    """A script or style as it may stand in a page: nothing in it ends its element."""
    return source.replace(f"</{element}", f"<\\/{element}")


def _policy(scripts: Sequence[str]) -> str:
    """What the page may do: show itself, run the given scripts, ask nobody."""
    digests = (hashlib.sha256(source.encode()).digest() for source in scripts)
    allowed = [f"'sha256-{base64.b64encode(one).decode()}'" for one in digests] or ["'none'"]
    return (
        f"default-src 'none'; script-src {' '.join(allowed)}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
