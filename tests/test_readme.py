"""What the README says is so."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from aedetect.cli import app
from aedetect.config import Config, make_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
EVERYTHING = max(TOML, key=len)


@pytest.mark.parametrize("block", TOML)
def test_configurations_are_valid(block):
    """Each block can be copied as it stands, with what is commented out too."""
    make_config(tomllib.loads(block), folder=ROOT)
    make_config(tomllib.loads(uncommented(block)), folder=ROOT)


def uncommented(block):
    """Return a block with the keys that are commented out."""
    return re.sub(r"^# (?=\w+ = )", "", block, flags=re.MULTILINE)


def test_configuration_shows_every_key():
    """What can be set is shown, and nothing else."""
    shown = {name: set(keys) for name, keys in tomllib.loads(uncommented(EVERYTHING)).items()}
    config = make_config(tomllib.loads(TOML[0]), folder=ROOT)
    sections = [entry.name for entry in fields(Config) if entry.name not in {"folder", "secrets"}]
    assert shown == {
        name: {entry.name for entry in fields(getattr(config, name))} for name in sections
    }


def test_configuration_shows_the_defaults():
    """Leaving every key out that has a default gives the same configuration."""
    shown = tomllib.loads(EVERYTHING)
    needed = {"detector": shown["detector"]}
    needed["data"] = {key: shown["data"][key] for key in ("train", "timestamp")}
    whole, least = (asdict(make_config(given, folder=ROOT)) for given in (shown, needed))
    assert whole == least


def test_commands_exist_and_are_shown():
    """The README names every command of the program and no other."""
    named = set(re.findall(r"(?:^    |`)aedetect ([a-z]+)", README, re.MULTILINE))
    assert named == {
        command.name or command.callback.__name__ for command in app.registered_commands
    }


def entries(package):
    """Return what the map of the code lists below a package."""
    below = re.search(rf"^    {package}/ .*\n((?:      .*\n)+)", README, re.MULTILINE)
    return re.findall(r"^      ([\w./]+)", below[1], re.MULTILINE)


@pytest.mark.parametrize("package", ["pipelines", "aedetect"])
def test_map_of_the_code_is_complete(package):
    """Each module and each folder of modules has its line, and no line is about another."""
    modules = {path.name for path in (ROOT / package).glob("[!_]*.py")}
    folders = {f"{path.parent.name}/" for path in (ROOT / package).glob("*/__init__.py")}
    listed = entries(package)
    assert set(listed) == modules | folders
    assert len(listed) == len(set(listed))


def test_links_lead_somewhere():
    """Files that are linked to exist."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
