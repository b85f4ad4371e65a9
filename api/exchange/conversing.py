"""Conversations as they stand: an owner's, and the generations of one."""

from collections.abc import Sequence
from typing import Any

import msgspec

from api.exchange.waiting import said_so_far
from api.schemas import generation
from api.schemas.conversation import ConversationGeneration, ConversationList, conversation
from api.services import ApiServices
from shared.conversations.conversations import About, Numbered
from shared.conversations.owner_index import ConversationPlace
from shared.log.events import ORIGIN
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside
from shared.record import Record, Shown, State
from shared.request.added_input import added_by
from shared.request.request_json import encode

MAX_PAGE_BYTES = 4_000_000
"""Bytes of generations after which a page ends."""
MAX_LOOKS = 20
"""Most reads of the index for one page, where much in it has expired."""
LOOKED_AT = 3
"""Newest generations of which one must be there, to say the state of a conversation."""
STATES_AT_ONCE = 100
"""Generations whose state is read in one round trip."""
UNDER_WAY = ("queued", "running")


async def listed(use: ApiServices, owner: str, before: ConversationPlace | None, limit: int) -> ConversationList:
    """Returns a page of an owner's conversations. Raises redis.exceptions.RedisError."""
    conversations = use.generations.conversations
    found: list[tuple[ConversationPlace, About]] = []
    following: ConversationPlace | None = before
    for _ in range(MAX_LOOKS):
        wanted = limit + 1 - len(found)
        places = await conversations.index.page(owner, before=following, limit=wanted)
        there = await conversations.find_all(owner, [place.id for place in places])
        found += [(place, about) for place, about in zip(places, there, strict=True) if about is not None]
        gone = [place for place, about in zip(places, there, strict=True) if about is None]
        await conversations.index.forget(owner, gone)
        following = places[-1] if len(places) == wanted else None
        if following is None or len(found) > limit:
            break
    if len(found) > limit:
        found, following = found[:limit], found[limit - 1][0]
    abouts = [about for _, about in found]
    states = await _states_of(use, owner, [about.id for about in abouts])
    data = [conversation(about, state) for about, state in zip(abouts, states, strict=True)]
    return ConversationList.model_validate({"data": data, "next": None if following is None else str(following)})


async def state_of(use: ApiServices, about: About) -> State | None:
    """Returns the state of a conversation's newest generation. Raises redis.exceptions.RedisError."""
    (state,) = await _states_of(use, about.owner, [about.id])
    return state


async def _states_of(use: ApiServices, owner: str, names: Sequence[str]) -> list[State | None]:
    newest = await use.generations.conversations.newest(owner, names, LOOKED_AT)
    states = iter(await use.generations.states([generation_id for ids in newest for generation_id in ids]))
    known = [[next(states) for _ in ids] for ids in newest]
    return [next((state for state in of_one if state is not None), None) for of_one in known]


async def shown(use: ApiServices, about: About, before: int | None, limit: int) -> bytes:
    """Returns a conversation with a page of its generations, as JSON. Raises redis.exceptions.RedisError."""
    all_of_it = await use.generations.conversations.generations(about.owner, about.id)
    states = await _all_states(use, all_of_it)
    running = next((place for place, state in zip(all_of_it, states, strict=True) if state in UNDER_WAY), None)
    page: list[bytes] = []
    cursors: dict[int, str] = {}
    size, following = 0, None
    older = [place for place in reversed(all_of_it) if before is None or place.number < before]
    for at, place in enumerate(older):
        if len(page) == limit or size > MAX_PAGE_BYTES:
            following = older[at - 1].number
            break
        if (told := await _generation(use, about.owner, place)) is not None:
            text, cursors[place.number] = told
            page.append(text)
            size += len(text)
    last = running or (all_of_it[-1] if all_of_it else None)
    cursor = None if last is None else cursors.get(last.number, _cursor(last.id, str(ORIGIN)))
    newest = next((state for state in reversed(states) if state is not None), None)
    fields = conversation(about, newest) | {
        "count": sum(state is not None for state in states),
        "cursor": cursor if before is None else None,
        "generations": [msgspec.Raw(text) for text in page],
        "next": following,
    }
    return msgspec.json.encode(fields)


async def _all_states(use: ApiServices, places: Sequence[Numbered]) -> list[State | None]:
    states: list[State | None] = []
    for start in range(0, len(places), STATES_AT_ONCE):
        states += await use.generations.states([place.id for place in places[start : start + STATES_AT_ONCE]])
    return states


def _cursor(generation_id: str, event_id: str) -> str:
    return f"{generation_id.removeprefix('gen_')}.{event_id}"


async def _generation(use: ApiServices, owner: str, place: Numbered) -> tuple[bytes, str] | None:
    """Returns a generation as JSON, and the cursor of what it says; None where it is gone."""
    found = await use.generations.find(place.id, request=True)
    if found.record is None or found.owner != owner:
        return None
    said, size = await said_so_far(use.log, place.id)
    record = found.record
    if said.end is not None and record.ended_ms is None:
        # It ended while we were reading.
        record = (await use.generations.find(place.id)).record or record
    about = await use.generations.shown(record)
    text = await aside(size + len(found.request), _written, record, about, said, place.number, found.request)
    return text, _cursor(place.id, str(said.last))


def _written(record: Record, about: Shown, said: Snapshot, number: int, request: bytes) -> bytes:
    """Returns a generation as JSON, in steps."""
    told: dict[str, Any] = generation.snapshot(record, about, said).model_dump(
        mode="json", by_alias=True, exclude_unset=True
    )
    told |= {"number": number, "input": added_by(request)}
    assert told.keys() >= {"number", "input"} <= ConversationGeneration.model_fields.keys()
    return encode(told)
