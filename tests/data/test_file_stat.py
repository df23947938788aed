"""Detection of files that may have changed."""

from __future__ import annotations

import os

from aedetect.data.file_stat import Signature


def test_signature_follows_the_file(tmp_path):
    """Writing, replacing or touching a file changes its signature; reading does not."""
    path = tmp_path / "x"
    path.write_bytes(b"1")
    seen = [Signature.of(str(path))]
    path.read_bytes()
    assert Signature.of(str(path)) == seen[0]
    os.utime(path, ns=(1, 1))
    seen.append(Signature.of(str(path)))
    (tmp_path / "y").write_bytes(b"2")
    (tmp_path / "y").replace(path)
    seen.append(Signature.of(str(path)))
    path.write_bytes(b"12")
    seen.append(Signature.of(str(path)))
    assert len(set(seen)) == 4


def test_missing_files_and_urls_have_no_signature(tmp_path):
    """For a missing file, and for a URL."""
    assert Signature.of(str(tmp_path / "gone")) is None
    assert Signature.of("memory://x.parquet") is None
