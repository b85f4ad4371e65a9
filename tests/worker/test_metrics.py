"""A worker's metrics: bounded labels, and what counts under which."""

from __future__ import annotations

import pytest

from shared.config.settings import Settings
from shared.log.events import Cost, Spent, Usage
from shared.log.guarded_log import Claim, ClaimOutcome
from shared.usage import Ended, EndState
from worker.metrics import MAX_MODELS, MAX_OWNERS, WorkerMetrics, known_models

PRICED = Cost("0.25")


def ended(model: str, state: EndState = "completed", owner: str = "o", *spent: Spent) -> Ended:
    return Ended(id="gen_x", owner=owner, state=state, ended_ms=7, keep_ms=1, model=model, spent=spent)


@pytest.fixture
def metrics() -> WorkerMetrics:
    return WorkerMetrics(Settings())


def test_500_models_are_200_and_another(metrics: WorkerMetrics) -> None:
    for number in range(500):
        model = f"p/model-{number}"
        metrics.spoke(model, 0.1)
        metrics.counted([ended(model, "completed", "o", Spent(model, Usage(1, 2), PRICED))])
    for labels in (metrics.generations.values(), metrics.tokens.values(), metrics.cost.values()):
        assert len({values[-1] for values in labels}) == MAX_MODELS + 1
    assert metrics.generations.values()[("completed", "other")] == 500 - MAX_MODELS
    assert metrics.cost.values()[("other",)] == 0.25 * (500 - MAX_MODELS)
    assert metrics.first_token.rows().keys() == {(f"p/model-{n}",) for n in range(MAX_MODELS)} | {("other",)}


def test_a_name_that_never_answered_takes_no_label_from_others(metrics: WorkerMetrics) -> None:
    for number in range(500):
        metrics.counted([ended(f"p/made-up-{number}", "failed")])
    metrics.counted([ended("p/real?deltas=5", "completed"), ended("p/real", "failed")])
    assert metrics.generations.values() == {
        ("failed", "other"): 500,
        ("completed", "p/real"): 1,
        ("failed", "p/real"): 1,
    }


def test_models_of_the_settings_have_a_label_from_the_start() -> None:
    models = {"quick": "simulator/lorem?rate=5"}
    settings = Settings(simulator_url="http://127.0.0.1:9", models=models, default_model="quick")
    assert known_models(settings) == ["simulator/lorem"]
    metrics = WorkerMetrics(settings)
    metrics.counted([ended("simulator/lorem", "failed")])
    assert metrics.generations.values() == {("failed", "simulator/lorem"): 1}


def test_what_each_of_several_models_used_counts_under_its_name(metrics: WorkerMetrics) -> None:
    lines = [
        Spent("p/first", Usage(3, 4, 1, 0, 2), PRICED),
        Spent("p/second", Usage(10, 20), Cost("1.5")),
        Spent("p/second", Usage(7, 7), Cost("9"), estimated=True),
    ]
    metrics.counted([ended("p/second", "completed", "o", *lines)])
    assert metrics.generations.values() == {("completed", "p/second"): 1}
    assert metrics.tokens.values() == {
        ("input", "p/first"): 3,
        ("output", "p/first"): 4,
        ("cached", "p/first"): 1,
        ("reasoning", "p/first"): 2,
        ("input", "p/second"): 10,
        ("output", "p/second"): 20,
    }
    assert metrics.cost.values() == {("p/first",): 0.25, ("p/second",): 1.5}


def test_owners_are_a_label_where_that_is_set_and_bounded() -> None:
    metrics = WorkerMetrics(Settings(metrics_owners=True))
    for number in range(MAX_OWNERS + 3):
        metrics.counted([ended("p/m", "completed", f"owner-{number}")])
    values = metrics.generations.values()
    assert len(values) == MAX_OWNERS + 1
    assert values[("completed", "p/m", "other")] == 3
    assert values[("completed", "p/m", "owner-0")] == 1


def test_an_attempt_counts_by_its_reason_once_it_is_claimed(metrics: WorkerMetrics) -> None:
    first = b'{"number":2,"reason":"worker_lost","model":"p/m","provider":"p","continues":false,"t":0}'
    metrics.claimed("gen_x", Claim(ClaimOutcome.CLAIMED, 7, 2, first=first))
    metrics.claimed("gen_x", Claim(ClaimOutcome.EXHAUSTED, 8, 3))
    assert {labels: count for labels, count in metrics.attempts.values().items() if count} == {("worker_lost",): 1}


def test_times_are_taken_as_they_are_told(metrics: WorkerMetrics) -> None:
    for take, times in (
        (metrics.waited, metrics.wait),
        (metrics.piece, metrics.piece_time),
        (metrics.answered, metrics.append),
    ):
        take(0.25)
        assert times.rows()[()][-1] == 0.25
    metrics.provider_failed("p", "overloaded")
    assert metrics.provider_errors.values() == {("p", "overloaded"): 1}
