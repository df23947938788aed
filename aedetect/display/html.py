"""Templates for notebooks: every value is escaped."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

# Levels of a cell, as on the page; readable on light and on dark backgrounds.
LEVELS = ("#8796a533", "#fde3ad", "#fbb063", "#e5632d", "#b4152b", "#5e0a2c")
SEVERITIES = {"info": "#4a7ba6", "warning": "#b8730a", "critical": "#c9243c"}


def render(name: str, **values: Any) -> str:
    """Return a template with its values, as HTML for a notebook."""
    template = _environment().get_template(name)
    return template.render(levels=LEVELS, severities=SEVERITIES, **values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("aedetect.display").joinpath("templates")
    return Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        trim_blocks=True,
        lstrip_blocks=True,
    )
