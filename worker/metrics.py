"""A worker's metrics: an observer that counts, and gauges of what runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import msgspec

from shared.config.settings import Settings
from shared.log.events import AttemptReason
from shared.log.guarded_log import Claim, ClaimOutcome
from shared.metrics.label_names import LabelNames
from shared.metrics.redis_times import redis_times
from shared.metrics.tallies import Counts, Level, Tally, Times
from shared.usage import TOKEN_COUNTERS, Ended
from worker.writing.observer import Observer

MAX_MODELS = 200
"""Models that have a label of their own beside those of the settings; as many as an owner's totals of a day have."""
MAX_OWNERS = 1000
MAX_CODES = 100
WAIT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
FIRST_TOKEN_S = (0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 20, 30, 60, 120, 300)
PIECE_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30)
APPEND_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class _Begun(msgspec.Struct):
    """An attempt's first event, as far as it is counted."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is read of a worker at each scrape."""

    running: Callable[[], float]
    leases: Callable[[], float]


class WorkerMetrics(Observer):
    """Counts what a worker does. Nothing is done at a delta but at those that come with a read: a bisection."""

    def __init__(self, settings: Settings) -> None:
        owner = ("owner",) if settings.metrics_owners else ()
        self._models = LabelNames(MAX_MODELS, known_models(settings))
        self._owners = LabelNames(MAX_OWNERS) if settings.metrics_owners else None
        self._codes = LabelNames(MAX_CODES)
        self.redis = redis_times()
        self.generations = Counts(
            "midstream_generations_total",
            "Generations that have ended, by how: counted some seconds after the end, when it is on disk, once.",
            ("state", "model", *owner),
        )
        self.wait = Times(
            "midstream_queue_wait_seconds", "From the acceptance of a generation to its first attempt.", WAIT_S
        )
        self.first_token = Times(
            "midstream_time_to_first_token_seconds",
            "From the acceptance of a generation to the first piece of its answer.",
            FIRST_TOKEN_S,
            ("model",),
        )
        self.piece_time = Times(
            "midstream_time_per_output_chunk_seconds",
            "From one piece of an answer to the next, as they come from a provider; what comes together is one piece.",
            PIECE_S,
        )
        self.attempts = Counts(
            "midstream_attempts_total",
            "Attempts that have begun, by their reason.",
            ("reason",),
            [(reason,) for reason in get_args(AttemptReason)],
        )
        self.provider_errors = Counts(
            "midstream_provider_errors_total",
            "Calls to a provider that have failed, those that were made again included.",
            ("provider", "code"),
        )
        self.tokens = Counts(
            "midstream_tokens_total",
            "Tokens of ended generations, as providers count them: cached ones are part of the input, those of "
            "reasoning of the output.",
            ("kind", "model", *owner),
        )
        self.cost = Counts(
            "midstream_cost_usd_total",
            "What ended generations cost, as far as prices are known, in US dollars.",
            ("model", *owner),
        )
        self.append = Times(
            "midstream_append_seconds",
            "A round trip of appends to the logs' Redis.",
            APPEND_S,
        )

    def tallies(self, gauges: Gauges) -> list[Tally]:
        """Returns all that is served."""
        return [
            self.generations,
            Level("midstream_generations_running", "Generations that run on this worker.", gauges.running),
            self.wait,
            self.first_token,
            self.piece_time,
            self.attempts,
            self.provider_errors,
            self.tokens,
            self.cost,
            self.append,
            self.redis,
            Level("midstream_leases", "Leases that this worker holds.", gauges.leases),
        ]

    def claimed(self, generation_id: str, claim: Claim) -> None:
        if claim.start is ClaimOutcome.CLAIMED:
            self.attempts.add(msgspec.json.decode(claim.first, type=_Begun).reason)

    def waited(self, seconds: float) -> None:
        self.wait.take(seconds)

    def spoke(self, model: str, seconds: float) -> None:
        self.first_token.take(seconds, self._models.admit(_bare(model)))

    def piece(self, seconds: float) -> None:
        self.piece_time.take(seconds)

    def provider_failed(self, provider: str, code: str) -> None:
        self.provider_errors.add(provider, self._codes.admit(code))

    def answered(self, seconds: float) -> None:
        self.append.take(seconds)

    def counted(self, ended: Sequence[Ended]) -> None:
        for end in ended:
            self._count(end)

    def _count(self, end: Ended) -> None:
        owner = () if self._owners is None else (self._owners.admit(end.owner),)
        for name, counts in end.counts().items():
            # A name that a caller made up, and that no provider knows, gets no label.
            answered = end.state == "completed" or any(counts[kind] for kind in TOKEN_COUNTERS)
            model = self._models.admit(name) if answered else self._models.value(name)
            if counts[end.state]:
                self.generations.add(end.state, model, *owner)
            for kind in TOKEN_COUNTERS:
                if counts[kind]:
                    self.tokens.add(kind.removesuffix("_tokens"), model, *owner, amount=counts[kind])
            if picos := counts["cost:USD"]:
                self.cost.add(model, *owner, amount=picos / 1e12)


def known_models(settings: Settings) -> list[str]:
    """Returns the models that the settings name."""
    default = [settings.default_model] if settings.default_model not in (None, *settings.models) else []
    return [_bare(str(name)) for name in (*default, *settings.models.values())]


def _bare(model: str) -> str:
    # What follows a question mark are parameters: the simulator's.
    return model.partition("?")[0]
