"""What no test of one commit can show: sentences with what bears them, and suspicions that were disproved."""

from __future__ import annotations

from typing import NamedTuple

from tests.harness.repository import ROOT


class Sentence(NamedTuple):
    """A sentence of the documentation, and the tests, or the page with the figure, that bear it."""

    file: str
    text: str
    borne_by: tuple[str, ...]

    def is_borne(self) -> bool:
        """Whether it is there, and what bears it too."""
        return self.text in " ".join((ROOT / self.file).read_text().split()) and all(map(_is_there, self.borne_by))


def _is_there(bearer: str) -> bool:
    path, _, test = bearer.partition("::")
    return (ROOT / path).exists() and (not test or f"def {test}(" in (ROOT / path).read_text())


README = "README.md"
RELIABILITY = "docs/reliability.md"
CLAIMS = "tests/mended/test_claims.py"
OPERATION = "tests/mended/test_operation.py"

SENTENCES: dict[str, Sentence] = {
    "answers-paid-twice": Sentence(
        README,
        "by default the next worker starts the answer over, and the provider is paid for both attempts",
        (f"{CLAIMS}::test_who_is_asked_again_when_a_worker_is_killed",),
    ),
    "answers-promise-2": Sentence(
        README,
        "Where no worker lives, what waits ends at its `deadline`.",
        (f"{OPERATION}::test_a_deadline_is_kept_while_no_worker_is_alive",),
    ),
    "answers-promise-3": Sentence(
        README,
        "With `MIDSTREAM_DURABILITY=disk` the 202 waits until the disk has it.",
        ("tests/mended/test_durability.py::test_what_was_accepted_survives_a_crash_of_all",),
    ),
    "answers-promise-6": Sentence(
        README,
        "a slow or greedy caller does not slow the others",
        (
            "tests/api/viewing/test_event_stream.py::test_viewer_that_never_reads_is_cut",
            "tests/e2e/test_lines.py::test_one_owners_flood_keeps_no_other_waiting",
        ),
    ),
    "answers-latency-of-a-202": Sentence(RELIABILITY, "python -m bench.accept", ("bench/accept.py",)),
    "answers-image-of-compose": Sentence(
        "docs/operations.md",
        "Tested with Valkey 9.1, which is embedded and in `compose.yaml`, and with Debian's Redis 7.0.15.",
        ("tests/test_docs.py::test_the_redis_of_compose_is_one_that_is_tested",),
    ),
    "front-8-clients": Sentence(
        "docs/protocol.md",
        "All but those named as broken delivered each event exactly once",
        ("tests/judges/clients.py",),
    ),
    "front-10-nginx": Sentence(
        "docs/deployment.md",
        "A node that ends closes its connections, which is no failure: none is set aside",
        ("tests/mended/test_proxy.py::test_a_rolling_restart_loses_no_event_and_answers_no_viewer_with_a_5xx",),
    ),
    "front-crowds": Sentence(
        RELIABILITY,
        "python -m tests.chaos.hostile --seconds 240",
        ("tests/chaos/test_hostile.py::test_honest_users_beside_hostile_callers",),
    ),
    "redis-2-nginx": Sentence(
        "docs/deployment.md",
        "viewers who kept coming back were answered 200 each time while Redis was away for 20 s",
        ("tests/mended/test_proxy.py::test_no_viewer_gets_a_5xx_while_redis_is_away_or_full",),
    ),
    "redis-2-sentinel-user": Sentence(
        "docs/deployment.md",
        "their user needs `+sentinel|master` only",
        ("tests/mended/test_failover.py::test_sentinels_move_the_primary",),
    ),
    "redis-15-figures": Sentence(
        "docs/operations.md",
        "| `midstream worker` | up to `C` | 1 subscriber, 1 blocking pop, 1 cancel listener | 13 |",
        ("tests/mended/test_connections.py::test_each_process_opens_as_many_as_the_page_says",),
    ),
}
"""By point; a point with several sentences has a name for each."""

DISPROVED: dict[str, str] = {}
"""By point: what was tried."""
