"""The page on Python shows what happens, and the reference what there is."""

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
    """In a fresh process and an empty folder, as in a notebook."""
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


def test_every_public_name_resolves_and_says_what_it_is():
    """Each is there when it is asked for, has a docstring, and is listed."""
    for name in aedetect.__all__:
        assert getattr(aedetect, name).__doc__, name
        assert name in dir(aedetect)
    with pytest.raises(AttributeError, match="module 'aedetect' has no attribute 'nothing'"):
        aedetect.nothing  # noqa: B018 - asked for to be refused


def test_what_type_checkers_see_is_what_there_is():
    """The imports for them are of the names in `__all__`, each from the same package."""
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
    """The command line imports it first, and answers at once."""
    code = "import sys, aedetect; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    asked = [sys.executable, "-c", code]
    shown = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    heavy = ("numpy", "pandas", "pyarrow", "torch", "mlflow", "prefect", "duckdb", "pydantic")
    assert [name for name in heavy if f"'{name}'" in shown] == []


def test_help_tells_how():
    """An example, and what each name is for."""
    text = aedetect.__doc__
    for name in ("fit", "Detector", "load_detector", "train", "score", "read_events"):
        assert name in text
    assert ">>> detector = aedetect.fit(" in text
