"""The cache: which generation answers all identical requests of an owner, finished or still running."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import msgspec
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import Completed
from shared.log.guarded_log import Log
from shared.process.background_thread import aside
from shared.record import Record, Shown
from shared.request.generation_request import GenerationRequest
from shared.request.message_parts import ContentPart
from shared.request.messages import Message
from shared.storage.keys import cache_key
from shared.storage.lua_script import LuaScript
from worker.cache.log_notifier import LogNotifier
from worker.cache.replay import Replay
from worker.cache.source import Beginning, Source, SourceLostError
from worker.providers.watchdog import silence_limits
from worker.requests.kept_request import KeptRequest

T = TypeVar("T")

logger = logging.getLogger("midstream.worker")

IMMATERIAL_FIELDS = frozenset(
    {
        "on_interrupt", "on_unwatched", "background", "stream", "idle_timeout", "deadline", "ttl", "metadata", "cache",
        "conversation", "user", "prompt_cache_key", "safety_identifier", "service_tier",
    }
)  # fmt: skip
"""Fields that do not change what a model is asked. A new field counts, unless it is named here."""


def canonical(request: GenerationRequest) -> Iterator[str]:
    """Yields in pieces the JSON of all that matters for the answer: members in order, without defaults."""
    fields = request.model_dump(mode="json", exclude={*IMMATERIAL_FIELDS, "messages"}, exclude_defaults=True)
    for tool in fields.get("tools", ()):
        _unmarked(tool)
    return _object(fields, "messages", _joined(request.messages, _message))


def _message(message: Message) -> Iterator[str]:
    if isinstance(message.content, list):
        fields = _plain(message.model_dump(mode="json", exclude={"content"}, exclude_defaults=True))
        yield from _object(fields, "content", _joined(message.content, _part))
    else:
        yield _dumped(_plain(message.model_dump(mode="json", exclude_defaults=True)))


def _part(part: ContentPart) -> Iterator[str]:
    yield _dumped(_unmarked(part.model_dump(mode="json", exclude_defaults=True)))


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    for call in message.get("tool_calls", ()):
        _unmarked(call)
    return _unmarked(message)


def _unmarked(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns fields without what changes the cost of an answer only, which is taken out of them."""
    fields.pop("cache_control", None)
    return fields


def _object(fields: dict[str, Any], long: str, pieces: Iterable[str]) -> Iterator[str]:
    """Yields the fields, and one more whose value comes in pieces."""
    before = "{"
    for name in sorted({*fields, long}):
        yield f"{before}{_dumped(name)}:"
        yield from pieces if name == long else [_dumped(fields[name])]
        before = ","
    yield "}"


def _joined(items: Iterable[T], pieces: Callable[[T], Iterator[str]]) -> Iterator[str]:
    before = "["
    for item in items:
        yield before
        yield from pieces(item)
        before = ","
    yield "]" if before == "," else "[]"


def _dumped(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(owner: str, request: GenerationRequest) -> str:
    """Returns SHA-256 of owner and canonical request, in hexadecimal."""
    hashed = hashlib.sha256(f"{len(owner)}:{owner}".encode())
    for piece in canonical(request):
        hashed.update(piece.encode())
    return hashed.hexdigest()


WHOLE_FINISH_REASONS = frozenset({"stop", "tool_calls"})
"""Finish reasons of an answer that has said all it had to say."""
TOKEN_LIMIT_FIELDS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "num_predict")
"""What a limit of the output's tokens is called in `extra`."""


def will_do(end: Completed, request: GenerationRequest) -> bool:
    """Says whether an answer that ended so also serves when this request is made again.

    One that was cut may be longer the next time, unless it was the request's own limit that cut it.
    """
    if end.finish_reason != "length":
        return end.finish_reason in WHOLE_FINISH_REASONS
    used = end.last_usage
    return any(used is None or used.output_tokens >= limit for limit in _limits(request))


def _limits(request: GenerationRequest) -> Iterator[int]:
    if request.max_tokens is not None:
        yield request.max_tokens
    for fields in request.extra.values():
        for scope in (fields, *fields.values()):
            if isinstance(scope, dict):
                yield from (limit for name in TOKEN_LIMIT_FIELDS if isinstance(limit := scope.get(name), int))


class AnswerCache:
    """Maps a request's digest to the generation that answers it, in the log's Redis. Logs hold the answers."""

    _lead = LuaScript("worker/cache/lead.lua")

    def __init__(
        self, redis: Redis, log: Log, generations: Generations, notifier: LogNotifier, settings: Settings
    ) -> None:
        self.settings = settings
        self._redis = redis
        self._log = log
        self._generations = generations
        self._notifier = notifier

    async def lead(self, owner: str, request: GenerationRequest, asking: str, *, useless: str, keep_ms: int) -> str:
        """Returns the id of the generation to copy; `asking` itself where it has to ask the provider for all.

        `useless` is a generation that was found to have no answer: one of those that report this replaces it. The entry
        is kept for `keep_ms`. Raises redis.exceptions.RedisError.
        """
        key = cache_key(await aside(request.size(), digest, owner, request))
        return str(await self._lead(self._redis, [key], [asking, useless, keep_ms]), "utf-8")

    def source(self, generation_id: str, owner: str) -> Source:
        """Returns this generation as a source that the owner may copy."""
        return Source(generation_id, owner, self._log, self._generations, self._notifier)


class Lookup:
    """One generation's search for an answer that is there, or on its way.

    It goes on from one source to the next for as long as the request may run. All generations that wait for a source
    find out together that it is of no use, and one of them becomes the next: it asks the provider, and looks no more.
    So each step needs another generation that came to nothing.
    """

    def __init__(self, cache: AnswerCache, record: Record, kept: KeptRequest) -> None:
        self._cache = cache
        self._record = record
        self._kept = kept
        self._until: float | None = None
        self._copied: tuple[str, Beginning] | None = None

    async def replay(self) -> Replay | None:
        """Returns the answer of another generation, once there is some of it; None where the provider is to be asked.

        It is called again where a replay came to no end. Raises redis.exceptions.RedisError.
        """
        record, settings = self._record, self._cache.settings
        request = await self._kept.request()
        if request.cache is None:
            return None
        deadline = request.deadline or settings.deadline
        # While it may run, and then for as long as its log is there to be copied.
        keep_ms = int(deadline * 1000) + record.ttl_ms
        useless = ""
        self._until = self._until or time.monotonic() + deadline
        while (seconds := self._until - time.monotonic()) > 0:
            try:
                leader = await self._cache.lead(record.owner, request, record.id, useless=useless, keep_ms=keep_ms)
            except OutOfMemoryError:
                return None
            if leader == record.id:
                return None
            source = self._cache.source(leader, record.owner)
            try:
                led = await source.record(request.cache.ttl)
                # Who asked while it ran shares its end, whatever that is: a call for each of them would be a herd.
                over = led.ended_ms is not None and led.ended_ms < record.created_ms
                quiet = _quiet(request, led, settings)
                found = await source.beginning(
                    idle=quiet, seconds=seconds, will_do=partial(will_do, request=request) if over else lambda _: True
                )
            except SourceLostError:
                useless = leader
                continue
            if self._copied == (leader, found):
                useless = leader  # the very answer that broke off for us: it was silent, or cannot be read
                continue
            self._copied = leader, found
            logger.info("%s: copies %s", record.id, leader)
            longest = silence_limits(request.idle_timeout, None, settings).after / 2
            return Replay(source, found, pace=request.cache.pace, longest=longest, quiet=quiet)
        return None


def _quiet(request: GenerationRequest, source: Record, settings: Settings) -> float:
    """Returns the seconds without a change after which a source is given up.

    Its worker receives keep-alives from its provider, of which the log says nothing. Where that worker would end the
    call no later than this one would, it is trusted to do so.
    """
    mine = silence_limits(request.idle_timeout, None, settings)
    try:
        theirs = msgspec.json.decode(source.shown or b"", type=Shown).idle_timeout
    except msgspec.MsgspecError:
        return mine.before  # of an older version, which did not tell
    trusted = silence_limits(theirs, None, settings).before <= mine.before
    return max(mine.silence, mine.before) if trusted else mine.before
