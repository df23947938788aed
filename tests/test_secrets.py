"""Secrets: where they are resolved from, and where they must not appear."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import pytest

from aedetect import cli
from aedetect.cli.options import load_config as read_on_command_line
from aedetect.config import make_config, read_config
from aedetect.errors import ConfigError
from aedetect.secrets import Secrets, mask

LEAST = {
    "detector": {"name": "pump"},
    "data": {"train": "history", "timestamp": "time"},
}


def with_section(name, *, secrets=None, folder=Path("/srv"), **keys):
    """Make a minimal configuration with some keys of one section."""
    given = LEAST | {name: LEAST.get(name, {}) | keys}
    return make_config(given, folder=folder, secrets=secrets)


def test_references_lead_to_the_environment():
    """For every secret setting, "env:NAME" is resolved when it is needed, not before."""
    secrets = Secrets({"DB": "postgresql://me:pw@db/plant", "A": "json://a", "M": "http://m:5000"})
    database = with_section("database", url="env:DB", secrets=secrets)
    assert database.database_url == "postgresql://me:pw@db/plant"
    assert "pw" not in repr(database)
    assert with_section("registry", tracking_uri="env:M", secrets=secrets).tracking_uri == (
        "http://m:5000"
    )
    notify = with_section("notify", urls=["json://b", "env:A"], secrets=secrets)
    assert notify.notify_urls == ("json://b", "json://a")
    assert with_section("notify", urls="env:A", secrets=secrets).notify_urls == ("json://a",)


def test_the_environment_is_that_of_the_process(monkeypatch, tmp_path):
    """A configuration read from a file only needs the variable."""
    path = tmp_path / "pump.toml"
    path.write_text(
        '[detector]\nname = "pump"\n[data]\ntrain = "x"\ntimestamp = "t"\n'
        '[database]\nurl = "env:AEDETECT_TEST_DATABASE"\n'
    )
    monkeypatch.setenv("AEDETECT_TEST_DATABASE", "sqlite:///plant.db")
    assert read_config(path).database_url == f"sqlite:///{tmp_path}/plant.db"


@pytest.mark.parametrize("environment", [{}, {"DB": ""}, {"DB": " \n"}])
def test_a_variable_that_is_not_set_is_named(environment):
    """With the key that refers to it, and how to set it."""
    config = with_section("database", url="env:DB", secrets=Secrets(environment))
    with pytest.raises(ConfigError, match=r"\[database\] url .* variable DB, .* `export DB="):
        _ = config.database_url


def test_references_lead_to_blocks():
    """Blocks are resolved through Prefect; a missing one is named."""
    secrets = Secrets(blocks={"db": "sqlite:////x.db"}.__getitem__)
    assert with_section("database", url="block:db", secrets=secrets).database_url == (
        "sqlite:////x.db"
    )
    absent = with_section("notify", urls=["block:team"], secrets=secrets)
    with pytest.raises(ConfigError, match=r"\[notify\] urls .* block team, .*Secret\(value"):
        _ = absent.notify_urls


def test_blocks_without_prefect_are_refused():
    """The message of the library names what can resolve it."""
    config = with_section("database", url="block:db")
    with pytest.raises(ConfigError, match="which needs Prefect"):
        _ = config.database_url


def test_secret_blocks_of_prefect(prefect):
    """A Secret block of a real server is found, a missing one is not."""
    from prefect.blocks.system import Secret

    from pipelines.secret_blocks import secrets

    Secret(value="json://team").save("team-channel")
    config = with_section("notify", urls="block:team-channel", secrets=secrets())
    assert config.notify_urls == ("json://team",)
    with pytest.raises(ConfigError, match="no such Secret block"):
        _ = with_section("notify", urls="block:absent", secrets=secrets()).notify_urls


def test_every_command_resolves_blocks():
    """All commands read configurations through the function that sets the sources of secrets."""
    for path in Path(cli.__file__).parent.glob("*.py"):
        imported = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module == "aedetect.config"
            for alias in node.names
        }
        assert "read_config" not in imported or path.name == "options.py"


@pytest.mark.parametrize(
    ("section", "key", "url"),
    [
        ("database", "url", "postgresql://me:canary@db/plant"),
        ("database", "url", "postgresql://me:can/ary@db/plant"),
        ("database", "url", "postgresql://db/plant?user=me&password=canary"),
        ("registry", "tracking_uri", "https://me:canary@mlflow"),
        ("notify", "urls", ["json://ok", "json://me:canary@team"]),
        ("notify", "urls", "jsons://team?+X-Token=canary"),
        ("data", "train", "https://me:canary@files/train.parquet"),
        ("scoring", "input", ["https://files/x.parquet?X-Amz-Signature=canary"]),
    ],
)
def test_passwords_in_the_configuration_are_refused(section, key, url):
    """The message names the setting and the remedy, and does not repeat the password."""
    with pytest.raises(ConfigError, match=rf"\[{section}\] {key} must not .* env:NAME") as refused:
        with_section(section, **{key: url})
    assert "can" not in str(refused.value).replace("can be", "")


def test_tokens_never_become_parameters_of_a_run(tmp_path):
    """The command line refuses a token that only Apprise recognises, before Prefect gets it."""
    path = tmp_path / "pump.toml"
    path.write_text('[detector]\nname = "pump"\n[data]\ntrain = "x"\ntimestamp = "t"\n')
    with pytest.raises(ConfigError, match=r"\[notify\] urls\[1\] must not hold") as refused:
        read_on_command_line(
            path, ['notify.urls=["env:A", "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"]']
        )
    assert "JHMHI8qBe7bk2ZwO5U711o3dV_js" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://mlflow:5000", "sqlite:////srv/a@b/mlflow.db", "http://me@mlflow:5000"]
)
def test_addresses_without_passwords_pass(url):
    """Ports, at signs in paths and user names without a password are no secrets."""
    assert with_section("registry", tracking_uri=url).tracking_uri == url


def test_values_of_secret_sections_are_not_repeated():
    """A token that no pattern knows is not in the message about its type either."""
    with pytest.raises(ConfigError) as refused:
        with_section("notify", urls=["slack://canary/token", 5])
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("key", ["schema", "prefix"])
@pytest.mark.parametrize("name", ["Plant", "1st", "a-b", 'x"; DROP', "é", "x" * 41])
def test_table_names_need_no_quotes(key, name):
    """A name that databases read differently is refused."""
    with pytest.raises(ConfigError, match=rf"\[database\] {key} must be small letters"):
        with_section("database", **{key: name})


@pytest.mark.parametrize(
    ("text", "secret", "shown"),
    [
        ("at http://me:canary@m:5000/x: no", "", "at http://***@m:5000/x: no"),
        ("user canary@1 refused", "http://me:canary%401@m", "user *** refused"),
        ("token canary refused", "canary", "token *** refused"),
        ("no host canary@db", "postgresql://me:ab@canary@db/x", "no host ***@db"),
        ("no path /canary", "http://me:ab/canary@db/x", "no path /***"),
        ("https://m/?a=1&api_key=canary&b=2", "", "https://m/?a=1&api_key=***&b=2"),
        ("sqlite:////srv/a@b/mlflow.db is locked", "", "sqlite:////srv/a@b/mlflow.db is locked"),
    ],
)
def test_messages_are_masked(text, secret, shown):
    """Logins, tokens and what is known to be secret are hidden, all else stays readable."""
    assert mask(text, secret) == shown


def test_a_configuration_can_go_to_another_process():
    """References are resolved over there, with blocks of the server over there."""
    from pipelines.secret_blocks import secrets

    config = with_section("database", url="env:DB", secrets=secrets())
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - written a moment ago
