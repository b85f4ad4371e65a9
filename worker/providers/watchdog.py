"""Ends a call to a provider that has fallen silent, or that only says that it is alive for too long."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from shared.config.settings import Settings
from shared.log.events import Delta
from worker.providers.provider import Pause, ProviderEvent, adds

SILENCE_BEFORE_WORDS_S = 60.0
SILENCE_AFTER_WORDS_S = 30.0
"""Seconds of true silence that end a call before the first word of an answer and after it, where nobody says otherwise.
Models think before the first word, and some say nothing meanwhile."""


class SilenceLimits(NamedTuple):
    """Seconds without a byte before the first word of an answer and after it, and without any of the answer."""

    before: float
    after: float
    silence: float


def silence_limits(of_request: float | None, of_provider: float | None, settings: Settings) -> SilenceLimits:
    """Returns the limits: by the request's `idle_timeout`, else by its provider's entry, else by the settings.

    Whoever allows one call or endpoint a longer true silence than `silence_timeout` means that one too.
    """
    own = of_request or of_provider
    idle = own or settings.idle_timeout
    silence = max(settings.silence_timeout, own or 0.0)
    return SilenceLimits(idle or SILENCE_BEFORE_WORDS_S, idle or SILENCE_AFTER_WORDS_S, silence)


def shortened(of_request: float | None, of_provider: float | None, settings: Settings) -> bool:
    """Says whether the request allows less silence than any other to this provider would."""
    ordinary = silence_limits(None, of_provider, settings)
    return of_request is not None and of_request < max(ordinary.before, ordinary.after)


class Watchdog:
    """Watches one call: `timeout` is entered around it, and each list of events is passed to `heard`."""

    def __init__(self, limits: SilenceLimits) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._idle = limits.before
        # The timer is not moved at each event, but where it is late by this much; it never goes off early.
        self._slack = min(1.0, min(limits) / 20)
        self._said = self._moved = self._heard = self._loop.time()
        self._paused_until = 0.0
        self.timeout = asyncio.timeout_at(self._end())

    def heard(self, events: Sequence[ProviderEvent]) -> float:
        """Notes that something came, none of an answer (an empty list) or some; returns when (the loop's time)."""
        now = self._heard = self._loop.time()
        moves = now - self._moved > self._slack
        if adds(events):
            self._said, self._paused_until = now, 0.0
            if self._idle != self._limits.after and any(isinstance(event, Delta) for event in events):
                self._idle, moves = self._limits.after, True
        if isinstance(events, Pause):
            self._paused_until, moves = now + events.seconds, True
        if moves:
            self._moved = now
            self.timeout.reschedule(self._end())
        return now

    def rest(self) -> None:
        """Lets the provider be silent until `heard`: it is somebody else who is slow now."""
        self.timeout.reschedule(None)
        self._moved = float("-inf")

    def wake(self) -> None:
        """Ends a rest, as if something had come just now."""
        self._said = self._loop.time()
        self.heard(())

    @property
    def verdict(self) -> str:
        """What the provider did, after the timeout has expired."""
        if self._loop.time() - self._said >= self._limits.silence:
            return f"sent nothing of an answer for {self._limits.silence:g} s"
        return f"sent nothing for {self._idle:g} s"

    def _end(self) -> float:
        silent = min(self._heard + self._idle, self._said + self._limits.silence)
        return max(silent, self._paused_until) + self._slack
