"""Whether what is written somewhere would be found among the input."""

from __future__ import annotations

import pytest

from aedetect.data.containment import would_find


@pytest.mark.parametrize(
    ("location", "place", "found"),
    [
        ("in", "in/out/scores/part-0.parquet", True),
        ("in", "in/scores/part-0.parquet", True),
        (".", "out/scores/part-0.parquet", True),
        ("in/", "in/out/scores/part-0.parquet", True),
        ("absent", "absent/out/part-0.parquet", True),
        ("in/**/*.parquet", "in/out/scores/part-0.parquet", True),
        ("in/*/*/*.parquet", "in/out/scores/part-0.parquet", True),
        ("linked", "in/out/scores/part-0.parquet", True),
        ("in", "linked/out/scores/part-0.parquet", True),
        ("in", "in/_out/scores/part-0.parquet", False),
        ("in", "in/.out/scores/part-0.parquet", False),
        ("in", "input/out/scores/part-0.parquet", False),
        ("in", "out/scores/part-0.parquet", False),
        ("in/*.parquet", "in/out/scores/part-0.parquet", False),
        ("in/a.parquet", "in/out/scores/part-0.parquet", False),
        ("in/more", "in/scores/part-0.parquet", False),
        ("in[1]", "in[1]/out/part-0.parquet", True),
        ("s3://bucket/in", "in/out/part-0.parquet", False),
        ("memory://in", "memory://in/out/part-0.parquet", True),
        ("memory://in", "memory://out/part-0.parquet", False),
    ],
)
def test_folders_globs_files_links_and_urls(tmp_path, location, place, found):
    """By the rules by which input is listed: hidden and underscored folders are not."""
    for name in ("in/more", "input", "in[1]"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "in/a.parquet").write_bytes(b"")
    (tmp_path / "linked").symlink_to(tmp_path / "in")
    paths = [each if "://" in each else f"{tmp_path}/{each}" for each in (location, place)]
    assert would_find(*paths) is found
