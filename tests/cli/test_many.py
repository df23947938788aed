"""The commands on a detector for each value of a column, as they are typed."""

from __future__ import annotations

import json

from aedetect.jobs import training_many

CONFIG = """
[detector]
name = "plant"
by = "site"
[data]
train = "in"
timestamp = "time"
[window]
length = 4
[model]
variant = "linear"
[calibration]
false_alarm_rate = 0.02
shapes = 0.0
[scoring]
input = "in"
output = "out"
"""


def test_from_check_to_events(prefect, aedetect, make_frame, write, tmp_path, monkeypatch):
    """One site has too few rows: check says so, training names it, and its rows are not scored."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training_many, "usable_cores", lambda: 1)  # starts no process
    frame = make_frame(units=("east", "few"), rows=400).rename(columns={"unit": "site"})
    write(frame.iloc[:450], tmp_path / "in" / "day.parquet")
    (tmp_path / "site.toml").write_text(CONFIG)

    code, out, _ = aedetect("check", "site.toml")
    assert code == 0
    assert "a detector for each of 2 values of site" in out
    assert "training refuses it: no window of 4 rows" in " ".join(out.split())

    code, out, err = aedetect("train", "site.toml")
    assert code == 1
    assert "plant-east/1  challenger, champion  400" in out
    assert "FAILED plant-few (few): no window of 4 rows" in out
    assert "1 of 2 detectors are registered, 1 failed" in out
    assert "Traceback" not in err

    code, out, _ = aedetect("score", "site.toml")
    assert code == 0
    assert "NOT SCORED few: 50 rows of 1 files; there is no detector plant-few yet" in out
    assert "1 of 2 values of site: 400 rows scored" in out

    assert len(json.loads(aedetect("runs", "site.toml", "--json")[1])) == 1
    assert "plant-east/1" in aedetect("models", "site.toml")[1]
    assert aedetect("flags", "site.toml")[0] == 0
    code, _, err = aedetect("drift", "site.toml")
    assert code == 1
    assert "this takes one of them: name it, as --set detector.only=VALUE" in err
    assert aedetect("drift", "site.toml", "--set", "detector.only=east")[0] == 0
