"""What a generation needs of its worker."""

from dataclasses import dataclass

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.guarded_log import Log
from worker.billing.prices import Prices
from worker.cache.lookup import AnswerCache
from worker.providers.registry import Registry
from worker.running.circuits import Circuits
from worker.running.quarantine import Quarantine
from worker.writing.appender import Appender


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """One of each for the whole worker."""

    settings: Settings
    generations: Generations
    log: Log
    appender: Appender
    providers: Registry
    circuits: Circuits
    quarantine: Quarantine
    cache: AnswerCache
    prices: Prices
