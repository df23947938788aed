"""Suspect segments of the training data: how they are reported, saved and excluded."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest

from aedetect import registry
from aedetect.cli.show_suspect_rows import exclusion, print_suspect_rows
from aedetect.jobs import training
from aedetect.jobs.training_record import SUSPECT_ROWS_FILE
from aedetect.timestamps import parse_instant
from aedetect.training.suspect_rows import normal_filter

DATA = {"features": ["a", "b"]}
LINEAR = {"variant": "linear"}
MINUTE = 60_000_000_000  # ns
BURST = 20.0 * np.array([1, -1, -1, 1, 1, 1, -1, 1, -1, -1])


def faulty(make_frame, **options):
    """A unit whose name needs quoting reads too much for ten minutes."""
    frame = make_frame(units=("o'ne", "two"), **options)
    frame.loc[100:109, "b"] += BURST
    return frame


def minutes(segment):
    """Rows from start to end, a minute apart; rows between suspect ones are included."""
    return (parse_instant(segment.end) - parse_instant(segment.start)) // MINUTE + 1


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
def test_the_printed_filter_excludes_the_suspect_rows(make_frame, train_on, zone):
    """Those rows and no others are excluded, in any time zone of the table."""
    frame = faulty(make_frame)
    frame["time"] = frame["time"].dt.tz_localize(zone) if zone else frame["time"]
    run = train_on(frame, model=LINEAR, training={"trim": 0.02})
    found = run.trained.suspect[:1]
    line = exclusion(found, normal=None)
    data = tomllib.loads(line)
    again = train_on(frame, model=LINEAR, data=data)
    assert len(again.ingested.rows) == len(run.ingested.rows) - minutes(found[0])
    assert len(BURST) <= minutes(found[0]) <= len(BURST) + 6
    first = run.ingested.rows.time[0]
    left = again.ingested.rows.time[again.ingested.rows.entity == 0]
    assert not np.isin(left, first + MINUTE * np.arange(100, 110)).any()


def test_the_printed_filter_keeps_the_existing_one(make_frame, train_on):
    """With any quotes and operator precedence."""
    frame = faulty(make_frame)
    normal = "a > -50 or b > 100"
    run = train_on(frame, model=LINEAR, training={"trim": 0.02}, data={**DATA, "normal": normal})
    found = run.trained.suspect[:1]
    sql = normal_filter(found, normal=normal)
    assert sql.startswith(f"({normal}) and not (")
    again = train_on(frame, model=LINEAR, data={**DATA, "normal": sql})
    assert len(again.ingested.rows) == 1000 - minutes(found[0])
    odd = "x <> ''''"
    line = exclusion(found, normal=odd + " or x = '''a'")
    assert tomllib.loads(line)["normal"] == normal_filter(found, normal=odd + " or x = '''a'")


def test_shares_of_a_segment_are_sorted(make_frame, train_on):
    """Largest first, relative to all features."""
    run = train_on(faulty(make_frame), model=LINEAR, training={"trim": 0.02})
    for each in run.trained.suspect:
        shares = list(each.causes.values())
        assert shares == sorted(shares, reverse=True)
        assert 0 < sum(shares) <= 1 + 1e-9


def test_suspect_rows_are_saved_with_the_run_and_shown(
    make_frame, write, configured, trained, tmp_path, capsys
):
    """The table shows at most ten, counts the rest, and prints the filter that excludes them."""
    write(faulty(make_frame), tmp_path / "train.parquet")
    place = {"tracking_uri": trained.uri}
    config = configured(tmp_path, model=LINEAR, training={"trim": 0.2}, registry=place)
    _, registered = training.run_training(config)
    kept = json.loads(
        registry.read_run_text(registered, SUSPECT_ROWS_FILE, tracking_uri=trained.uri)
    )
    assert len(kept) > 10
    assert kept[0]["entity"] == "o'ne"
    print_suspect_rows(config, registered)
    out = capsys.readouterr().out
    assert f"in {len(kept)} segments" in " ".join(out.split())
    assert "; 10 are shown" in " ".join(out.split())
    assert kept[0]["start"].removesuffix(":00") in out
    assert len(tomllib.loads(out.splitlines()[-1])["normal"].split("not (")) == 11


def test_without_trim_nothing_is_saved_or_shown(configured, trained, tmp_path, capsys):
    """Without suspect rows there is no report."""
    plain = registry.find_version("plant/1", tracking_uri=trained.uri)
    assert registry.read_run_text(plain, SUSPECT_ROWS_FILE, tracking_uri=trained.uri) is None
    print_suspect_rows(configured(tmp_path, registry={"tracking_uri": trained.uri}), plain)
    assert not capsys.readouterr().out
