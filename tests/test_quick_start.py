"""A process of aedetect is quick to start and to end, and others are left as they are."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from aedetect.quick_start import unsearched

OURS = """
import gc, sys
from aedetect.quick_start import forgo_pandas, own_process, unsearched
own_process()
with unsearched():
    with unsearched():
        assert not gc.isenabled()
        forgo_pandas()
        import {module}
    assert not gc.isenabled()
assert gc.isenabled()
assert gc.get_freeze_count() > 1_000
assert "pandas" not in sys.modules
"""


@pytest.mark.parametrize("module", ["duckdb", "pyarrow.parquet"])
def test_what_is_imported_is_not_searched_and_nothing_complains_of_it(module):
    """DuckDB does so at the end of a process that leaves its types uncollected."""
    done = subprocess.run(
        [sys.executable, "-c", OURS.format(module=module)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_pandas_is_known_again_where_something_is_made_for_it():
    """PyArrow looks for it once; it is forgone, not forbidden."""
    code = (
        "from aedetect.quick_start import forgo_pandas; forgo_pandas()\n"
        "import sys, pyarrow as pa\n"
        "assert 'pandas' not in sys.modules\n"
        "frame = pa.table({'a': [1, 2]}).to_pandas()\n"
        "assert pa.Table.from_pandas(frame)['a'].to_pylist() == [1, 2]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_process_of_someone_else_is_searched_as_before(monkeypatch):
    """Its objects are its own, such as those of a notebook."""
    monkeypatch.setattr("aedetect.quick_start._Process.is_ours", False)
    frozen = gc.get_freeze_count()
    with unsearched():
        assert gc.isenabled()
    assert gc.get_freeze_count() == frozen
