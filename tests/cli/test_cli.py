"""The command line: exit codes, one message on stderr, JSON where commands read."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from plant import DAYS, ROWS, table, write, write_config
from runs import deployed

from aedetect.cli import app, main
from aedetect.config import make_config

FUNCTIONS = {each.name or each.callback.__name__: each.callback for each in app.registered_commands}
COMMANDS = list(FUNCTIONS)


def run(*words, folder):
    """Run the command line as a process of its own."""
    command = [sys.executable, "-m", "aedetect", *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_help_names_every_command(aedetect):
    """The commands are listed in the help."""
    code, out, _ = aedetect("--help")
    assert code == 0
    assert all(command in out for command in COMMANDS)
    assert set(COMMANDS) >= {"check", "train", "score", "models", "flags", "demo", "schedule"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(aedetect, command):
    """Each has a description, and so has each of its options."""
    code, out, _ = aedetect(command, "--help")
    assert code == 0
    assert "Usage: " in out
    function = FUNCTIONS[command]
    assert " ".join(function.__doc__.split()[:5]) in " ".join(out.split())


def test_version(aedetect):
    """The version is one line."""
    from importlib.metadata import version

    assert aedetect("--version") == (0, version("aedetect") + "\n", "")


@pytest.mark.parametrize(
    "words",
    [
        ("frobnicate",),
        ("check",),
        ("score", "x.toml", "--everything"),
        ("flags", "x", "--limit", "0"),
        ("deploy", "x.toml"),
        ("trigger", "pump", "--training", "--all"),
    ],
)
def test_wrong_usage_is_exit_code_2(aedetect, words):
    """Unknown commands and options, and missing arguments, are usage errors."""
    code, out, err = aedetect(*words)
    assert (code, out) == (2, "")
    assert "Usage: " in err


def test_a_renamed_option_names_the_new_one(aedetect):
    """It is a usage error, whatever the command."""
    for word in ("--most", "--most=5"):
        expected = "aedetect: --most was renamed: use --limit\n"
        assert aedetect("flags", "x.toml", word, "5") == (2, "", expected)


def test_help_loads_nothing_heavy():
    """Heavy imports wait for the command that needs them."""
    code = (
        "import sys\n"
        "from aedetect.cli import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'mlflow', 'prefect', 'pandas', 'duckdb', 'pyarrow', 'numpy'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[detector]\nnaem = 'x'\n[data]\ntrain = 'x'\ntimestamp = 't'", 'did you mean "name"?'),
        ("[detector]\nname = 'x'\n[dta]\ntrain = 'x'", 'did you mean "data"?'),
        ("[detector", "is not TOML"),
        ("[detector]\nname = 'x'", "needs a section [data]"),
    ],
)
@pytest.mark.parametrize("command", ["check", "train", "score", "models", "flags", "schedule"])
def test_wrong_configuration_is_one_message(aedetect, tmp_path, command, text, message):
    """Every command reports the same error on stderr, without a traceback."""
    path = tmp_path / "x.toml"
    path.write_text(text)
    code, out, err = aedetect(command, path)
    assert (code, out) == (1, "")
    assert err.startswith("aedetect: ")
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("command", ["check", "train", "score", "models", "flags", "schedule"])
def test_absent_configuration_is_named(aedetect, tmp_path, command):
    """The path that was given is in the message."""
    code, _, err = aedetect(command, tmp_path / "none.toml")
    assert code == 1
    assert f"{tmp_path}/none.toml is not there" in err


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_debug_shows_the_traceback_wherever_it_stands(aedetect, monkeypatch, plant, place):
    """The option may stand before or after the command."""
    words = ["flags", str(plant.written()), "--json"]
    words.insert(place, "--debug")
    monkeypatch.setattr(sys, "argv", ["aedetect", *words])
    from aedetect.errors import NoData

    with pytest.raises(NoData, match="run `aedetect score CONFIG` first"):
        main()


def test_check_reports_on_columns_and_entities(aedetect, plant):
    """Training data and the data to score are looked at, as a table or as JSON."""
    path = plant.written()
    code, out, _ = aedetect("check", path)
    assert code == 0
    assert all(word in out for word in ("cpu", "load", "disk", "east", "west"))
    code, out, _ = aedetect("check", path, "--json")
    report = json.loads(out)
    assert (code, report["train"]["rows"]) == (0, 2 * ROWS)
    assert [column["name"] for column in report["train"]["columns"]] == ["cpu", "load", "disk"]
    assert report["input"]["files"] == len(DAYS)


def test_set_overrides_a_key(aedetect, plant):
    """A value is TOML, or text when it is not; it may be repeated."""
    path = plant.written()
    code, out, _ = aedetect(
        "check", path, "--json", "--set", "data.exclude=['disk']", "--set", "window.length=9000"
    )
    report = json.loads(out)
    assert [column["name"] for column in report["train"]["columns"]] == ["cpu", "load"]
    assert "fewer rows than a window of 9000" in report["train"]["entities"][0]["verdict"]
    code, _, err = aedetect("check", path, "--set", "window.lenght=3")
    assert (code, 'did you mean "length"?' in err) == (1, True)
    code, _, err = aedetect("check", path, "--set", "window")
    assert (code, "--set takes section.key=value" in err) == (1, True)


def test_check_names_what_cannot_be_scored(aedetect, plant):
    """Files that are damaged or lack a column are listed with the reason."""
    (plant.incoming / f"{DAYS[0]}.parquet").write_bytes(b"PAR1")
    write(table(DAYS[1]).drop(columns="cpu"), plant.incoming / f"{DAYS[1]}.parquet")
    code, out, _ = aedetect("check", plant.written(), "--json")
    first, second = json.loads(out)["input"]["problems"]
    assert (code, first.split(":")[0]) == (0, f"{DAYS[0]}.parquet")
    assert 'lacks the column "cpu"' in second


def test_models_lists_versions(aedetect, plant):
    """The newest comes first, with its aliases."""
    code, out, _ = aedetect("models", plant.written(), "--json")
    listed = json.loads(out)
    assert [each["version"] for each in listed] == [2, 1]
    assert listed[1]["aliases"] == ["champion"]
    code, out, _ = aedetect("models", plant.written())
    assert (code, "plant/2" in out, "champion" in out) == (0, True, True)


def test_models_without_a_registry_says_to_train(aedetect, plant):
    """The command succeeds, and creates nothing."""
    uri = f"registry.tracking_uri=sqlite:///{plant.folder}/none/mlflow.db"
    code, out, _ = aedetect("models", plant.written(), "--set", uri)
    assert (code, "aedetect train" in out) == (0, True)
    assert not (plant.folder / "none").exists()


def test_flags_shows_the_most_anomalous_events(aedetect, plant):
    """The injected fault comes first, with its cause; spans and counts limit the list."""
    plant.score()
    path = plant.written()
    code, out, _ = aedetect("flags", path, "--json")
    worst = json.loads(out)[0]
    assert (code, worst["entity"], worst["causes"][0]["feature"]) == (0, "east", "cpu")
    assert worst["start"].startswith("2026-01-04T05:0")
    assert worst["text"].startswith("cpu is far beyond its training range (500, normally ")
    code, out, _ = aedetect("flags", path, "--json", "--limit", "1")
    assert len(json.loads(out)) == 1
    span = ("--since", "2026-01-04T04:00", "--until", "2026-01-04T05:00")
    assert json.loads(aedetect("flags", path, "--json", *span)[1]) == []
    code, out, _ = aedetect("flags", path, "--limit", "1")
    assert code == 0
    assert worst["event_id"] in out.splitlines()[0]
    assert worst["text"] in out
    assert "the 1 most anomalous are shown" in out
    assert aedetect("flags", path, *span) == (0, "no event\n", "")


def test_flags_of_an_entity_a_severity_and_the_last_days(aedetect, plant):
    """Each leaves out others; a pattern names several entities."""
    plant.score()
    path = plant.written()

    def found(*words):
        code, out, _ = aedetect("flags", path, "--json", "--limit", "99", *words)
        assert code == 0
        return json.loads(out)

    everything = found()
    assert everything
    assert found("--entity", "east") == found("--entity", "ea*") == everything
    assert found("--entity", "west") == []
    severe = [each for each in everything if each["severity"] == "critical"]
    assert found("--severity", "critical") == severe
    assert found("--days", "0") == [max(everything, key=lambda each: each["end"])]


def test_an_empty_folder_shows_the_four_steps(aedetect, tmp_path, monkeypatch):
    """Without a command; beside a configuration, it is the help."""
    monkeypatch.chdir(tmp_path)
    code, out, _ = aedetect()
    assert code == 0
    steps = [line.split()[1] for line in out.splitlines() if line.startswith("  aedetect")]
    assert steps == ["init", "check", "train", "score"]
    assert max(map(len, out.splitlines())) <= 80
    (tmp_path / "pump.toml").touch()
    assert "Usage: " in aedetect()[1]


def test_init_then_check(aedetect, tmp_path, monkeypatch):
    """Each ends with the next command, with the path as it was typed."""
    monkeypatch.chdir(tmp_path)
    table("2026-01-03", days=3).to_csv("pumps.csv", index=False)
    code, out, _ = aedetect("init", "pumps.csv")
    assert code == 0
    assert out.splitlines()[-1].startswith("next: aedetect check pumps.toml ")
    code, out, _ = aedetect("check", "pumps.toml")
    assert code == 0
    assert out.splitlines()[-1].startswith("next: aedetect train pumps.toml ")


def test_a_csv_file_in_the_configuration_names_init(aedetect, tmp_path, monkeypatch):
    """Where Parquet is needed."""
    monkeypatch.chdir(tmp_path)
    table("2026-01-03").to_csv("pumps.csv", index=False)
    Path("pump.toml").write_text(
        '[detector]\nname = "pump"\n[data]\ntrain = "pumps.csv"\ntimestamp = "time"\n'
    )
    code, out, _ = aedetect("check", "pump.toml")
    assert code == 1
    assert "`aedetect init pumps.csv` converts it" in " ".join(out.split())


def test_config_prints_every_setting(aedetect, plant):
    """As TOML that reads as the same settings, with what is a default."""
    path = plant.written()
    code, out, _ = aedetect("config", path, "--set", "window.length=9")
    assert code == 0
    assert "length = 9\n" in out
    assert re.search(r"stride = 1 +# default", out)
    again = make_config(tomllib.loads(out), folder=plant.folder)
    assert again == replace(plant.config(), window=again.window)
    assert again.window.length == 9


def test_the_schema_takes_what_the_reader_takes(aedetect):
    """Unknown keys are no part of it; the names of the keys are those of the settings."""
    code, out, _ = aedetect("config", "--schema")
    schema = json.loads(out)
    assert code == 0
    assert schema["properties"]["events"]["additionalProperties"] is False
    assert "merge_gap" in schema["properties"]["events"]["properties"]
    assert schema["properties"]["data"]["required"] == ["train", "timestamp"]


def test_doctor_checks_versions_data_and_registry(aedetect, plant, monkeypatch):
    """A server that is named and does not answer is refused."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    code, out, _ = aedetect("doctor", plant.written(), "--json")
    found = {each["subject"]: each for each in json.loads(out)["findings"]}
    assert (code, found["registry"]["grade"]) == (0, "ok")
    assert {"Python", "torch", "mlflow", "prefect", "train", "input", "output"} <= set(found)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    code, out, _ = aedetect("doctor")
    assert code == 1
    assert "does not answer" in out


def test_flags_reports_suppressed_events(aedetect, plant):
    """It shows their number and reason, and with an option the events."""
    plant.score(events={"min_duration": "1h"})
    path = plant.written(events={"min_duration": "1h"})
    code, out, _ = aedetect("flags", path)
    assert (code, "more are suppressed: shorter than 1h" in out) == (0, True)
    reported = json.loads(aedetect("flags", path, "--json")[1])
    assert ["missing" in each["text"] for each in reported] == [True]  # no loss is too short
    code, out, _ = aedetect("flags", path, "--suppressed")
    assert "  suppressed: shorter than 1h" in out
    found = json.loads(aedetect("flags", path, "--suppressed", "--json")[1])
    assert {each["suppressed"] for each in found} == {None, "shorter than 1h"}


def test_flags_shows_withdrawn_events(aedetect, plant):
    """Events that may have been notified remain visible."""
    plant.score()
    path = plant.written()
    assert aedetect("flags", path, "--withdrawn") == (0, "no event was withdrawn\n", "")
    assert aedetect("flags", path, "--withdrawn", "--json")[1] == "[]\n"
    (plant.incoming / f"{DAYS[1]}.parquet").unlink()
    plant.score()
    code, out, _ = aedetect("flags", path, "--withdrawn")
    assert (code, "cpu is far beyond its training range" in out) == (0, True)
    assert "written earlier and are withdrawn" in out
    gone = json.loads(aedetect("flags", path, "--withdrawn", "--json", "--since", DAYS[1])[1])
    assert gone[0]["causes"][0]["feature"] == "cpu"


@pytest.mark.parametrize("first", ["flags", "label"])
def test_the_commands_that_are_printed_run(aedetect, plant, first):
    """Copied as they stand, with the configuration and an event that is there."""
    plant.score()
    said = aedetect(first, plant.written())[1].splitlines()
    copied = [
        shlex.split(line.partition(":")[2], comments=True)
        for line in said
        if line.startswith(("next:", "or:"))
    ]
    assert copied
    assert [aedetect(*words[1:])[0] for words in copied] == [0] * len(copied)


def test_flags_before_scoring_says_to_score(aedetect, plant):
    """There is nothing to show yet, and the message names the command to run."""
    path = plant.written()
    code, out, err = aedetect("flags", path)
    assert (code, out, f"run `aedetect score {path}` first" in err) == (1, "", True)


def test_flags_refuses_an_invalid_time(aedetect, plant):
    """A wrong date is a message, not a traceback."""
    plant.score()
    code, _, err = aedetect("flags", plant.written(), "--since", "tomorrow")
    assert (code, "ISO date" in err) == (1, True)


def test_train_and_score(prefect, aedetect, plant):
    """The two commands of the main job, and a third that finds nothing to do."""
    path = plant.written()
    own = ("--set", f"registry.tracking_uri=sqlite:///{plant.folder}/own/mlflow.db")
    code, out, err = aedetect("score", path, *own)
    assert (code, out, "aedetect train" in err) == (1, "", True)
    code, out, _ = aedetect("train", path, *own)
    assert (code, "registered plant/1" in out) == (0, True)
    assert "of normal rows: alert_budget on" in " ".join(out.split())
    code, out, _ = aedetect("score", path, "--json", *own)
    first = json.loads(out)
    assert (code, first["model"], first["partitions"]) == (0, "plant/1", 3)
    again = json.loads(aedetect("score", path, "--json", *own)[1])
    assert (again["partitions"], again["current"]) == (0, 3)
    since = json.loads(aedetect("score", path, "--json", "--since", DAYS[2], *own)[1])
    assert (since["partitions"], since["current"]) == (0, 1)
    since = json.loads(aedetect("score", path, "--json", "--since", DAYS[2], "--force", *own)[1])
    assert since["partitions"] == 1
    listed = json.loads(aedetect("runs", path, "--json", "--limit", "3", *own)[1])
    assert [run["partitions"] for run in listed] == [1, 0, 0]


def test_strict_score_fails_for_files_that_do_not_fit(plant):
    """One message with file and column, exit code 1, and the other days scored.

    Standard error has words for people; the events go to the file that is asked for.
    """
    write(table(DAYS[2]).drop(columns="cpu"), plant.incoming / f"{DAYS[2]}.parquet")
    log = plant.folder / "run.log"
    done = run("--log", log, "score", plant.written(strict=True), folder=plant.folder)
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert any(re.fullmatch(r"  scored 2026-\S+, [\d,]+ rows/s: 2 of 2", line) for line in lines)
    assert not re.search(r"\w=", done.stderr)
    assert f'{DAYS[2]}.parquet: lacks the column "cpu"' in lines[-1]
    words = [line.split(" ")[3] for line in log.read_text().splitlines()]
    words = [word for word in words if word not in {"step", "note"}]
    assert words == ["plan", "partition", "partition", "events", "warning", "scored", "lines"]
    assert len(list((plant.output / "scores").iterdir())) == 2


def test_score_says_what_is_wrong_and_ends_well(prefect, aedetect, plant):
    """Files that cannot be scored are warnings, old data an alert, and `runs` keeps both."""
    write(table(DAYS[2]).drop(columns="cpu"), plant.incoming / f"{DAYS[2]}.parquet")
    path = plant.written(stale_after="2h")
    code, out, _ = aedetect("score", path)
    assert (code, "warning: cannot be scored" in out, "ALERT: the newest row" in out) == (
        0,
        True,
        True,
    )
    code, out, _ = aedetect("runs", path)
    assert (code, "partial" in out, "lacks the column" in out, "newest row" in out) == (
        0,
        True,
        True,
        True,
    )


def test_runs_before_scoring_says_to_score(aedetect, plant):
    """The command succeeds."""
    path = plant.written()
    code, out, _ = aedetect("runs", path)
    assert (code, f"aedetect score {path}" in out.replace("\n", "")) == (0, True)


def test_another_version_scores_into_another_folder(prefect, aedetect, plant):
    """And fills no database. The champion by its number is not another version."""
    given = plant.given() | {"database": {"url": "sqlite:///plant.db"}}
    path = write_config(plant.folder / "plant.toml", given)
    code, _, err = aedetect("score", path, "--model", "plant/2")
    assert (code, "give --to FOLDER" in err) == (1, True)
    assert not plant.output.exists()
    to = plant.folder / "what if"
    code, out, _ = aedetect("score", path, "--model", "plant/2", "--to", to, "--json")
    assert (code, json.loads(out)["model"], json.loads(out)["output"]) == (0, "plant/2", str(to))
    assert not plant.output.exists()
    assert not (plant.folder / "plant.db").exists()
    code, out, _ = aedetect("score", path, "--model", "plant/1", "--json")
    assert (code, json.loads(out)["output"]) == (0, str(plant.output))
    assert (plant.folder / "plant.db").exists()


def test_the_command_itself(plant):
    """As a process: the exit codes, and nothing but the message on stderr."""
    refused = run("check", "none.toml", folder=plant.folder)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("aedetect: none.toml is not there")
    assert len(refused.stderr.splitlines()) == 1
    assert run("frobnicate", folder=plant.folder).returncode == 2
    shown = run("flags", plant.written(), "--debug", folder=plant.folder)
    assert (shown.returncode, "Traceback" in shown.stderr) == (1, True)


def test_a_failed_training_ends_with_one_message(plant):
    """DuckDB does not complain of what a flow that failed still holds."""
    path = write(table("2026-01-01", days=2), plant.folder / "bad.parquet")
    content = bytearray(path.read_bytes())
    foot = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[foot - 3000 : foot] = b"\xff" * 3000
    path.write_bytes(content)
    words = ("--set", f"data.train={path.name}", "--set", "data.normal=cpu > -1000")
    failed = run("train", plant.written(), *words, folder=plant.folder)  # the condition is SQL
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "aedetect: bad.parquet cannot be read to the end" in failed.stderr
    assert "leaked" not in failed.stderr


def test_unexpected_errors_are_one_message_too(aedetect, plant):
    """An internal error shows no traceback to users."""
    code, _, err = aedetect("check", plant.folder)
    assert (code, len(err.splitlines())) == (1, 1)


def test_trigger_and_deploy(aedetect, client, plant):
    """A deployment is triggered by name; the time is validated first."""
    path = plant.written(schedule="15 6 * * *")
    code, out, _ = aedetect("deploy", path, "--pool", "big", "--to", plant.folder / "made.yaml")
    assert code == 0
    assert "deploys scoring/plant, training/plant to the work pool big" in out
    assert f"prefect --no-prompt deploy --all --prefect-file {plant.folder}/made.yaml" in out
    deployed(client, "by-name")
    code, out, _ = aedetect("trigger", "by-name", "--until", "2026-01-04")
    assert code == 0
    assert "started by-name, scoring: http://127.0.0.1:" in out
    code, out, err = aedetect("trigger", "by-name", "--since", "tomorrow")
    assert (code, out) == (1, "")
    assert "tomorrow" in err
    code, _, err = aedetect("trigger", "by-nam")
    assert code == 1
    assert 'did you mean "by-name"' in err
