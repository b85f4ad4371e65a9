"""Tests mirror the tree: a module's tests stand where it stands, in a file of its name.

`api/access/api_keys.py` has `tests/api/access/test_api_keys.py`. A module of which nothing can fail, as it has no
function with a body, needs none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.repository import ROOT

PACKAGES = ("api", "clients/python/midstream_client", "midstream", "shared", "simulator", "worker")

ELSEWHERE = {
    # Contracts: the same tests over several servers.
    "api/intake/joining.py": "tests/contract/test_joining.py",
    "shared/access/key_store.py": "tests/contract/test_key_store.py",
    "shared/conversations/conversations.py": "tests/contract/test_conversations.py",
    "shared/conversations/look.py": "tests/contract/test_conversations.py",
    "shared/conversations/owner_index.py": "tests/contract/test_conversations.py",
    "shared/conversations/renewal.py": "tests/contract/test_conversations.py",
    "shared/generations/ancestry.py": "tests/contract/test_ancestry.py",
    "shared/generations/api_nodes.py": "tests/contract/test_api_nodes.py",
    "shared/generations/askers.py": "tests/contract/test_askers.py",
    "shared/generations/conversation_removal.py": "tests/contract/test_conversations.py",
    "shared/generations/deadlines.py": "tests/contract/test_deadlines.py",
    "shared/generations/generations.py": "tests/contract/test_generations.py",
    "shared/generations/unwatched.py": "tests/contract/test_unwatched.py",
    "shared/generations/viewer_counts.py": "tests/contract/test_viewer_counts.py",
    "shared/generations/watchable.py": "tests/contract/test_watchable.py",
    "shared/log/guarded_log.py": "tests/contract/test_log.py",
    "shared/permissions/permission_check.py": "tests/contract/test_permissions.py",
    "shared/queue/indexes.py": "tests/contract/test_indexes.py",
    "shared/queue/limits.py": "tests/contract/test_limits.py",
    "shared/queue/lines.py": "tests/contract/test_lines.py",
    "shared/queue/queue.py": "tests/contract/test_queue.py",
    "shared/queue/standing.py": "tests/contract/test_standing.py",
    "shared/queue/workers.py": "tests/contract/test_workers.py",
    "shared/storage/outage.py": "tests/contract/test_outage.py",
    "shared/usage.py": "tests/contract/test_totals.py",
}
"""Modules whose tests stand in another file for a good reason, and that file, which imports the module."""


def modules() -> Iterator[Path]:
    """All of ours."""
    for package in PACKAGES:
        yield from (path.relative_to(ROOT) for path in sorted((ROOT / package).rglob("*.py")))


def has_body(path: Path) -> bool:
    """Whether any function of it does something: more than its docstring, `...` and `pass`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not all(map(_says_nothing, node.body)):
            return True
    return False


def _says_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def mirrored(module: Path) -> Path:
    """Where its tests belong."""
    return Path("tests", module.parent, f"test_{module.name}")


def imported(test: Path) -> set[str]:
    """The modules that a test file imports, also within its functions."""
    tree = ast.parse((ROOT / test).read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module, *(f"{module}.{alias.name}" for alias in names)}
    return found


def test_each_module_has_its_tests_where_it_stands() -> None:
    missing = [
        f"{module} has no {mirrored(module)}"
        for module in modules()
        if str(module) not in ELSEWHERE and has_body(ROOT / module) and not (ROOT / mirrored(module)).is_file()
    ]
    assert missing == []


@pytest.mark.parametrize("module", ELSEWHERE)
def test_what_is_in_a_table_belongs_there(module: str) -> None:
    assert (ROOT / module).is_file(), "the module is gone: take it out of the table"
    assert not (ROOT / mirrored(Path(module))).is_file(), "it has a file of its name now: take it out of the table"
    assert (ROOT / ELSEWHERE[module]).is_file()


@pytest.mark.parametrize(("module", "test"), ELSEWHERE.items())
def test_what_stands_elsewhere_is_about_it(module: str, test: str) -> None:
    assert module.removesuffix(".py").replace("/", ".") in imported(Path(test))


def test_the_tables_stay_short() -> None:
    assert len(ELSEWHERE) <= 25


def test_a_module_without_a_body_is_told_from_one_with(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    for text, expected in (
        ('"""Names."""\nLIMIT = 5\n', False),
        ('class Protocol:\n    def ask(self) -> int:\n        """What."""\n        ...\n', False),
        ("class Empty:\n    def nothing(self) -> None: pass\n", False),
        ("def ask() -> int:\n    return 5\n", True),
        ("class Deep:\n    class Deeper:\n        async def ask(self) -> None:\n            raise ValueError\n", True),
    ):
        module.write_text(text)
        assert has_body(module) is expected, text
