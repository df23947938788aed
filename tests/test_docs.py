"""The README and the pages under docs/ are correct."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import asdict, fields
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pyarrow as pa
import pytest

import aedetect
from aedetect.cli import app
from aedetect.config import Config, make_config
from aedetect.config.config import NOT_SECTIONS
from aedetect.config.schema import config_schema
from aedetect.output.schemas import events_schema, flagged_schema, scores_schema

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TEXTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
}
CONFIGURATION = TEXTS["docs/reference/configuration.md"]
TOML = {
    f"{name}:{number}": block
    for name, text in TEXTS.items()
    for number, block in enumerate(re.findall(r"```toml[^\n]*\n(.*?)```", text, re.DOTALL))
}
EVERYTHING = TOML["docs/reference/configuration.md:0"]
COMMANDS = {command.name or command.callback.__name__ for command in app.registered_commands}
SECTIONS = [entry.name for entry in fields(Config) if entry.name not in NOT_SECTIONS]
LEAST = {"detector": {"name": "pump"}, "data": {"train": "history/", "timestamp": "time"}}


@pytest.fixture(scope="module")
def hooks():
    """What MkDocs makes from the code."""
    spec = spec_from_file_location("hooks", DOCS / "hooks.py")
    hooks = module_from_spec(spec)
    spec.loader.exec_module(hooks)
    return hooks


@pytest.fixture(scope="module")
def reference(hooks):
    """The page of the commands, as in the site."""
    return hooks.commands_page()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; a broken link fails the build."""
    to = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", to],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return to


@pytest.mark.parametrize("block", TOML)
def test_configurations_are_valid(block):
    """Each block is valid as it is, and with its commented keys."""
    make_config(tomllib.loads(TOML[block]), folder=ROOT)
    make_config(tomllib.loads(uncommented(TOML[block])), folder=ROOT)


def uncommented(block):
    """Return a block with the keys that are commented out."""
    return re.sub(r"^# (?=\w+ = )", "", block, flags=re.MULTILINE)


def keys():
    """Return the keys of each section."""
    config = make_config(LEAST, folder=ROOT)
    return {name: {entry.name for entry in fields(getattr(config, name))} for name in SECTIONS}


def test_configuration_shows_every_key():
    """All keys are shown, and nothing else."""
    shown = {name: set(found) for name, found in tomllib.loads(uncommented(EVERYTHING)).items()}
    assert shown == keys()


def test_configuration_explains_every_key():
    """Each key has a row in the table of its section, and nothing else has."""
    explained = {}
    for section, text in re.findall(r"^## `\[(\w+)\]`\n(.*?)(?=^## |\Z)", CONFIGURATION, FLAGS):
        cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
        explained[section] = [name for cell in cells for name in re.findall(r"\w+", cell)]
    assert {section: set(names) for section, names in explained.items()} == keys()
    assert all(len(names) == len(set(names)) for names in explained.values())


FLAGS = re.MULTILINE | re.DOTALL


def test_schema_describes_keys_as_the_page_does(hooks):
    """Editors show what the tables say; `python docs/hooks.py` writes it again after a change."""
    assert hooks.DESCRIPTIONS.read_text(encoding="utf-8") == hooks.descriptions()
    for section, schema in config_schema()["properties"].items():
        for key, about in schema["properties"].items():
            assert about["description"], f"[{section}] {key}"
            assert not re.search(r"[`|]|\]\(", about["description"])


def test_configuration_shows_the_defaults():
    """Omitting all keys with a default gives the same configuration."""
    shown = tomllib.loads(EVERYTHING)
    needed = {"detector": shown["detector"]}
    needed["data"] = {key: shown["data"][key] for key in ("train", "timestamp")}
    whole, least = (asdict(make_config(given, folder=ROOT)) for given in (shown, needed))
    assert whole == least


def test_commands_are_shown(reference):
    """The reference has a heading for every command of the program and for no other."""
    assert set(re.findall(r"^## `aedetect ([a-z-]+)`$", reference, re.MULTILINE)) == COMMANDS


def uses():
    """Return each command line in the pages: the page, the command and its options."""
    for name, text in TEXTS.items():
        for line in re.findall(r"(?:^ {4}|^\$ |`)aedetect (?=[a-z])([^`\n]+)", text, re.MULTILINE):
            command, *words = line.partition("#")[0].split()
            yield name, command, [word.partition("=")[0] for word in words if word[:2] == "--"]


def test_commands_exist(reference):
    """Every command and option that a page names is one of the program."""
    sections = re.split(r"^## `aedetect ", reference, flags=re.MULTILINE)[1:]
    known = {part.partition("`")[0]: set(re.findall(r"`(--[a-z-]+)", part)) for part in sections}
    found = list(uses())
    wrong = [(name, command) for name, command, _ in found if command not in known]
    assert wrong == []
    wrong = [use for use in found if not set(use[2]) <= known[use[1]]]
    assert wrong == []
    assert {"check", "train", "score", "flags"} <= {
        use[1] for use in found if use[0] == "README.md"
    }


def modules(package):
    """Return the modules of a package by folder, those below it included."""
    found = {}
    for path in (ROOT / package).rglob("[!_]*.py"):
        found.setdefault(f"{path.parent.relative_to(ROOT).as_posix()}/", set()).add(path.name)
    return found


def test_map_of_the_code_is_complete():
    """Each module has a line under its package, and there are no other lines."""
    listed = {}
    text = TEXTS["docs/internals/map.md"]
    for package, part in re.findall(r"^## `([\w/]+/)`\n(.*?)(?=^## |\Z)", text, FLAGS):
        listed[package] = re.findall(r"^\| `([\w.]+)` \|", part, re.MULTILINE)
    there = modules("aedetect") | modules("pipelines")
    there["aedetect/"].add("__main__.py")
    assert {package: set(names) for package, names in listed.items()} == there
    assert all(len(names) == len(set(names)) for names in listed.values())


@pytest.mark.parametrize("page", [name for name in TEXTS if "internals" in name])
def test_paths_exist(page):
    """Files and folders of the repository that a page names exist."""
    pattern = r"`((?:aedetect|pipelines|tests|benchmarks|docs|data)/[\w/.]*)`"
    named = re.findall(pattern, TEXTS[page])
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    ("folder", "schema"),
    [("scores", scores_schema), ("flagged", flagged_schema), ("events", events_schema)],
)
def test_columns_are_shown(folder, schema):
    """Each output column has a row in the table of its folder, and nothing else has."""
    text = TEXTS["docs/reference/output.md"]
    part = re.search(rf"^## `{folder}/`\n(.*?)^## ", text, FLAGS)[1]
    cells = re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
    shown = [name for cell in cells for name in re.findall(r"\w+", cell)]
    moment = pa.timestamp("us")
    columns = set(schema(moment).names)
    if folder == "flagged":
        columns -= set(scores_schema(moment).names) - set(shown)
    assert set(shown) == columns
    assert len(shown) == len(set(shown))


def test_links_are_not_broken():
    """Files that the README and the pages link to exist."""
    broken = []
    for name, text in TEXTS.items():
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        inner = [link for link in links if "://" not in link]
        folder = (ROOT / name).parent
        broken += [(name, link) for link in inner if not (folder / link).exists()]
    made = {"reference/commands.md", "../reference/commands.md"}  # by docs/hooks.py
    assert [each for each in broken if each[1] not in made] == []


@pytest.mark.timeout(300)  # half a minute on an idle machine
def test_tutorial_finds_the_fault(tmp_path):
    """Its script, configuration and commands lead to the fault, and to `flow` as its cause."""
    text = TEXTS["docs/tutorial.md"]
    script = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    (tmp_path / "pump.toml").write_text(TOML["docs/tutorial.md:0"], encoding="utf-8")

    def run(*words):
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=os.environ | {"PREFECT_HOME": str(tmp_path / "prefect")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("-c", script)
    assert "40,320 normal rows" in run("-m", "aedetect", "check", "pump.toml")
    run("-m", "aedetect", "train", "pump.toml", "--set", "training.epochs=2")  # 35 in the tutorial
    run("-m", "aedetect", "score", "pump.toml")
    first = json.loads(run("-m", "aedetect", "flags", "pump.toml", "--json"))[0]
    assert first["entity"] == "p2"
    assert first["start"].startswith("2026-03-16T06:00:00+00:00")
    assert first["causes"][0]["feature"] == "flow"


def test_readme_is_short():
    """It has two screens; everything else is a page."""
    assert len(TEXTS["README.md"].splitlines()) <= 100


def test_site_is_complete(site):
    """Every page is built, including those generated from the code."""
    pages = {Path(name).relative_to("docs") for name in TEXTS if name != "README.md"}
    pages.add(Path("reference/commands.md"))
    assert {page for page in pages if not (site / page.with_suffix(".html")).exists()} == set()


def test_site_renders_all_markup(site):
    """No fence, table or note remains as source text."""
    typed = re.compile(r"<p>(?:[^<]*\n)?(?:```|\|.*\||!!! |\?\?\? |:::)")
    pages = {path.name: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    assert {name: typed.findall(text) for name, text in pages.items() if typed.search(text)} == {}


def test_site_shows_the_python_api(site):
    """Each public name is on the page, and no private one is."""
    text = (site / "reference/python.html").read_text(encoding="utf-8")
    shown = set(re.findall(r'id="aedetect\.(\w+)"', text))
    assert set(getattr(aedetect, "__all__", ())) <= shown
    rendered = re.findall(r"^::: ([\w.]+)$", TEXTS["docs/reference/python.md"], re.MULTILINE)
    assert ("aedetect.testing" in rendered) == (find_spec("aedetect.testing") is not None)
    assert {name for name in shown if name.startswith("_")} == set()


def test_site_loads_nothing_from_the_network(site):
    """No page loads a script, style, font or image from another host."""
    asked = r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=\"?(?:https?:)?//"
    pages = list(site.rglob("*.html"))
    assert pages
    assert [page for page in pages if re.search(asked, page.read_text(encoding="utf-8"))] == []


def test_site_search_works_offline(site):
    """The index is a script, which a page can load from file://, and contains the pages."""
    script = (site / "search/search_index.js").read_text(encoding="utf-8")
    index = json.loads(script.removeprefix("var __index = "))
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {"tutorial.html", "reference/commands.html", "benchmarks.html"} <= found
    assert "iframe-worker" in (site / "index.html").read_text(encoding="utf-8")
