"""The page on Python shows real output, and the reference lists every name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import aedetect

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/howto/python.md").read_text(encoding="utf-8")
RUNNER = """
import contextlib, io, json, sys
names, printed = {}, []
for block in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(block, names)
    printed.append(shown.getvalue())
print(json.dumps(printed))
"""


@pytest.mark.timeout(300)
def test_the_page_prints_what_it_shows(tmp_path):
    """In a new process and an empty folder, as in a notebook."""
    pairs = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(pairs) == PAGE.count("```python")
    blocks, shown = zip(*pairs, strict=True)
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(blocks),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == list(shown)


def test_every_public_name_resolves_and_is_documented():
    """Each can be imported, has a docstring, and is listed."""
    for name in aedetect.__all__:
        assert getattr(aedetect, name).__doc__, name
        assert name in dir(aedetect)
    with pytest.raises(AttributeError, match="module 'aedetect' has no attribute 'nothing'"):
        aedetect.nothing  # noqa: B018 - access must fail


def test_names_for_type_checkers_equal_the_public_names():
    """The imports for type checkers are the names in `__all__`, each from the same package."""
    source = Path(aedetect.__file__).read_text(encoding="utf-8")
    typed = source.partition("if TYPE_CHECKING:")[2].partition("__all__ = ")[0]
    imported = re.findall(r"from (aedetect[.\w]*) import (?:\(([^)]*)\)|([^\n(]*))", typed)
    found = {
        name: home for home, *names in imported for name in re.findall(r"\w+", " ".join(names))
    }
    assert sorted(found) == aedetect.__all__
    for name, home in found.items():
        assert getattr(aedetect, name) is getattr(import_module(home), name)


def test_importing_it_imports_nothing_heavy():
    """The command line imports it first and must start fast."""
    code = "import sys, aedetect; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    asked = [sys.executable, "-c", code]
    shown = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    heavy = ("numpy", "pandas", "pyarrow", "torch", "mlflow", "prefect", "duckdb", "pydantic")
    assert [name for name in heavy if f"'{name}'" in shown] == []


def test_help_shows_an_example_and_every_name():
    """With the purpose of each name."""
    text = aedetect.__doc__
    for name in ("fit", "Detector", "load_detector", "train", "score", "read_events"):
        assert name in text
    assert ">>> detector = aedetect.fit(" in text
