"""What a generation needs of its worker."""

from __future__ import annotations

from dataclasses import dataclass

from shared.generations import Generations
from shared.log import Log
from shared.settings import Settings
from worker.appender import Appender
from worker.cache import Cache
from worker.circuits import Circuits
from worker.prices import Prices
from worker.providers.registry import Registry
from worker.trials import Trials


@dataclass(frozen=True, slots=True)
class Services:
    """One of each for the whole worker."""

    settings: Settings
    generations: Generations
    log: Log
    appender: Appender
    providers: Registry
    circuits: Circuits
    trials: Trials
    cache: Cache
    prices: Prices
