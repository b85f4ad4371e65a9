"""The order in which docs/operations.md says that workers are replaced, done as it says; and which Redis was tested."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.running import Running, executable, until
from tests.mended.server import Server
from tests.mended.upstream import DONE, Script, Upstream, chunk, counted

pytestmark = pytest.mark.mended("answers-upgrade")
slow = [pytest.mark.slow, pytest.mark.timeout(240)]

ANSWERS = 12
LONG = 24.0
"""Seconds of one answer."""
SHORT_DRAIN = {"MIDSTREAM_DRAIN_TIMEOUT": "1"}
LONG_DRAIN = {"MIDSTREAM_DRAIN_TIMEOUT": "40"}
OLD, NEW = 3, 3

Replace = Callable[[list[Running], Callable[[], Running]], None]
Calls = Callable[[Replace, dict[str, str]], list[int]]


def page(name: str) -> str:
    """A file of the commit that is tried."""
    return " ".join((Path(executable()).parents[2] / name).read_text().split())


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    """An ordinary server."""
    server = Server(tmp_path / "redis", sync="everysec")
    yield server
    server.kill()


def one_after_the_other(old: list[Running], new: Callable[[], Running]) -> None:
    """Each old worker is ended, and a new one started in its place, before the next."""
    for worker in old:
        ended(worker)
        new()


def new_ones_first(old: list[Running], new: Callable[[], Running]) -> None:
    """All new workers, and then the end of all old ones at once."""
    together(new, NEW)
    with ThreadPoolExecutor(len(old)) as at_once:
        list(at_once.map(ended, old))


def together(new: Callable[[], Running], count: int) -> list[Running]:
    """So many, started at the same time."""
    with ThreadPoolExecutor(count) as at_once:
        return list(at_once.map(lambda _: new(), range(count)))


def ended(worker: Running) -> None:
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(60) == 0, worker.output()


@pytest.fixture
def calls(start: Start, serve: Serve, redis: Server) -> Calls:
    """Replaces three workers while they run twelve answers; how often the provider was called for each answer."""

    def run(replace: Replace, drain: dict[str, str]) -> list[int]:
        pause = LONG / 20
        body = [step for n in range(20) for step in (chunk({"content": f"{n} "}), pause)]
        script = Script([*body, chunk({}, "stop"), counted(5, 7), DONE])
        models = [f"m{n}" for n in range(ANSWERS)]
        upstream = serve(dict.fromkeys(models, script))
        variables = {"MIDSTREAM_REDIS_URL": redis.url} | drain
        api = start(upstream, env=variables, program="api")
        # The first to go has all answers: how many start over does not depend on who was the quickest to take them.
        old = [start(upstream, env=variables, program="worker")]
        asked = [api.ask(f"openai/{model}") for model in models]
        until(lambda: all(upstream.sent[model] for model in models))

        def new() -> Running:
            return start(upstream, env=variables, program="worker")

        replace([*old, *together(new, OLD - 1)], new)
        for generation in asked:
            assert api.end(generation)["state"] == "completed"
        return counts(upstream, models)

    return run


def counts(upstream: Upstream, models: list[str]) -> list[int]:
    return [len(upstream.sent[model]) for model in models]


class TestWorkers:
    pytestmark = slow

    def test_in_the_order_of_the_page_each_starts_over_once_at_most(self, calls: Calls) -> None:
        upgrades = page("docs/operations.md").partition("## Upgrades ")[2]
        order = new_ones_first if "new workers first" in upgrades else one_after_the_other
        assert max(calls(order, SHORT_DRAIN)) == 2

    @pytest.mark.mended("answers-upgrade", guard=True)
    def test_none_starts_over_where_the_drain_is_longer_than_the_answers(self, calls: Calls) -> None:
        assert calls(new_ones_first, LONG_DRAIN) == [1] * ANSWERS

    @pytest.mark.mended("answers-upgrade", guard=True)
    def test_one_after_the_other_has_answers_start_over_twice(self, calls: Calls) -> None:
        """What a worker hands over, the next one to go may take: the page warns of it."""
        assert max(calls(one_after_the_other, SHORT_DRAIN)) > 2


def test_the_redis_of_compose_is_one_of_those_that_were_tested() -> None:
    image = re.search(r"image: \S*?(redis|valkey):(\d+\.\d+)", page("compose.yaml"))
    assert image
    tested = re.search(r"Tested with ([^.]+(?:\.\d[^.]*)*)", page("docs/operations.md"))
    assert tested
    assert re.search(rf"{image[1]} {re.escape(image[2])}\b", tested[1], re.IGNORECASE), (image[0], tested[0])
