"""Rules for every module of the library."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import aedetect
from aedetect import errors

ROOT = Path(aedetect.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
MODULES = [path for path in MODULES if "sample" not in path.parts]
MOST_LINES, MOST_BODY, MOST_OFFERED = 250, 50, 9


def parsed(path, *, nested=True):
    """The functions and classes of a module, with or without nested ones."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if nested:
        return [node for node in ast.walk(tree) if isinstance(node, kinds)]
    outer = [node for node in tree.body if isinstance(node, kinds)]
    classes = [node for node in outer if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
    return outer + [node for each in classes for node in each.body if isinstance(node, kinds)]


@pytest.fixture(params=MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def module(request):
    """Each module."""
    return request.param


def test_no_module_is_long(module):
    """A longer module should be split."""
    assert len(module.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_no_body_is_long(module):
    """A longer function should be split."""
    for node in parsed(module):
        if not isinstance(node, ast.ClassDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = node.end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= MOST_BODY, node.name


def test_every_public_name_has_a_docstring(module):
    """Functions and classes have a docstring, and so has the module."""
    assert ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    for node in parsed(module, nested=False):
        assert node.name.startswith("_") or ast.get_docstring(node), node.name


FACES = [path for path in sorted(ROOT.glob("*/__init__.py")) if path in MODULES]


@pytest.fixture(params=FACES, ids=lambda path: path.parent.name)
def package(request):
    """Each package."""
    return request.param.parent.name


def offered(name):
    """The public names of a package."""
    return getattr(importlib.import_module(f"aedetect.{name}"), "__all__", ())


def test_packages_have_few_public_names(package):
    """Each resolves, and none hides a module of the package."""
    module = importlib.import_module(f"aedetect.{package}")
    assert len(offered(package)) <= MOST_OFFERED
    assert all(hasattr(module, name) for name in offered(package))
    assert not set(offered(package)) & {path.stem for path in (ROOT / package).glob("*.py")}


def test_public_names_are_imported_from_their_package(module):
    """Other packages do not import them from its modules."""
    own = module.relative_to(ROOT).parts[0]
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        parts = (node.module or "").split(".") if isinstance(node, ast.ImportFrom) else []
        if len(parts) > 2 and parts[0] == "aedetect" and parts[1] != own:
            reached = {entry.name for entry in node.names} & set(offered(parts[1]))
            assert not reached, f"{node.module}: import {reached} from aedetect.{parts[1]}"


def test_a_public_name_is_defined_once():
    """One word, one meaning: what a module offers is not the name of another thing elsewhere."""
    defined = {}
    for path in MODULES:
        for node in parsed(path, nested=False):
            if node.col_offset == 0 and not node.name.startswith("_"):
                defined.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in defined.items() if len(paths) > 1} == {}


def test_every_error_is_in_the_tree_below_its_parent():
    """With the sentence of its docstring, if it has one."""
    above, drawn = {}, set()
    for line in errors.__doc__.splitlines():
        match = re.fullmatch(r"( {4}[ │├└─]*)(\w+)(?: {2,}(.+))?", line)
        if match:
            depth = len(match[1]) // 4
            kind = getattr(errors, match[2])
            above[depth] = kind
            drawn.add(kind)
            assert kind.__base__ is above.get(depth - 1, Exception)
            assert (match[3] or "").lower() in kind.__doc__.lower()
    assert drawn == {kind for _, kind in inspect.getmembers(errors, inspect.isclass)}


def test_arrow_reads_python_files_on_the_calling_thread(module):
    """Files are read with `use_threads=False`.

    A thread of Arrow that drops the last reference to a Python file while the process ends aborts
    it (apache/arrow#34314): 5 % of the processes that read one small file and ended.
    """
    threaded = {"iter_batches", "read_table", "read_row_group", "read_row_groups", "group_by"}
    for call in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            owner, name = ast.unparse(call.func.value), call.func.attr
            if name in threaded or (name == "read" and "parquet" in owner):
                given = {word.arg: ast.unparse(word.value) for word in call.keywords}
                assert given.get("use_threads") == "False", call.lineno
