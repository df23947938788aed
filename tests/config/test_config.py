"""The configuration."""

from __future__ import annotations

import tomllib
from dataclasses import fields

import pytest

from aedetect.config import Config, check_single, make_config, read_config
from aedetect.config.config import NOT_SECTIONS
from aedetect.errors import ConfigError

LEAST = '[detector]\nname = "pump"\n[data]\ntrain = "in/*.parquet"\ntimestamp = "time"\n'


@pytest.fixture
def read(tmp_path):
    """Read a configuration from text."""

    def read(text, *overrides):
        path = tmp_path / "pump.toml"
        path.write_text(text)
        return read_config(path, overrides)

    return read


def test_three_keys_are_enough(read, tmp_path):
    """Everything else has a default, and paths are relative to the file."""
    config = read(LEAST)
    assert config.name == "pump"
    assert config.train == (str(tmp_path / "in/*.parquet"),)
    assert config.output == tmp_path / "output"
    assert config.model_reference == "pump@champion"
    assert config.tracking_uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[window]\nlenght = 3",
            r'"lenght" is not a key of \[window\] \(did you mean "length"\?\)',
        ),
        ("[windwo]\nlength = 3", r'"windwo" is not a section \(did you mean "window"\?\)'),
        ("[window]\nlength = 0", r"\[window\] length: .*greater than or equal to 1, got 0"),
        ('[window]\nlength = "long"', r"\[window\] length: .*integer.*got 'long'"),
        ('[model]\nvariant = "lstm"', r"\[model\] variant: .*undercomplete.*got 'lstm'"),
        ("[calibration]\nfalse_alarm_rate = 1.5", r"\[calibration\] false_alarm_rate: .*1\.5"),
        ('[prepare]\nmissing_limit = "soon"', r'duration must be .* got "soon"'),
        ('[prepare]\nmissing_limit = "0s"', r"missing_limit must be longer than 0"),
        ('[events]\nbridge = "1h"', r"\[events\] bridge was renamed: write merge_gap"),
        ("[model]\ndraws = 3", r"\[model\] draws was renamed: write n_samples"),
        ("[calibration]\nworst = 3", r"\[calibration\] worst was renamed: write top_k"),
        ('[calibration]\nscore = "worst"', r'score = "worst" was renamed: write "top_k"'),
        ('[prepare]\nmissing = "carry"', r'"carry" was renamed: write "forward_fill"'),
        ("window = 3", None),
    ],
)
def test_errors_name_the_key_and_the_value(read, text, message):
    """With section, key, value and the nearest known name."""
    if message is None:
        with pytest.raises(ConfigError, match=r"\[window\] must be a section, got 3"):
            read(text + "\n" + LEAST)
        return
    with pytest.raises(ConfigError, match=message):
        read(LEAST + text)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ('name = "pump"\n', r"\[detector\] name: field required"),
        ('timestamp = "time"\n', r"\[data\] timestamp: field required"),
        ('[detector]\nname = "pump"\n', r"needs a section \[detector\]"),
    ],
)
def test_required_keys_are_named(read, gone, message):
    """The three keys without a default."""
    with pytest.raises(ConfigError, match=message):
        read(LEAST.replace(gone, ""))


def test_unknown_keys_are_refused_in_every_section(read):
    """The error names the section."""
    for section in (entry.name for entry in fields(Config) if entry.name not in NOT_SECTIONS):
        text = LEAST if f"[{section}]" in LEAST else LEAST + f"[{section}]\n"
        with pytest.raises(ConfigError, match=rf'"nonsense" is not a key of \[{section}\]'):
            read(text, f"{section}.nonsense=1")


def test_a_key_is_overridden_with_toml_or_text(read):
    """Values that are not TOML are text."""
    config = read(
        LEAST, "window.length=8", "model.hidden=[8, 4]", "data.entity=unit", 'data.label="bad"'
    )
    assert (config.window.length, config.model.hidden) == (8, (8, 4))
    assert (config.data.entity, config.data.label) == ("unit", "bad")


@pytest.mark.parametrize("override", ["length=3", "window.length", "=3"])
def test_an_override_without_section_key_and_value_is_refused(read, override):
    """The error shows the syntax."""
    with pytest.raises(ConfigError, match=r"--set takes section\.key=value"):
        read(LEAST, override)


def test_an_override_of_a_section_that_is_no_table_is_refused(read):
    """As in the file itself."""
    with pytest.raises(ConfigError, match=r"\[window\] must be a section"):
        read("window = 3\n" + LEAST, "window.length=3")


def test_a_file_that_is_not_toml_is_refused(read, tmp_path):
    """With the position; so is an absent file."""
    with pytest.raises(ConfigError, match=r"pump\.toml is not TOML: Expected"):
        read("[detector")
    with pytest.raises(ConfigError, match=r"absent\.toml is not there: check the path, or write"):
        read_config(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(ConfigError, match=r"latin\.toml is not TOML"):
        read_config(tmp_path / "latin.toml")


@pytest.mark.parametrize("name", ["", "a/b", "a b", "@x", "-x"])
def test_a_name_that_a_registry_does_not_support_is_refused(read, name):
    """It is part of references and of paths."""
    with pytest.raises(ConfigError, match=r"\[detector\] name must be letters"):
        read(LEAST.replace("pump", name))


def test_the_hash_depends_on_training_settings_and_not_on_locations(read):
    """Moving the data or the output changes nothing."""
    first = read(LEAST).hash
    assert read(LEAST.replace("in/", "elsewhere/")).hash == first
    assert read(LEAST, "scoring.output=there").hash == first
    assert read(LEAST, 'data.units={a = "bar"}').hash == first
    assert read(LEAST, "window.length=3").hash != first


def test_urls_are_unchanged(read):
    """Only paths are relative to the file."""
    config = read(LEAST.replace("in/", "s3://bucket/"), "scoring.output=s3://bucket/out")
    assert config.train == ("s3://bucket/*.parquet",)
    assert str(config.output) == "s3://bucket/out"


def test_scoring_without_an_input_is_refused_with_an_example(read):
    """Only by the commands that need it."""
    with pytest.raises(ConfigError, match=r'input is needed .* such as input = "incoming/"'):
        _ = read(LEAST).input
    assert len(read(LEAST, 'scoring.input=["a", "b"]').input) == 2


def test_a_configuration_can_be_built_from_plain_data(tmp_path):
    """From any source."""
    given = {"detector": {"name": "x"}, "data": {"train": "t", "timestamp": "time"}}
    assert make_config(given, folder=tmp_path).train == (str(tmp_path / "t"),)


@pytest.mark.parametrize(("key", "value"), [("to", "s3://bucket/pages"), ("days", 0)])
def test_the_page_has_a_folder_and_days(key, value, tmp_path):
    """Otherwise the message says what to do."""
    given = {
        "detector": {"name": "pump"},
        "data": {"train": "x", "timestamp": "t"},
        "report": {key: value},
    }
    with pytest.raises(ConfigError, match=rf"\[report\] {key} must be"):
        make_config(given, folder=tmp_path)


BY = '[detector]\nname = "plant"\nby = "site"\n[data]\ntrain = "in/"\ntimestamp = "time"\n'


def test_the_detector_of_a_value_reads_and_writes_what_is_its_own(tmp_path):
    """Its name, its part of the divided data, and a folder that readers of Hive partitions know."""
    (tmp_path / "site.toml").write_text(BY + '[scoring]\ninput = "new/"\noutput = "out"\n')
    one = read_config(tmp_path / "site.toml", ["detector.only=Halle 3/b"])
    assert one.name == "plant-Halle_3_b-d196813b"
    assert one.train == (str(tmp_path / "out/_values/train/Halle_3_b-d196813b"),)
    assert one.input == (str(tmp_path / "out/_values/input/Halle_3_b-d196813b"),)
    assert one.output == tmp_path / "out" / "site=Halle%203%2Fb"
    assert one.data.entity == "site"
    assert one.detector.by is None


def test_the_column_of_the_values_is_no_feature_where_entities_are_another(tmp_path):
    """It is the same in all rows of a detector."""
    (tmp_path / "site.toml").write_text(BY + 'entity = "unit"\n')
    one = read_config(tmp_path / "site.toml", ["detector.only=7"])  # a number on the command line
    assert (one.data.entity, one.data.exclude, one.name) == ("unit", ("site",), "plant-7")


def test_what_takes_one_detector_refuses_several(tmp_path):
    """The message says how one is named."""
    (tmp_path / "site.toml").write_text(BY)
    with pytest.raises(ConfigError, match=r"name it, as --set detector.only=VALUE"):
        check_single(read_config(tmp_path / "site.toml"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["scoring.model=plant/1"], r"\[scoring\] model names one detector"),
        (["detector.by=a/b"], r'\[detector\] by must have no "/"'),
        (
            ["scoring.output=memory://out", "detector.only=east"],
            r"\[detector\] by needs \[scoring\] output on a disk",
        ),
    ],
)
def test_impossible_settings_of_several_detectors_are_refused(tmp_path, overrides, message):
    """Before anything is read."""
    (tmp_path / "site.toml").write_text(BY)
    with pytest.raises(ConfigError, match=message):
        read_config(tmp_path / "site.toml", overrides)


@pytest.mark.parametrize(
    ("scoring", "calibration", "every"),
    [
        ({}, {}, None),
        ({"schedule": "0 6 * * *"}, {}, "1d"),
        ({"schedule": "0 6 * * *"}, {"renew": "never"}, None),
        ({"schedule": "0 6 * * *"}, {"renew": "7d"}, "7d"),
        ({}, {"renew": "1d"}, "1d"),
    ],
)
def test_thresholds_of_scheduled_detectors_follow(tmp_path, scoring, calibration, every):
    """Daily, unless the configuration says otherwise."""
    config = make_config(
        {**tomllib.loads(LEAST), "scoring": scoring, "calibration": calibration}, folder=tmp_path
    )
    assert config.renew == every


@pytest.mark.parametrize("every", ["off", "0d"])
def test_a_wrong_renewal_is_refused(tmp_path, every):
    """With the values that there are."""
    with pytest.raises(ConfigError, match=r"\[calibration\] renew must be"):
        make_config({**tomllib.loads(LEAST), "calibration": {"renew": every}}, folder=tmp_path)
