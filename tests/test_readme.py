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


def listed():
    """Return the paths of packages and modules that the map of the code has a line for."""
    tree = README.split("## Map of the code")[1]
    paths, folders = [], {}
    for indent, name in re.findall(r"^( {4,8})([\w./]+) {2,}\S", tree, re.MULTILINE):
        folders[len(indent)] = name
        paths.append("".join(folders[depth] for depth in sorted(folders) if depth <= len(indent)))
        folders = {depth: each for depth, each in folders.items() if depth <= len(indent)}
    return paths


def test_map_of_the_code_is_complete():
    """Each module and each package has its line, and no line is about another."""
    files = [*(ROOT / "pipelines").rglob("*.py"), *(ROOT / "aedetect").rglob("*.py")]
    modules = {
        str(path.relative_to(ROOT)).replace("__init__.py", "")
        for path in files
        if path.name != "__main__.py" and "sample" not in path.parts
    }
    found = [path for path in listed() if path.startswith(("pipelines", "aedetect"))]
    assert set(found) == modules
    assert len(found) == len(modules)


def test_links_lead_somewhere():
    """Files that are linked to exist."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
