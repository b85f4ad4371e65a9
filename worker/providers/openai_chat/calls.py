"""The tool calls of a Chat Completions answer, on their way into the log.

A call is in the log from when its name is known: its arguments begin, a piece without a name follows, or the answer
ends. One that began without a name may get more of it with its arguments. A call that never gets a name is none.
"""

import json
from collections.abc import Sequence
from typing import Any, Protocol

from shared.log.events import Delta, Part, PartEnd, Raw
from worker.providers.call_ids import made_up
from worker.providers.openai_chat.call_identity import Call, begins, is_object, nearest, same
from worker.providers.openai_chat.chunk import PROTOCOL, Function, ToolCallDelta
from worker.providers.openai_chat.thought_signature import read as read_signature
from worker.providers.provider import ProviderEvent


class Log(Protocol):
    """Where events go."""

    events: list[ProviderEvent]

    def begin(self) -> int:
        """Returns the number of a new part, and ends the one that is open."""


class Calls:
    """The calls so far."""

    def __init__(self) -> None:
        self.held = False
        """Something of a call came, and nothing of it is in the log yet."""
        self._calls: list[Call] = []

    @property
    def any(self) -> bool:
        """Says whether anything of a call came."""
        return bool(self._calls)

    @property
    def called(self) -> bool:
        """Says whether there is any call."""
        return any(call.part is not None for call in self._calls)

    @property
    def are_whole(self) -> bool:
        """Says whether the arguments of each call are JSON, if there are any."""
        return all(call.arguments.are_valid() for call in self._calls)

    def read(self, pieces: Sequence[ToolCallDelta], log: Log) -> None:
        """Adds what one chunk has of calls: whole ones, or fragments."""
        if len(pieces) == 1 and self._calls and self._goes_on(pieces[0], self._calls[-1], log):
            return
        read: list[Call] = []
        for piece in pieces:
            function = piece.function or Function(piece.name, piece.arguments)
            name, text = function.name or "", _text(function.arguments)
            call = nearest(self._calls, piece)
            if call is None or begins(call, piece, name, text, beside=any(call is one for one in read)):
                if not (name or text or piece.id):
                    continue
                call = self._new(piece, name, call, beside=any(call is one for one in read))
            self._grow(call, piece.id or "", name, text, log)
            if piece.extra_content:
                _sign(call, piece.extra_content, log)
            read.append(call)

    def reconcile(self, whole: Sequence[ToolCallDelta], log: Log) -> None:
        """Adds what a whole message says of calls beyond what was said of them."""
        for place, piece in enumerate(whole):
            function = piece.function or Function(piece.name, piece.arguments)
            name, text = function.name or "", _text(function.arguments)
            if (call := same(self._calls, piece, place, name, text)) is None:
                call = self._new(piece, name, None, beside=True)
            said = call.arguments.said
            if call.arguments.whole or (not text.startswith(said) and is_object(text)):
                text = ""
            self._grow(call, piece.id or "", name if call.part is None else "", text.removeprefix(said), log)
            if piece.extra_content and call.signature is None:
                _sign(call, piece.extra_content, log)

    def settle(self, log: Log) -> None:
        """Adds what was held back; nothing more comes."""
        before: Call | None = None
        for call in list(self._calls):
            if call.twin is not None and call.twin.arguments.repeats(call.ready):
                self._calls.remove(call)
                continue
            if not call.name:
                self._calls.remove(call)
                self._lose(call, before, log)
                continue
            self._tell(call, log)
            before = call
        for call in self._calls:
            _say(call, call.arguments.close(), log)

    def end(self, log: Log) -> None:
        """Ends all calls, after `settle`."""
        log.events += [_end_of(call, call.part) for call in self._calls if call.part is not None]

    def _goes_on(self, piece: ToolCallDelta, call: Call, log: Log) -> bool:
        """Adds a usual fragment of the latest call; says whether it was one."""
        function = piece.function
        if (
            piece.index != call.index
            or piece.id
            or piece.extra_content
            or call.part is None
            or function is None
            or function.name
            or not isinstance(function.arguments, str)
        ):
            return False
        _say(call, call.arguments.feed(function.arguments), log)
        self.held = self.held or call.arguments.holds
        return True

    def _new(self, piece: ToolCallDelta, name: str, before: Call | None, *, beside: bool) -> Call:
        call = Call(piece.index, piece.id or "")
        if before is not None and not beside and name == before.name and call.id in ("", before.id):
            call.twin = before
        self._calls.append(call)
        return call

    def _grow(self, call: Call, call_id: str, name: str, text: str, log: Log) -> None:
        call.id = call.id or call_id
        if call.part is not None:
            _say(call, call.arguments.feed(text), log)
        else:
            call.name = _joined(call.name, name)
            call.late = call.late or not call.name
            call.ready += call.arguments.feed(text)
            if call.twin is not None and call.arguments.whole:
                if call.twin.arguments.repeats(call.ready):
                    self._calls.remove(call)
                    return
                call.twin = None
            if call.name and (not name or (text and not call.late) or call.arguments.whole):
                call.known = True
            self._tell_known(call, log)
        self.held = self.held or call.part is None or call.arguments.holds

    def _tell_known(self, growing: Call, log: Log) -> None:
        """Puts calls into the log, in their order, up to one whose name may still grow.

        Before the one that is `growing` that is one that began without a name; of any other the name is whole.
        """
        before = True
        for call in self._calls:
            before = before and call is not growing
            if not call.name or call.twin is not None:
                continue
            if not (call.known or (before and not call.late)):
                return
            self._tell(call, log)

    def _tell(self, call: Call, log: Log) -> None:
        if call.part is None:
            taken = any(other.part is not None and other.id == call.id for other in self._calls)
            call.part = log.begin()
            call_id = call.id if call.id and not taken else made_up(call.part)
            log.events.append(
                Part(part=call.part, kind="tool_call", call_id=call_id, name=call.name, executor="client")
            )
            ready, call.ready = call.ready, ""
            _say(call, ready, log)

    def _lose(self, call: Call, before: Call | None, log: Log) -> None:
        """Gives what has no name to the call that lacks it, as some count the index up with each fragment.

        What is of no call is kept as it came.
        """
        text = call.ready + call.arguments.close()
        if before is not None and not call.id and not before.arguments.whole:
            _say(before, before.arguments.feed(text), log)
        elif text.strip() and not (before is not None and before.arguments.repeats(text)):
            lost = {"index": call.index, "id": call.id, "function": {"arguments": text}}
            log.events.append(Raw(protocol=PROTOCOL, data={"delta": {"tool_calls": [lost]}}))


def _say(call: Call, text: str, log: Log) -> None:
    if text:
        assert call.part is not None
        log.events.append(Delta(part=call.part, kind="tool_call", delta=text))


def _sign(call: Call, extra_content: Any, log: Log) -> None:
    if (signature := read_signature(extra_content)) is not None:
        call.signature = signature
    else:
        kept = {"index": call.index, "extra_content": extra_content}
        log.events.append(Raw(protocol=PROTOCOL, data={"delta": {"tool_calls": [kept]}}))


def _end_of(call: Call, part: int) -> PartEnd:
    if (signed := call.signature) is None:
        return PartEnd(part=part)
    return PartEnd(part=part, signature=signed.signature, provider=signed.provider)


def _joined(so_far: str, name: str) -> str:
    """Returns a name with one more piece of it, or said once more, or said so far and further."""
    if name.startswith(so_far):
        return name
    return so_far + name if name else so_far


def _text(arguments: Any) -> str:
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return json.dumps(arguments, ensure_ascii=False)
