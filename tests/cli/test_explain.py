"""From an event back to what it was found with, and what one promotes a version by."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from aedetect.jobs.event_chain import trace_event
from aedetect.output import list_files
from aedetect.registry import find_version
from aedetect.wording import percent


def test_an_event_leads_back_to_the_data_of_its_model(aedetect, plant):
    """As the partition, the registry and the history have it, in text and as JSON."""
    plant.score()
    path = plant.written()
    event = json.loads(aedetect("flags", path, "--json")[1])[0]
    code, out, _ = aedetect("explain", path, event["event_id"], "--json")
    chain = json.loads(out)
    assert (code, chain["event"]["text"]) == (0, event["text"])
    (file,) = [f for f in list_files(plant.output, "scores") if str(f.partition) in chain["file"]]
    origin = file.origin()
    assert chain["inputs"] == dict(origin.inputs)
    assert chain["config_hash"] == origin.config_hash
    made = find_version(f"plant/{origin.model_version}", tracking_uri=plant.uri)
    assert (chain["model_version"], chain["run_id"]) == (made.version, made.run_id)
    assert chain["trained"]["data_fingerprint"] == made.tags["data_fingerprint"]
    assert chain["trained"]["trained_from"].startswith("2026-01-01T00:00")
    assert chain["promotion"]["version"] == made.version
    code, out, _ = aedetect("explain", path, event["event_id"])
    assert code == 0
    for shown in (event["text"], f"model {made.reference}", made.tags["data_fingerprint"]):
        assert shown in out
    assert all(name in out and mark in out for name, mark in origin.inputs.items())


def test_an_unknown_event_is_refused_with_where_ids_are(aedetect, plant):
    """In one line."""
    plant.score()
    path = plant.written()
    code, _, err = aedetect("explain", path, "0" * 12)
    assert code == 1
    assert "there is no event 000000000000" in err
    assert f"aedetect flags {path} --suppressed" in err


def test_a_version_that_the_registry_lost_is_said_so(plant, monkeypatch):
    """The chain ends there; what the output knows is kept."""
    from aedetect.errors import UnknownModel
    from aedetect.jobs import event_chain

    plant.score()
    (event_id, *_) = [
        each
        for file in list_files(plant.output, "events")
        for each in file.read(["event_id"])["event_id"].to_pylist()
    ]

    def gone(*_given, **_named):
        raise UnknownModel("deleted")

    monkeypatch.setattr(event_chain.registry, "find_version", gone)
    chain = trace_event(plant.config(), event_id)
    assert (chain.run_id, chain.trained) == (None, None)
    assert chain.inputs


def test_models_say_what_one_promotes_by(aedetect, plant):
    """The training period, the promise and the events to expect, of each version."""
    path = plant.written()
    code, out, _ = aedetect("models", path)
    first = json.loads(aedetect("models", path, "--json")[1])[-1]
    assert code == 0
    assert first["promise"] == float(first["tags"]["promise"]) > 0
    assert first["held_out_loss"] > 0
    shown = " ".join(out.split())
    for number in (
        f"{first['threshold']:.4g}",
        percent(first["promise"]),
        f"{first['events_a_day']:.2g}",
        f"{first['held_out_loss']:.4g}",
    ):
        assert number in shown
    assert f"plant/1 undercomplete trained on {first['trained_from']}" in shown
    assert f"held out {first['held_out_from']} to {first['held_out_until']}" in shown


def test_the_card_of_an_event_is_written(aedetect, plant):
    """As a page with its lines and its origin, and as a picture; other ends are refused."""
    plant.score()
    path = plant.written()
    event = json.loads(aedetect("flags", path, "--json")[1])[0]
    page, picture = plant.folder / "card.html", plant.folder / "card.png"
    code, out, _ = aedetect("explain", path, event["event_id"], "--to", page)
    assert (code, "card in" in out) == (0, True)
    text = page.read_text(encoding="utf-8")
    assert event["event_id"] in text
    assert "data fingerprint" in text
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    charts = data["charts"][event["event_id"]]
    assert [each["name"] for each in charts][:2] == ["score", event["causes"][0]["feature"]]
    assert any(each is not None for each in charts[1]["expected"])
    assert aedetect("explain", path, event["event_id"], "--to", picture)[0] == 0
    with Image.open(picture) as drawn:
        assert drawn.format == "PNG"
        assert drawn.size[0] == 800
    code, _, err = aedetect("explain", path, event["event_id"], "--to", plant.folder / "card.pdf")
    assert (code, ".html or .png" in err) == (1, True)


def test_any_scored_row_leads_back_to_what_judged_it(aedetect, plant):
    """A normal one too, and one that was not scored; the promise is that of its calibration."""
    plant.score()
    path = plant.written()
    words = ("explain", path, "--entity", "east", "--at")
    code, out, _ = aedetect(*words, "2026-01-03T12:00", "--json")
    chain = json.loads(out)
    assert (code, chain["verdict"], chain["entity"]) == (0, "normal", "east")
    made = find_version("plant/1", tracking_uri=plant.uri)
    assert (chain["model_version"], chain["run_id"]) == (1, made.run_id)
    assert chain["promise"]["share"] == pytest.approx(float(made.tags["promise"]), rel=1e-4)
    (file,) = [f for f in list_files(plant.output, "scores") if str(f.partition) in chain["file"]]
    assert chain["inputs"] == dict(file.origin().inputs)
    code, out, _ = aedetect(*words, "2026-01-03T00:00")
    assert code == 0
    assert "not_scored (" in out
    code, _, err = aedetect("explain", path, "--at", "2026-01-03T12:00:30", "--entity", "east")
    assert (code, "no row of east at 2026-01-03T12:00:30" in err) == (1, True)
    assert aedetect("explain", path)[0] == 2


def test_who_scored_what_under_which_promise(aedetect, plant):
    """Days by one version are one line; the counts are those of the files."""
    plant.score()
    config = plant.written()
    aedetect("score", config, "--all", "--since", "2026-01-05", "--set", "scoring.model=plant/2")
    found = json.loads(aedetect("models", config, "--scored", "--json")[1])
    assert [(each["since"], each["until"], each["model_version"]) for each in found] == [
        ("2026-01-03", "2026-01-04", 1),
        ("2026-01-05", "2026-01-05", 2),
    ]
    flagged = [f.read(["event_id"]).num_rows for f in list_files(plant.output, "flagged")]
    assert [each["flagged"] for each in found] == [sum(flagged[:2]), flagged[2]]
    assert "promise" in aedetect("models", config, "--scored")[1]
