"""Groups of partitions in bundles, a Prefect task each."""

from __future__ import annotations

import pytest

from pipelines import bundles


@pytest.mark.parametrize(("cores", "most"), [(1, 8), (2, 8), (16, 64)])
def test_a_run_has_few_tasks(monkeypatch, cores, most):
    """All groups are in them, in order; every core has several."""
    monkeypatch.setattr(bundles, "usable_cores", lambda: cores)
    for count in (0, 1, most, most + 1, 10_000):
        groups = [(number,) for number in range(count)]
        found = bundles.bundle_groups(groups)
        assert [group for bundle in found for group in bundle] == groups
        assert len(found) <= most
        assert len(found) >= min(count, most) / 2
