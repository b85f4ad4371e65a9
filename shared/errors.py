"""What Midstream raises, `retryable` where the same may succeed later.

MidstreamError
├── SettingsError              a setting is wrong; nothing starts
├── GoneError                  the generation has expired or was deleted
├── LimitedError               retryable: an owner, or all of them, may have no more (shared/generations/generations.py)
├── ConversationFullError      a conversation has as many as it may (shared/generations/generations.py)
├── PreviousError              one cannot go on from this generation
├── UnreadableRecordError      something else stands where a record should
├── TooDeepError               an event nests deeper than it can be read
├── TooManyPartsError          a request has too many parts
├── EventTooLargeError         one event of a stream is larger than its bound
├── HungUpError                retryable: Redis hung up before it said anything (shared/storage/connection_pool.py)
├── NotOnDiskError             retryable: what was written is not known to be on disk
├── api
│   ├── ProblemError           an answer that is an error (api/problems/problem.py)
│   │   └── FailedAnswerError  the failure that a generation ended with (api/exchange/showing.py)
│   ├── KeysUnavailableError   retryable: no keys of an identity provider (api/access/issuer_keys.py)
│   └── NotJsonError           a body is no JSON (api/intake/body_errors.py)
├── worker
│   ├── ProviderError          retryable by its cause: a provider's error (worker/providers/provider.py)
│   ├── SourceLostError        retryable: what is copied comes to no answer (worker/cache/source.py)
│   └── LogFullError           an attempt says more than `max_log` (worker/writing/writer.py)
└── midstream
    ├── StartError             this machine lacks something (midstream/errors.py, as what follows)
    ├── ClientError            retryable by its cause: the API says no
    │   ├── RefusedError       the request is wrong as it is written
    │   ├── NotFoundError      no such generation
    │   ├── DeniedError        the key is missing or wrong
    │   └── UnreachableError   nobody answers
    └── CannotWriteError       standard output takes no more (midstream/standard_streams.py)
"""

from typing import Literal

PreviousReason = Literal["unknown", "gone", "not_ended", "failed", "not_stored", "too_long", "unpaired"]
"""Why one cannot go on from a generation: unknown, or another's; expired or deleted; it has not ended, or has failed;
it was not to be stored; all before it is too long; a tool's call has no result, or a result no call."""


class MidstreamError(Exception):
    """Something that we raise and expect to be caught; its text holds no secret, prompt or answer."""

    retryable = False
    """Whether the same may succeed later."""


class SettingsError(MidstreamError):
    """A setting is wrong or missing; the text is one line that names it and the remedy."""


class GoneError(MidstreamError):
    """The generation of this id has expired or was deleted."""


class PreviousError(MidstreamError):
    """One cannot go on from a generation, or from one that it went on from; `id` says which."""

    def __init__(self, reason: PreviousReason, generation_id: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.id = generation_id


class UnreadableRecordError(MidstreamError, ValueError):
    """What stands under an id is no record: something else has written there."""


class TooDeepError(MidstreamError, ValueError):
    """The data nests deeper than it can be read."""


class TooManyPartsError(MidstreamError, ValueError):
    """The messages of a body have more parts than one may have; its text says so."""

    def __init__(self, most: int) -> None:
        super().__init__(f"must have at most {most} parts in all; leave some out")


class EventTooLargeError(MidstreamError, ValueError):
    """One event of the stream is larger than the reader's bound."""


class NotOnDiskError(MidstreamError):
    """What was written is not known to be on disk; the text says why, and what an operator does about it."""

    retryable = True
