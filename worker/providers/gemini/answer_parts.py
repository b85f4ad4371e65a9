"""The parts of one Gemini answer: what the protocol calls parts, as ours.

The protocol's have no indices: text goes on in the part that is open until something else begins. Calls, code, results
and files come whole.
"""

import json
from typing import Any, NamedTuple

from msgspec import UNSET, Struct, UnsetType

from shared.log.events import Annotation, Delta, Part, PartEnd, PartKind, Raw
from worker.providers.call_ids import made_up
from worker.providers.gemini.chunk import Piece
from worker.providers.provider import ProviderEvent

PROTOCOL = "gemini"
"""Its name in our events: of what is raw, and of signatures."""

CODE_EXECUTION_TOOL = "code_execution"


_OUTCOMES = {
    "OUTCOME_OK": False, "OUTCOME_FAILED": True, "OUTCOME_DEADLINE_EXCEEDED": True, "1": False, "2": True, "3": True,
}  # fmt: skip
"""Whether code has failed, by its outcome or that one's number (API reference: `CodeExecutionResult.Outcome`)."""


class _Result(NamedTuple):
    """What the protocol calls a result, and whether it says that the tool failed."""

    type: str
    is_error: bool | UnsetType = UNSET


class _Saying(Struct):
    """The part of text or thoughts that is open."""

    kind: PartKind
    part: int
    signature: str = ""


class AnswerParts:
    """What was said so far."""

    def __init__(self) -> None:
        self.called = False
        """A tool was called that the caller runs."""
        self.used_last = False
        """The last part is of a tool that the provider runs, so that more must follow."""
        self._parts = 0
        self._saying: _Saying | None = None
        self._code = ""

    def read(self, piece: Piece, events: list[ProviderEvent]) -> bool:
        """Reads one part of the protocol; returns False where it is of no kind that we know."""
        if piece.text is not None:
            if piece.function_call is None and not _is_whole(piece):
                self._say(piece, piece.text, events)
                return True
            if piece.text:
                # Some servers have a text, mostly an empty one, beside each call.
                self._say(Piece(text=piece.text, thought=piece.thought), piece.text, events)
        if (call := piece.function_call) is not None:
            self._call(piece, call, events)
        elif (code := piece.executable_code) is not None:
            self._code = str(code.get("id") or made_up(self._parts))
            self._use(piece, "tool_call", self._code, CODE_EXECUTION_TOOL, _without_id(code), events)
        elif (result := piece.code_execution_result) is not None:
            call_id = str(result.get("id") or self._code)
            said = _Result("codeExecutionResult", _OUTCOMES.get(str(result.get("outcome")), UNSET))
            self._use(piece, "tool_result", call_id, CODE_EXECUTION_TOOL, _without_id(result), events, said)
        elif (used := piece.tool_call) is not None:
            call_id = str(used.get("id") or made_up(self._parts))
            self._use(piece, "tool_call", call_id, _tool_name(used), used.get("args") or {}, events)
        elif (answer := piece.tool_response) is not None:
            call_id = str(answer.get("id") or "")
            said = _Result("toolResponse")
            self._use(piece, "tool_result", call_id, _tool_name(answer), answer.get("response"), events, said)
        elif (file := piece.inline_data or piece.file_data) is not None:
            begun = Part(
                part=self._parts,
                kind="file",
                media_type=str(file.get("mimeType") or "") or UNSET,
                url=str(file.get("fileUri") or "") or UNSET,
            )
            self._put(piece, begun, str(file.get("data") or ""), events)
        elif piece.thought_signature:
            self._say(piece, "", events)
        else:
            return False
        return True

    def cite(self, fields: dict[str, Any], events: list[ProviderEvent]) -> None:
        """Adds where the open text comes from; what is said of no text is kept raw."""
        if self._saying is not None and self._saying.kind == "text":
            events.append(Annotation(part=self._saying.part, fields=fields, protocol=PROTOCOL))
        else:
            events.append(Raw(protocol=PROTOCOL, data=fields))

    def end(self, events: list[ProviderEvent]) -> None:
        """Ends the part that is open."""
        if self._saying is not None:
            events.append(_end_of(self._saying.part, self._saying.signature))
            self._saying = None

    def _say(self, piece: Piece, text: str, events: list[ProviderEvent]) -> None:
        signature = piece.thought_signature or ""
        if not (text or signature):
            return
        self.used_last = False
        kind: PartKind = "reasoning" if piece.thought else "text"
        saying = self._saying
        # Two signatures are of two parts, which the service wants back apart ("Thought signatures").
        if saying is None or saying.kind != kind or (signature and saying.signature not in ("", signature)):
            self.end(events)
            self._saying = saying = _Saying(kind, self._parts)
            self._parts += 1
            # What the service shows of its thoughts is a summary of them ("Gemini thinking").
            events.append(Part(part=saying.part, kind=kind, summary=True if piece.thought else UNSET))
        if text:
            events.append(Delta(part=saying.part, kind=kind, delta=text))
        saying.signature = signature or saying.signature

    def _call(self, piece: Piece, call: dict[str, Any], events: list[ProviderEvent]) -> None:
        if call.get("partialArgs") or call.get("willContinue") or not call.get("name"):
            # Values by JSON path instead of text: only who asks for them by `extra` gets them.
            events.append(Raw(protocol=PROTOCOL, data={"functionCall": call}))
            return
        self.called = True
        call_id = str(call.get("id") or made_up(self._parts))
        begun = Part(part=self._parts, kind="tool_call", call_id=call_id, name=str(call["name"]), executor="client")
        self._put(piece, begun, _arguments(call), events)

    def _use(
        self,
        piece: Piece,
        kind: PartKind,
        call_id: str,
        name: str,
        value: Any,
        events: list[ProviderEvent],
        result: _Result | None = None,
    ) -> None:
        """Adds a call of one of the provider's own tools, or its result."""
        used = Part(part=self._parts, kind=kind, call_id=call_id, name=name, executor="provider")
        if result is not None:
            used.result_type, used.is_error = result.type, result.is_error
        self._put(piece, used, _json(value), events)
        self.used_last = True

    def _put(self, piece: Piece, begun: Part, content: str, events: list[ProviderEvent]) -> None:
        """Adds a part that comes whole. An image may be part of the thoughts."""
        self.end(events)
        self._parts += 1
        self.used_last = False
        if piece.thought:
            begun.summary = True
        events.append(begun)
        if content:
            events.append(Delta(part=begun.part, kind=begun.kind, delta=content))
        events.append(_end_of(begun.part, piece.thought_signature or ""))


def _is_whole(piece: Piece) -> bool:
    """Says whether a part has code, a result, a file, or a use of the provider's tools."""
    return not (
        piece.inline_data is None
        and piece.executable_code is None
        and piece.code_execution_result is None
        and piece.tool_call is None
        and piece.tool_response is None
        and piece.file_data is None
    )


def _arguments(call: dict[str, Any]) -> str:
    """Returns the arguments of a call as JSON; some servers send that text itself."""
    given = call.get("args") or call.get("arguments") or {}
    if isinstance(given, str):
        try:
            value = json.loads(given)
        except (ValueError, RecursionError):
            value = None
        given = value if isinstance(value, dict) else given
    return _json(given)


def _end_of(part: int, signature: str) -> PartEnd:
    return PartEnd(part=part, signature=signature, provider=PROTOCOL) if signature else PartEnd(part=part)


def _tool_name(fields: dict[str, Any]) -> str:
    return str(fields.get("toolType") or "").lower()


def _without_id(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "id"}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
