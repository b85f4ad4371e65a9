"""Tool calls and their results, paired: each call has one result, behind the answer that made it, and an id of its own.

Every provider demands this. Anthropic: "tool_use ids were found without tool_result blocks immediately after", and ids
must be unique (API reference: "Tool use"); OpenAI: "An assistant message with 'tool_calls' must be followed by tool
messages responding to each 'tool_call_id'", and over Responses "No tool output found for function call"; Gemini wants
as many function responses as there were calls ("Function calling"). A conversation that does not pair is refused in
every later turn too. What is clear is put right; anything else is named, and nothing is made up.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.request.messages import AssistantMessage, Message, ToolMessage
from shared.request.tools import ToolCall


class Flaw(NamedTuple):
    """A call or a result that has no counterpart."""

    place: tuple[int, int]
    """Of its message, and of the call in that; -1 for a result."""
    message: str

    @property
    def pointer(self) -> str:
        """Where in the request (JSON Pointer, RFC 6901)."""
        at, call = self.place
        return f"/messages/{at}/" + ("tool_call_id" if call < 0 else f"tool_calls/{call}")


class Pairing(NamedTuple):
    """Messages with each result behind its call, and what could not be paired."""

    messages: list[Message]
    flaws: list[Flaw]


NO_RESULT = "has no result; add a tool message with its id right behind this message, or leave the call out"
NO_CALL = "is of no call in a message before it; add the assistant message that made it, or leave the result out"
SECOND = "is of a call that has a result already, another one; leave one of them out"
TOO_LATE = "stands behind a later answer; put the result right behind the message with its call"


def paired(messages: list[Message]) -> Pairing:
    """Returns the messages, themselves where they are in order; it takes one pass, or two.

    A result moves up to its call, over what the user or the system said meanwhile. An id that was used before gets a
    number, as has its result. The same result a second time is left out.
    """
    return Pairing(messages, []) if _in_order(messages) else _Pairs().of(messages)


def _in_order(messages: list[Message]) -> bool:
    used: set[str] = set()
    awaited: set[str] = set()
    for message in messages:
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in awaited:
                return False
            awaited.remove(message.tool_call_id)
        elif awaited:
            return False
        elif isinstance(message, AssistantMessage):
            for call in message.tool_calls or ():
                if call.id in used:
                    return False
                used.add(call.id)
                awaited.add(call.id)
    return not awaited


@dataclass(slots=True)
class _Turn:
    """An answer, which can be several messages in a row, with its results; or one message of somebody else."""

    said: list[Message]
    results: list[Message] = field(default_factory=list)

    def messages(self) -> Iterator[Message]:
        """Yields the messages; a text that follows a call of its own answer is before it, as results follow calls."""
        if self.results and len(self.said) > 1:
            self.said.sort(key=lambda message: isinstance(message, AssistantMessage) and bool(message.tool_calls))
        yield from self.said
        yield from self.results


@dataclass(slots=True)
class _Open:
    """Calls of one answer that have one id, and no result yet: their places, and the ids that they are given."""

    turn: _Turn
    calls: list[tuple[tuple[int, int], str]] = field(default_factory=list)
    answered: int = 0


class _Pairs:
    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._answering = False
        """The message before was an assistant's."""
        self._used: set[str] = set()
        self._uses: Counter[str] = Counter()
        self._open: dict[str, _Open] = {}
        """By the id that the caller gave them: the latest calls of that id."""
        self._results: dict[str, ToolMessage] = {}
        self._flaws: list[Flaw] = []

    def of(self, messages: list[Message]) -> Pairing:
        for at, message in enumerate(messages):
            if isinstance(message, ToolMessage):
                self._result(at, message)
                self._answering = False
            elif isinstance(message, AssistantMessage):
                self._answer(at, message)
                self._answering = True
            else:
                self._turns.append(_Turn([message]))
                self._answering = False
        for calls in self._open.values():
            self._leave(calls)
        ordered = [message for turn in self._turns for message in turn.messages()]
        answer_is_last = bool(ordered) and isinstance(ordered[-1], AssistantMessage)
        if answer_is_last and isinstance(messages[-1], ToolMessage) and not self._flaws:
            # Moved up, it would leave a beginning for the model to go on with, which nobody meant.
            self._flaws.append(Flaw((len(messages) - 1, -1), TOO_LATE))
        return Pairing(ordered, sorted(self._flaws))

    def _answer(self, at: int, message: AssistantMessage) -> None:
        if not self._answering:
            self._turns.append(_Turn([]))
        turn = self._turns[-1]
        calls = [self._call((at, index), call, turn) for index, call in enumerate(message.tool_calls or ())]
        if calls != (message.tool_calls or []):
            message = message.model_copy(update={"tool_calls": calls})
        turn.said.append(message)

    def _call(self, place: tuple[int, int], call: ToolCall, turn: _Turn) -> ToolCall:
        own = self._unused(call.id)
        known = self._open.get(call.id)
        if known is None or known.turn is not turn:
            if known is not None:
                self._leave(known)
            known = self._open[call.id] = _Open(turn)
        known.calls.append((place, own))
        return call if own == call.id else call.model_copy(update={"id": own})

    def _unused(self, call_id: str) -> str:
        """Returns the id, or one made of it that is new, by what stands before it: what follows changes none."""
        own = call_id
        while own in self._used:
            self._uses[call_id] += 1
            own = f"{call_id}_{self._uses[call_id] + 1}"
        self._used.add(own)
        return own

    def _result(self, at: int, message: ToolMessage) -> None:
        call_id = message.tool_call_id
        calls = self._open.get(call_id)
        if calls is not None and calls.answered < len(calls.calls):
            own = calls.calls[calls.answered][1]
            calls.answered += 1
            self._results[call_id] = message
            calls.turn.results.append(message if own == call_id else message.model_copy(update={"tool_call_id": own}))
        elif call_id not in self._results:
            self._flaws.append(Flaw((at, -1), NO_CALL))
        elif self._results[call_id].content != message.content:
            self._flaws.append(Flaw((at, -1), SECOND))

    def _leave(self, calls: _Open) -> None:
        self._flaws += [Flaw(place, NO_RESULT) for place, _ in calls.calls[calls.answered :]]


def each_answered(messages: Sequence[Message]) -> Iterator[Message]:
    """Yields paired messages as Chat has them: of several assistant messages in a row each has its results behind it.

    The other protocols take such messages for one answer.
    """
    at = 0
    while at < len(messages):
        calling = at
        while at < len(messages) and isinstance(messages[at], AssistantMessage):
            at += 1
        answers = messages[calling:at]
        if len(answers) < 2:
            yield from answers or messages[at : at + 1]
            at += not answers
            continue
        results: dict[str, Message] = {}
        while at < len(messages) and isinstance(result := messages[at], ToolMessage):
            results[result.tool_call_id] = result
            at += 1
        for answer in answers:
            yield answer
            if isinstance(answer, AssistantMessage):
                calls = [call.id for call in answer.tool_calls or ()]
                yield from (results.pop(call_id) for call_id in calls if call_id in results)
        yield from results.values()
