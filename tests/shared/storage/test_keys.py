"""Names in Redis: each is in architecture.md's table, and stands in one file."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from arq.constants import job_key_prefix, retry_key_prefix

from shared.storage import keys
from shared.storage.keys import ConversationKeys, GenerationKeys
from tests.harness.repository import ROOT

TABLE = (
    (ROOT / "docs/architecture.md")
    .read_text(encoding="utf-8")
    .partition("## What is in Redis")[2]
    .partition("\n## ")[0]
)
NAMES = set(re.findall(r"^\| `([^`]+)` \|", TABLE, re.MULTILINE))
ARGUMENTS: dict[Callable[..., str], tuple[Any, ...]] = {
    keys.job_key: ("ID",),
    keys.retry_key: ("ID",),
    keys.owner_key: ("OWNER",),
    keys.owner_viewers_key: ("OWNER",),
    keys.conversations_key: ("OWNER",),
    keys.line_key: ("OWNER",),
    keys.announced_key: ("OWNER",),
    keys.rate_key: ("OWNER",),
    keys.running_key: ("OWNER",),
    keys.usage_key: ("OWNER", date(2026, 1, 2)),
    keys.cache_key: ("DIGEST",),
    keys.circuit_key: ("MODEL",),
    keys.provider_key: ("NAME",),
    keys.provider_waiting_key: ("NAME",),
    keys.stored_key: ("ID",),
    keys.task_key: ("TASK",),
    keys.askers_key: ("DIGEST",),
    keys.api_node_key: ("NODE",),
    keys.session_key: ("DIGEST",),
    keys.share_key: ("ID",),
}


def all_names() -> set[str]:
    constants = {value for name, value in vars(keys).items() if name.endswith(("_KEY", "_CHANNEL"))}
    made = {make(*arguments).replace("2026-01-02", "DAY") for make, arguments in ARGUMENTS.items()}
    of_one = set(vars(GenerationKeys("ID")).values())
    conversation = ConversationKeys("", "chat")
    digest = conversation.about.split("{")[1].partition("}")[0]
    return constants | made | of_one | {name.replace(digest, "DIGEST") for name in vars(conversation).values()}


def test_the_table_names_all_and_no_other() -> None:
    assert {name for name in vars(keys) if name.endswith("_key")} == {make.__name__ for make in ARGUMENTS}
    assert all_names() == NAMES


def test_arq_finds_its_jobs() -> None:
    assert keys.job_key("ID") == f"{job_key_prefix}ID"
    assert keys.retry_key("ID") == f"{retry_key_prefix}ID"


@pytest.mark.parametrize("package", ["api", "shared", "worker", "midstream"])
def test_no_name_stands_elsewhere(package: str) -> None:
    allowed = {"shared/storage/keys.py", "shared/permissions/commands.py", "shared/permissions/permission_check.py"}
    for file in (ROOT / package).rglob("*.py"):
        name = str(file.relative_to(ROOT))
        if name not in allowed:
            assert not re.findall(r"[\"'](?:midstream|arq):[\w{]", file.read_text(encoding="utf-8")), name
