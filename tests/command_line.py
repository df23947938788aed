"""The command line, run in the process of a test."""

from __future__ import annotations

import sys

import pytest

from aedetect.cli import SILENT, main


@pytest.fixture
def aedetect(monkeypatch, capsys):
    """Run the command line in this process: exit code, stdout and stderr."""
    for name, value in SILENT.items():
        monkeypatch.setenv(name, value)

    def aedetect(*words):
        monkeypatch.setattr(sys, "argv", ["aedetect", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return aedetect
