"""A calibration beside the weights: stored whole or not at all."""

from __future__ import annotations

import os

import pytest

from aedetect.registry import calibrations


def test_a_copy_that_is_cut_short_does_not_pass_for_whole(tmp_path, monkeypatch):
    """Nothing has the file's name before all its bytes are on disk; the next try succeeds."""
    source = tmp_path / calibrations.COMPLETE
    source.write_bytes(b"{}" * 1_000)
    folder = tmp_path / "stored"

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            calibrations.store_whole(source, folder)
    assert not (folder / source.name).exists()
    calibrations.store_whole(source, folder)
    assert (folder / source.name).read_bytes() == source.read_bytes()
    assert [each.name for each in folder.iterdir()] == [source.name]
