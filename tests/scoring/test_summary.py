"""The report of a run: warnings and alerts, and the same facts in every format."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from markdown_it import MarkdownIt
from plant import ARRIVED, DAYS, table, write

from aedetect.errors import DataError
from aedetect.output.partitions import Span
from aedetect.scoring import Summary
from aedetect.scoring.run_warnings import named_files
from aedetect.scoring.summary import failed_summary
from aedetect.scoring.summary_text import run_title, summary_line, summary_markdown
from aedetect.timestamps import parse_instant

PAGE = Path(__file__).parents[2] / "docs/reference/output.md"
NEWEST = datetime(2026, 1, 5, 23, 59, tzinfo=UTC)


def at(moment):
    """Return a clock with a constant time."""
    return lambda: moment


def test_rows_add_up(plant):
    """Every row of the input is scored or has a reason why not."""
    summary = plant.score()
    assert summary.rows == ARRIVED
    assert summary.scored + sum(summary.not_scored.values()) == ARRIVED
    assert (summary.status, summary.warnings, summary.alerts) == ("done", (), {})
    assert (summary.calibration_version, summary.newest) == (1, "2026-01-05T23:59:00")


def test_without_a_clock_times_are_not_reported(plant):
    """The library reads no clock of its own."""
    summary = plant.score(stale_after="1s")
    assert (summary.started, summary.seconds, summary.age, summary.alerts) == (None, None, None, {})


@pytest.mark.parametrize(("late", "alerts"), [(7200, 0), (7201, 1)])
def test_old_data_are_an_alert(plant, late, alerts):
    """If the newest row is older than configured, to the second, by the given clock."""
    now = NEWEST + timedelta(seconds=late)
    summary = plant.score(stale_after="2h", clock=at(now))
    assert (summary.age, len(summary.alerts), summary.status) == (late, alerts, "done")


def test_old_data_fail_a_strict_run(plant):
    """The verdicts are written before it fails."""
    with pytest.raises(DataError, match="the newest row, of 2026-01-05T23:59:00, is 1d old"):
        plant.score(stale_after="2h", clock=at(NEWEST + timedelta(days=1)), strict=True)
    assert len(list((plant.output / "scores").iterdir())) == len(DAYS)


@pytest.mark.parametrize(("ahead", "warned"), [(300, False), (3600, True)])
def test_rows_from_the_future_are_a_warning(plant, ahead, warned):
    """They would hide late data."""
    summary = plant.score(clock=at(NEWEST - timedelta(seconds=ahead)))
    assert any("ahead of the clock" in text for text in summary.warnings) == warned


def test_rows_none_of_which_can_be_scored_are_a_warning(plant):
    """A run without scored rows is not a success."""
    for path in plant.incoming.iterdir():
        path.unlink()
    write(table(DAYS[0])[:1440].assign(unit="nobody"), plant.incoming / "new.parquet")
    summary = plant.score()
    assert (summary.rows, summary.scored, summary.flagged) == (1440, 0, 0)
    (warning,) = summary.warnings
    assert warning.startswith("none of 1,440 rows could be scored: unseen entity (train on it, ")
    assert 'set [calibration] unseen = "pooled"' in warning
    assert 'unseen entity (train on it, or set [calibration] unseen = "pooled"' in (
        summary_markdown(summary, events=0)
    )


def test_nothing_in_the_span_is_a_warning(plant):
    """A request for a month without data is reported."""
    span = Span(parse_instant("2027-01-01"), None)
    assert plant.score(span=span).warnings == ("the input has no row in the requested time range",)
    assert plant.score().warnings == ()


def test_files_without_any_row_are_a_warning(plant):
    """New files without rows are reported."""
    for path in plant.incoming.iterdir():
        write(table(DAYS[0]).iloc[:0], path)
    (warning,) = plant.score().warnings
    assert warning == "none of the 3 files holds a row with a timestamp"


def test_what_is_quarantined_is_a_warning(plant):
    """By name, with the partitions not updated because of it."""
    plant.score()
    (plant.incoming / f"{DAYS[2]}.parquet").write_bytes(b"PAR1")
    summary = plant.score()
    assert summary.status == "partial"
    aside, held = summary.warnings
    assert aside.startswith(f"quarantined, tried again in the next run: {DAYS[2]}.parquet")
    assert held == f"left as they were, an input cannot be read: {DAYS[2]}"


def test_alike_changes_of_many_files_are_one_warning(plant):
    """Ten files with the same new column are not ten lines."""
    for day in ("2026-01-06", "2026-01-07", "2026-01-08"):
        write(table(day).assign(operator="ann"), plant.incoming / f"{day}.parquet")
    summary = plant.score()
    assert len(summary.drift) == 3
    (warning,) = summary.warnings
    assert warning.endswith("(and 2 more files)")


def test_file_of_which_some_days_are_scored_is_no_alert(plant):
    """It is quarantined for the unreadable days, which is a warning."""
    rows = pd.concat([pd.read_parquet(path) for path in sorted(plant.incoming.iterdir())])
    for path in plant.incoming.iterdir():
        path.unlink()
    path = plant.incoming / "all.parquet"
    rows.sort_values("time").to_parquet(path, index=False, row_group_size=2 * 1440)
    metadata = pq.read_metadata(path)
    chunk = metadata.row_group(2).column(metadata.schema.names.index("cpu"))
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 5000] = bytes(5000)
    path.write_bytes(content)
    summary = plant.score()
    assert (summary.files, len(summary.unreadable), summary.alerts) == (1, 1, {})
    assert 0 < summary.partitions < len(DAYS)


def test_line_and_page_are_for_people(plant):
    """One sentence for the log, one page for Prefect; problems are listed in full on the page."""
    (plant.incoming / f"{DAYS[2]}.parquet").write_bytes(b"PAR1")
    summary = plant.score(clock=at(NEWEST + timedelta(days=210)), stale_after="2h")
    line, page = summary_line(summary, events=3), summary_markdown(summary, events=3)
    assert line == (
        f"3 events new or changed; {summary.scored:,} of {summary.rows:,} rows of {DAYS[0]} to "
        f"{DAYS[1]} scored by plant/1, {summary.flagged:,} flagged; 1 file quarantined; 1 alert"
    )
    assert page.startswith(f"**{line}**\n")
    assert f"| rows scored | {summary.scored:,} of {summary.rows:,} |" in page
    assert f"| newest row | {DAYS[1]} 23:59:00, 211 days old |" in page
    assert "_" not in page.split("**Alerts**")[0], "names of fields are for programs"
    for section in ("Alerts", "Warnings", "Rows not scored", "Files quarantined"):
        assert f"**{section}**" in page
    assert all(text in page for text in (*summary.alerts.values(), *summary.warnings))


def test_title_says_what_a_run_did(plant):
    """Days and events; without a day, that there was nothing new; what needs attention follows."""
    assert run_title(plant.score(), events=1) == f" {DAYS[0]} to {DAYS[2]}, 1 event"
    again = plant.score()
    assert (again.is_idle, run_title(again, events=0)) == (True, ", nothing new")
    (plant.incoming / f"{DAYS[2]}.parquet").write_bytes(b"PAR1")
    damaged = plant.score()
    assert run_title(damaged, events=0) == ", nothing new, 1 file quarantined"
    (plant.incoming / f"{DAYS[2]}.parquet").unlink()
    gone = plant.score()
    assert run_title(gone, events=0) == ", 1 partition withdrawn"
    assert (damaged.is_idle, gone.is_idle) == (False, False)


def test_error_is_one_line():
    """A traceback in a message is not recorded."""
    summary = Summary(status="done", model="pump/1", output="output")
    assert failed_summary(summary, ValueError("no\nindeed")).error == "no"
    assert failed_summary(summary, KeyboardInterrupt()).error == "KeyboardInterrupt"
    assert failed_summary(summary, ValueError("no")).status == "failed"


def test_names_are_counted_past_the_first():
    """A message does not list ten thousand files."""
    assert named_files(["a"]) == "a"
    assert named_files(map(str, range(10_000))).endswith("4 and 9995 more")


def test_page_lists_every_field():
    """The table of the reference is the dataclass."""
    text = PAGE.read_text(encoding="utf-8").split("## What a run reports")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"\w+", row)]
    assert listed == [entry.name for entry in fields(Summary)]


@pytest.mark.parametrize(
    "name",
    [
        "![pixel](http://tracker.invalid/p.png)",
        "# All is well",
        "[link](http://tracker.invalid)",
        "<img src=http://tracker.invalid/p.png>",
        "http://tracker.invalid and www.tracker.invalid",
        "`![pixel](http://tracker.invalid/p.png)",
        "``` ` ``",
        "a | b | c",
        "x\n\n# All is well\n\n* * *",
        "x\u2028\x1b[31m\u202e# All is well",
        "&lt;b&gt; **bold** ~~gone~~ \\",
    ],
)
def test_names_on_the_page_are_no_markdown(name):
    """Whatever a column, a file or an entity is called, its name is text; read by a real parser."""
    summary = Summary(
        status="done",
        model=f"{name}@champion",
        output=f"/srv/{name}",
        warnings=(f'a.parquet has a new column "{name}"',),
        not_scored={f"{name} is missing": 1},
        schema_mismatch=(name,),
        alerts={"x": name},
    )
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = list(flat(parser.parse(summary_markdown(summary, events=0))))
    found = {token.type for token in tokens}
    assert not found & {"image", "link_open", "heading_open", "html_inline", "html_block", "hr"}
    assert not found & {"s_open", "fence"}
    plain = " ".join(name.split()).replace("\x1b", "\ufffd").replace("\u202e", "\ufffd")
    shown = [token.content for token in tokens if token.type == "code_inline"]
    assert f'a.parquet has a new column "{plain}"' in shown
    assert plain in shown
    texts = " ".join(token.content for token in tokens if token.type == "text")
    assert "tracker" not in texts, "an address outside of code becomes a link in the page"


def flat(tokens):
    """Tokens of all levels."""
    for token in tokens:
        yield token
        yield from flat(token.children or ())
