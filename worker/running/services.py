"""What a generation needs of its worker."""

from dataclasses import dataclass, field

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.guarded_log import Log
from shared.tracing.tracing import NO_TRACING, Tracing
from worker.billing.prices import Prices
from worker.cache.lookup import AnswerCache
from worker.providers.registry import Registry
from worker.running.activity import Activity
from worker.running.circuits import Circuits
from worker.running.provider_places import ProviderPlaces
from worker.running.quarantine import Quarantine
from worker.writing.appender import Appender
from worker.writing.observer import Observer


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """One of each for the whole worker."""

    settings: Settings
    generations: Generations
    log: Log
    appender: Appender
    providers: Registry
    circuits: Circuits
    activity: Activity
    quarantine: Quarantine
    cache: AnswerCache
    prices: Prices
    places: ProviderPlaces
    observer: Observer = field(default_factory=Observer)
    tracing: Tracing = NO_TRACING
