"""Tells a viewer of a conversation what it has missed: the turns that have ended, up to one that runs.

Nothing is held in memory of a turn that has ended: its end alone is read, or its log page by page.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from api.supervisor import logger, where
from api.viewing import sse_frames
from api.viewing.conversation.cursor import ConversationCursor
from api.viewing.conversation.follower import RECORDS_PER_READ, ConversationFollower
from api.viewing.conversation.held_turns import Turn
from api.viewing.conversation.viewer import ConversationViewer
from api.viewing.conversation.watched import WatchedConversations
from api.viewing.dialect import Subject
from api.viewing.replayer import send
from api.viewing.resume import ResumePoint
from shared.conversations.conversations import Numbered
from shared.generations.generations import Existence
from shared.log.events import ORIGIN, TERMINAL_TYPES, EventId
from shared.record import Record
from shared.storage.clock import read_server

LOOK_AGAIN_S = 0.5
"""Seconds between two looks for what a restarted Redis may have lost."""


async def catch_up(
    conversations: WatchedConversations, viewer: ConversationViewer, conversation: ConversationFollower
) -> None:
    """Tells a viewer of turns until it follows one, waits for the next, or is over.

    It is cut where that cannot be done.
    """
    try:
        await conversation.ready.wait()
        await CatchUp(conversations, viewer, conversation).run()
    except Exception as error:
        logger.error("telling a viewer of a conversation failed, it is cut: %s", where(error))
        viewer.cut()


class CatchUp:
    """Goes through the turns for one viewer."""

    def __init__(
        self, conversations: WatchedConversations, viewer: ConversationViewer, conversation: ConversationFollower
    ) -> None:
        self._pages, self._dialect = conversations.pages, conversations.dialect
        self._log, self._generations = conversations.hub.log, conversations.hub.generations
        self._viewer, self._conversation = viewer, conversation
        self._done = False

    async def run(self) -> None:
        """Runs until there is nothing to do for it."""
        viewer = self._viewer
        (cursor, reset), viewer.start = viewer.start, viewer.start._replace(cursor=None, reset=None)
        if reset is not None:
            viewer.begin_again(reset)
        elif cursor is not None:
            await self._resume(cursor)
        while viewer.open and not self._done:
            if viewer.voided:
                viewer.begin_again()
            # Of one that is told whole, what was read is old when the next one's turn comes.
            following = self._conversation.turns.after(viewer.place, RECORDS_PER_READ if viewer.brief else 1)
            if following:
                await self._tell(following)
            else:
                self._done = True
                viewer.wait()

    async def _resume(self, cursor: ConversationCursor) -> None:
        """Goes on within the turn of the cursor, to its end."""
        viewer, event_id = self._viewer, cursor.event_id
        turn = await self._find(cursor.generation_id)
        if turn is None:
            if viewer.open:
                viewer.begin_again()
            return
        record = await self._record(turn)
        if record is None:
            if viewer.open:
                await self._send([viewer.gone(turn)], turn.number)
        elif record.seal is None:
            await self._follow(Turn.of(turn.number, record, self._dialect), event_id, told=True)
        elif event_id == record.seal:
            viewer.place = turn.number
        elif event_id == ORIGIN or await self._viewer.ask(partial(self._log.holds, turn.id, event_id)):
            await self._replay(turn, record, event_id)
        elif viewer.open:
            viewer.begin_again()

    async def _find(self, generation_id: str) -> Numbered | None:
        """Returns the turn of a generation; None where it is none of this conversation (any more).

        A restarted Redis is given time until what it lost is noted again.
        """
        while self._viewer.open:
            if (number := self._conversation.turns.number(generation_id)) is not None:
                return Numbered(number, generation_id)
            await self._conversation.look_again()
            if (number := self._conversation.turns.number(generation_id)) is not None:
                return Numbered(number, generation_id)
            if not await self._is_young():
                return None
            await self._viewer.pause(LOOK_AGAIN_S)
        return None

    async def _record(self, turn: Numbered) -> Record | None:
        """Returns the record of a turn; None where it is gone, or nobody waits for it any more."""
        while self._viewer.open:
            found = await self._viewer.ask(partial(self._generations.find, turn.id))
            if found is None or found.record is not None:
                return None if found is None else found.record
            if found.existence is not Existence.NOTHING or not await self._is_young():
                return None
            await self._viewer.pause(LOOK_AGAIN_S)
        return None

    async def _is_young(self) -> bool:
        server = await self._viewer.ask(partial(read_server, self._generations.redis))
        return server is not None and server.young(self._generations.durability.given_up_ms)

    async def _tell(self, turns: Sequence[Numbered]) -> None:
        """Tells of turns, up to the first that has not ended."""
        records = await self._viewer.ask(partial(self._generations.records, [turn.id for turn in turns]))
        if records is None:
            return
        ends = await self._ends(records) if self._viewer.brief else {}
        frames: list[bytes] = []
        for turn, record in zip(turns, records, strict=True):
            if record is None:
                if (record := await self._record(turn)) is None:
                    frames.append(self._viewer.gone(turn))
                    continue
                ends |= await self._ends([record])
            told = Turn.of(turn.number, record, self._dialect)
            if record.seal is None:
                if await self._send(frames, turn.number - 1):
                    await self._follow(told)
                return
            frames.append(told.frame)
            if not self._viewer.brief:
                if await self._send(frames, turn.number - 1):
                    await self._replay(turn, record)
                return
            # Without an end in its log it was deleted just now.
            frames.append(ends.get(turn.id) or self._viewer.gone(turn))
        await self._send(frames, turns[-1].number)

    async def _ends(self, records: Sequence[Record | None]) -> dict[str, bytes]:
        """Returns the frame of the terminal event of each log that has ended."""
        sealed = [record.id for record in records if record is not None and record.seal is not None]
        ends: dict[str, bytes] = {}
        read = await self._viewer.ask(partial(self._log.ends, sealed))
        for generation_id, entry in zip(sealed, read or (), strict=False):
            if entry is not None and entry[1][0].decode() in TERMINAL_TYPES:
                ends[generation_id] = b"".join(self._dialect.framer(Subject(generation_id)).frames(entry))
        return ends

    async def _send(self, frames: Sequence[bytes], place: int) -> bool:
        """Sends frames, after which the viewer is at a place; returns False where there is nobody to send them to."""
        if not await self._viewer.send(sse_frames.join(frames, chunked=self._viewer.chunked)):
            return False
        self._viewer.place = max(self._viewer.place, place)
        return self._viewer.open

    async def _replay(self, turn: Numbered, record: Record, cursor: EventId = ORIGIN) -> None:
        """Sends the log of a turn that has ended, from a cursor on."""
        viewer = self._viewer
        viewer.begin_replay(turn)
        whole = await send(self._pages, turn.id, viewer, ResumePoint(cursor, sealed=True, page=record.page))
        viewer.end_replay()
        gone = self._conversation.turns.number(turn.id) is None
        if not whole and not gone and viewer.open:
            found = await self._viewer.ask(partial(self._generations.find, turn.id))
            gone = found is not None and found.existence is Existence.TOMBSTONE
        if gone and viewer.open:
            await self._send([viewer.gone(turn)], turn.number)
        elif not whole and viewer.open:
            viewer.finish()  # it is not as it was: the client comes back with its cursor

    async def _follow(self, turn: Turn, cursor: EventId = ORIGIN, *, told: bool = False) -> None:
        """Lets the viewer follow a turn that has not ended, and says which later ones have begun."""
        viewer, turns = self._viewer, self._conversation.turns
        later: list[Turn] = []
        reached = turn.number
        while viewer.open and (following := turns.after(reached, RECORDS_PER_READ)):
            records = await self._viewer.ask(partial(self._generations.records, [one.id for one in following]))
            for one, record in zip(following, records or (), strict=False):
                if record is not None:
                    later.append(Turn.of(one.number, record, self._dialect))
            reached = following[-1].number
        # What came while those were read may be another order, or that this is gone.
        if not viewer.open or viewer.voided or turns.number(turn.record.id) != turn.number:
            return
        self._done = True
        viewer.enter(turn, cursor, told=told, later=later)
