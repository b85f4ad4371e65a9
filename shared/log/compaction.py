"""Packing: deltas of a log that has ended, kept as one entry of Redis, and read as the events that they were.

A packed entry has the id of its last delta. Whatever cursor a viewer holds, a read after it finds the entry that has
the next delta, and leaves out those up to the cursor: ids, order and bytes of the events stay what they were.
"""

import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from msgspec import UNSET, Struct, json

from shared.log.entry import Entry, RawEntry
from shared.log.events import Delta, EventId, PartKind, decode, encode

PACKED_FIELD = "packed"
"""Name of the field of a packed entry, where others have their event's type."""
_PACKED = PACKED_FIELD.encode()
MAX_PACKED_DELTAS = 64
"""Most deltas in one packed entry. A page of a log counts entries of Redis: more would be read than is returned."""
MAX_PACKED_BYTES = 16_384
"""Bytes of events after which no further delta joins."""

# Raw deflate (RFC 1951): the 6 bytes of zlib's frame would be one in fifty.
_WINDOW = -15


class _Deltas(Struct, array_like=True):
    """What they have in common, their text in one, and what each has of its own."""

    part: int
    kind: PartKind
    text: str
    lengths: list[int]
    """Characters."""
    times: list[int]
    """`t` of the first, and how much later each next one is."""
    numbers: list[int | None] = []
    """`sequence_number`s, where any has one."""


class _WeighedDeltas(_Deltas):
    """Deltas of which at least one has logprobs. As the last of all, their field is left out where none has."""

    logprobs: list[list[Any] | None] = []


_encoder = json.Encoder()
_decoder = json.Decoder(_WeighedDeltas)


def pack(entries: Iterable[Entry]) -> list[Entry]:
    """Returns entries of a log, each run of deltas as one where that is smaller."""
    packed: list[Entry] = []
    run: list[tuple[Entry, Delta]] = []
    size = 0
    for entry in entries:
        delta = _delta(entry)
        if run and (
            delta is None
            or len(run) == MAX_PACKED_DELTAS
            or size > MAX_PACKED_BYTES
            or not _continues(*run[-1], entry, delta)
        ):
            packed += _joined(run)
            run, size = [], 0
        if delta is None:
            packed.append(entry)
        else:
            run.append((entry, delta))
            size += len(entry.data)
    return packed + _joined(run)


def unpack(entry: Entry) -> Iterator[Entry]:
    """Yields the events of a packed entry, in order. Raises ValueError for one that is none."""
    try:
        deltas = _decoder.decode(zlib.decompress(entry.data, _WINDOW))
    except zlib.error:
        raise ValueError("a packed entry that cannot be read") from None
    token, seq = entry.id
    seq -= len(deltas.lengths)
    at = time = 0
    for index, (length, later) in enumerate(zip(deltas.lengths, deltas.times, strict=True)):
        time += later
        delta = Delta(part=deltas.part, kind=deltas.kind, delta=deltas.text[at : at + length], t=time)
        if deltas.numbers and (number := deltas.numbers[index]) is not None:
            delta.sequence_number = number
        if deltas.logprobs and (logprobs := deltas.logprobs[index]) is not None:
            delta.logprobs = logprobs
        at += length
        yield Entry(EventId(token, seq + index + 1), Delta.type, encode(delta))


def is_packed(raw: RawEntry) -> bool:
    """Says whether an entry holds several events."""
    return raw[1][0] == _PACKED


def unpacked(entries: Iterable[RawEntry], after: EventId, most: int) -> list[RawEntry]:
    """Returns the events of these entries that follow a cursor, at most so many."""
    events: list[RawEntry] = []
    for raw in entries:
        if is_packed(raw):
            events += [event.raw for event in unpack(Entry.read(raw)) if event.id > after]
        else:
            events.append(raw)
        if len(events) >= most:
            break
    return events[:most]


def _delta(entry: Entry) -> Delta | None:
    """Returns the entry's delta, if encoding its values again yields the same bytes; None otherwise."""
    if entry.type != Delta.type:
        return None
    try:
        delta = decode(entry.type, entry.data)
    except ValueError:
        return None
    return delta if isinstance(delta, Delta) and encode(delta) == entry.data else None


def _continues(last: Entry, said: Delta, entry: Entry, delta: Delta | None) -> bool:
    return (
        delta is not None
        and entry.id == (last.id.token, last.id.seq + 1)
        and (delta.part, delta.kind) == (said.part, said.kind)
    )


def _joined(run: list[tuple[Entry, Delta]]) -> list[Entry]:
    if not run:
        return []
    deltas = [delta for _, delta in run]
    times = [deltas[0].t, *(after.t - before.t for before, after in pairwise(deltas))]
    numbers = [None if delta.sequence_number is UNSET else delta.sequence_number for delta in deltas]
    common: dict[str, Any] = {
        "part": deltas[0].part,
        "kind": deltas[0].kind,
        "text": "".join([delta.delta for delta in deltas]),
        "lengths": [len(delta.delta) for delta in deltas],
        "times": times,
        "numbers": numbers if any(number is not None for number in numbers) else [],
    }
    logprobs = [None if delta.logprobs is UNSET else delta.logprobs for delta in deltas]
    weighed = any(one is not None for one in logprobs)
    content = _WeighedDeltas(**common, logprobs=logprobs) if weighed else _Deltas(**common)
    deflate = zlib.compressobj(9, zlib.DEFLATED, _WINDOW)
    data = deflate.compress(_encoder.encode(content)) + deflate.flush()
    entries = [entry for entry, _ in run]
    smaller = len(data) < sum([len(entry.data) for entry in entries])
    return [Entry(entries[-1].id, PACKED_FIELD, data)] if smaller else entries
