"""The page of a detector, by the command line."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pandas as pd

from aedetect.config import make_config, read_config
from aedetect.jobs import expected_around
from aedetect.jobs.scoring import run_scoring
from tests.plant import write_config


def page_data(path):
    """Return the data in a page."""
    text = path.read_text(encoding="utf-8")
    return json.loads(text.partition('id="data">')[2].partition("</script>")[0])


def test_a_page_shows_observed_beside_expected(aedetect, plant):
    """Of the columns to blame, as flagged/ has them at the peak; with promise, grades and runs."""
    plant.score()
    path = plant.written()
    events = json.loads(aedetect("flags", path, "--json")[1])
    event = next(each for each in events if each["causes"][0]["observed"] == 500.0)
    code, out, _ = aedetect("report", path)
    assert code == 0
    assert "page in" in out
    page = plant.folder / "report.html"
    charts = page_data(page)["charts"][event["event_id"]]
    cause = event["causes"][0]
    line = next(each for each in charts if each["name"] == cause["feature"])
    assert max(line["observed"]) == 500.0
    at = line["observed"].index(500.0)
    assert line["low"][at] <= line["expected"][at] <= line["high"][at] < 500.0
    near = [expected for expected in line["expected"] if expected is not None]
    assert min(abs(each - cause["expected"]) for each in near) < 0.01 * abs(cause["expected"])
    text = page.read_text(encoding="utf-8")
    for part in ("rows were flagged", "High", "calibration", "not scored", "plant/1"):
        assert part in text
    assert "Not on this page" not in text


def test_lines_are_drawn_once_and_never_shown_stale(aedetect, plant, monkeypatch):
    """The next page finds them in the cache of the output, until a file, or the cache, changes."""
    plant.score()
    path, page = plant.written(), plant.folder / "report.html"
    drawn = []

    def counted(folder, card, *others, **named):
        drawn.append(card.event.event_id)
        return draw(folder, card, *others, **named)

    draw = expected_around.draw_lines
    monkeypatch.setattr(expected_around, "draw_lines", counted)
    aedetect("report", path)
    first, count = page_data(page), len(drawn)
    assert count
    aedetect("report", path)
    assert page_data(page) == first
    assert len(drawn) == count  # none was drawn again
    changed = sorted(plant.incoming.glob("*.parquet"))[1]
    rows = pd.read_parquet(changed)
    rows.loc[300:310, "cpu"] = 400.0  # corrected, and not yet scored again
    rows.to_parquet(changed, index=False)
    aedetect("report", path)
    assert len(drawn) > count
    charts = [each for own in page_data(page)["charts"].values() for each in own]
    assert not any(500.0 in (each.get("observed") or ()) for each in charts)
    cache = plant.output / ".cache" / "lines.parquet"
    cache.write_bytes(b"damaged")
    again = page_data(page)
    aedetect("report", path)
    assert page_data(page) == again
    assert cache.stat().st_size > len(b"damaged")


def test_a_page_is_made_without_its_registry(aedetect, plant):
    """It says what it lacks."""
    plant.score()
    path = plant.written()
    to = plant.folder / "page.html"
    given = ("report", path, "--to", to, "--set", "registry.tracking_uri=sqlite:///none.db")
    code, out, _ = aedetect(*given, "--json")
    assert code == 0
    assert json.loads(out)["size"] == to.stat().st_size
    text = to.read_text(encoding="utf-8")
    assert "the model: a registered detector is needed" in text
    assert page_data(to)["charts"]


def test_a_run_leaves_a_page_and_messages_name_it(plant, receiver):
    """With `[report] to`, also in the flow; with the picture of the event."""
    given = plant.given()
    given["report"] = {"to": "pages"}
    given["notify"] = {
        "urls": [receiver.url.replace("secret-token", "")],
        "max_age": "30d",
    }
    config = make_config(given, folder=plant.folder)
    run_scoring(config, clock=lambda: datetime(2026, 1, 6, tzinfo=UTC), config_path="plant.toml")
    page = plant.folder / "pages" / "report.html"
    text = page.read_text(encoding="utf-8")
    assert "2026-01-06 00:00:00+00:00" in text
    message = receiver.messages[0]
    assert f"Page: {page}" in message["message"]
    assert base64.b64decode(message["attachments"][0]["base64"])[:4] == b"\x89PNG"


def test_a_run_without_news_leaves_the_page_as_it_is(plant):
    """Until somebody says what an event was, or the configuration changes."""
    given = plant.given() | {"report": {"to": "pages"}}
    path = write_config(plant.folder / "plant.toml", given)
    config = read_config(path)

    def written(at):
        run_scoring(config, clock=lambda: at, config_path=str(path))
        return (plant.folder / "pages" / "report.html").read_bytes()

    first = written(datetime(2026, 1, 6, tzinfo=UTC))
    assert written(datetime(2026, 1, 7, tzinfo=UTC)) == first
    path.touch()
    assert written(datetime(2026, 1, 8, tzinfo=UTC)) != first


def test_a_page_that_cannot_be_written_fails_no_run(plant):
    """What was scored is there; the log says so."""
    (plant.folder / "pages").write_text("a file where the folder should be")
    given = plant.given() | {"report": {"to": "pages"}}
    summary = run_scoring(make_config(given, folder=plant.folder))
    assert summary.status == "done"
    assert list((plant.output / "scores").rglob("*.parquet"))


def test_a_page_of_nothing_is_refused(aedetect, plant):
    """With what to do."""
    code, _, err = aedetect("report", plant.written())
    assert code == 1
    assert "run `aedetect score " in err


def test_similar_windows_are_shown_once_they_are_known(aedetect, plant):
    """`similar` makes what they are found by; before, the page waits for nothing."""
    plant.score()
    path, to = plant.written(), plant.folder / "page.html"
    aedetect("report", path, "--to", to)
    assert "Most similar windows of the past" not in to.read_text(encoding="utf-8")
    event = json.loads(aedetect("flags", path, "--json")[1])[0]
    asked = ("similar", path, "--at", event["entity"], event["peak_timestamp"], "--json")
    nearest = json.loads(aedetect(*asked)[1])["matches"][0]
    aedetect("report", path, "--to", to)
    text = to.read_text(encoding="utf-8")
    assert "Most similar windows of the past" in text
    assert f"{nearest['start'][:16]} to {nearest['end'][:16]}" in text
