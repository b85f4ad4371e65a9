"""The order in which docs/operations.md says that workers are replaced, done as it says; and which Redis was tested."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.running import Running, executable, until
from tests.mended.server import Server
from tests.mended.upstream import DONE, Script, chunk, counted

pytestmark = pytest.mark.mended("answers-upgrade")
slow = [pytest.mark.slow, pytest.mark.timeout(240)]

ANSWERS = 12
OLD, NEW = 3, 3
DRAIN = 1.0
"""Seconds of `drain_timeout` where the answers are longer; where they are not, it is a minute."""
LONGEST = 120.0

New = Callable[[], Running]
Order = Callable[[list[Running], New], None]
Calls = Callable[..., list[int]]


def page(name: str) -> str:
    """A file of the commit that is tried."""
    return " ".join((Path(executable()).parents[2] / name).read_text().split())


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    """An ordinary server."""
    server = Server(tmp_path / "redis", sync="everysec")
    yield server
    server.kill()


def one_after_the_other(old: list[Running], new: New) -> None:
    """Each old worker is ended, and a new one started in its place, before the next."""
    for worker in old:
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(60) == 0, worker.output()
        new()


def new_ones_first(old: list[Running], new: New) -> None:
    """All new workers, and then the end of all old ones at once."""
    together(new, NEW)
    for worker in old:
        worker.process.send_signal(signal.SIGTERM)


def together(new: New, count: int) -> list[Running]:
    """So many, started at the same time."""
    with ThreadPoolExecutor(count) as at_once:
        return list(at_once.map(lambda _: new(), range(count)))


@pytest.fixture
def calls(start: Start, serve: Serve, redis: Server) -> Iterator[Calls]:
    """Replaces three workers while they run twelve answers; how often the provider was called for each answer."""
    over = threading.Event()

    def body() -> Iterator[object]:
        """An answer that ends when it is let."""
        for _ in range(int(LONGEST / 0.2)):
            if over.is_set():
                break
            yield chunk({"content": "and "})
            yield 0.2
        yield from (chunk({}, "stop"), counted(5, 7), DONE)

    def run(order: Order, *, outlasts_the_drain: bool) -> list[int]:
        models = [f"m{n}" for n in range(ANSWERS)]
        upstream = serve(dict.fromkeys(models, lambda _: Script(body())))
        drain = str(DRAIN if outlasts_the_drain else LONGEST)
        variables = {"MIDSTREAM_REDIS_URL": redis.url, "MIDSTREAM_DRAIN_TIMEOUT": drain}
        api = start(upstream, env=variables, program="api")

        def new(places: int = 500) -> Running:
            more = {"MIDSTREAM_CONCURRENCY": str(places)}
            return start(upstream, env=variables | more, program="worker")

        # The first to go has all answers, and the others have places for half of them each: how many start over does
        # not depend on who is the quickest to take them.
        old = [new()]
        asked = [api.ask(f"openai/{model}") for model in models]
        until(lambda: all(upstream.sent[model] for model in models))
        old += together(lambda: new(ANSWERS // (OLD - 1)), OLD - 1)
        order(old, new)
        if not outlasts_the_drain:
            over.set()
        for worker in old:
            assert worker.process.wait(60) == 0, worker.output()
        if outlasts_the_drain:
            # Each has been taken by somebody before it may end.
            until(lambda: all(api.snapshot(generation)["state"] == "running" for generation in asked))
        over.set()
        for generation in asked:
            assert api.end(generation)["state"] == "completed"
        return [len(upstream.sent[model]) for model in models]

    yield run
    over.set()


@pytest.mark.nightly
class TestWorkers:
    pytestmark = slow

    def test_in_the_order_of_the_page_each_starts_over_once_at_most(self, calls: Calls) -> None:
        upgrades = page("docs/operations.md").partition("## Upgrades ")[2]
        order = new_ones_first if "new workers first" in upgrades else one_after_the_other
        assert max(calls(order, outlasts_the_drain=True)) == 2

    @pytest.mark.mended("answers-upgrade", guard=True)
    def test_none_starts_over_where_the_drain_is_longer_than_the_answers(self, calls: Calls) -> None:
        assert calls(new_ones_first, outlasts_the_drain=False) == [1] * ANSWERS

    @pytest.mark.mended("answers-upgrade", guard=True)
    def test_one_after_the_other_has_answers_start_over_twice(self, calls: Calls) -> None:
        """What a worker hands over, the next one to go may take: the page warns of it."""
        assert max(calls(one_after_the_other, outlasts_the_drain=True)) > 2


def test_the_redis_of_compose_is_one_of_those_that_were_tested() -> None:
    image = re.search(r"image: \S*?(redis|valkey):(\d+\.\d+)", page("compose.yaml"))
    assert image
    tested = re.search(r"Tested with ([^.]+(?:\.\d[^.]*)*)", page("docs/operations.md"))
    assert tested
    assert re.search(rf"{image[1]} {re.escape(image[2])}\b", tested[1], re.IGNORECASE), (image[0], tested[0])
