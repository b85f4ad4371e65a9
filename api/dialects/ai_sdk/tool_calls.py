"""Tools' calls and results as chunks: one of the client waits for its result, one of the provider comes with it.

A client takes all chunks with one id for one call (`getToolInvocation` in `process-ui-message-stream.ts`), and raises
where there is none of a result's id: so each call has an id of its own here, and each result a call. What a tool
gave is put at the first call of the whole chat that has the id (`addToolOutput` in `chat.ts`), and some providers count
their calls anew in each answer: so the ids of the chat's other calls are taken.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from api.dialects.ai_sdk.chunks import chunk, delta_begin
from api.dialects.ai_sdk.parts import SaidPart
from api.dialects.ai_sdk.provider_metadata import metadata_of
from shared import strict_json
from shared.request.call_arguments import arguments_of

UNNAMED = "tool"
"""A tool's name where nobody has said it."""
NOT_JSON = "The arguments of this call are no JSON object."


class ToolCalls:
    """The calls so far; `prefix` is what ids begin with that the provider has not given, `taken` are others' ids."""

    def __init__(self, prefix: str, taken: Iterable[str] = ()) -> None:
        self._prefix = prefix
        self._calls: list[SaidPart] = []
        self._ids = set(taken)
        self._results: dict[str, SaidPart | None] = {}
        """Results by the ids of their calls; None once they have been told."""

    def id_of(self, call_id: str | None) -> str:
        """Returns the id of one more call: the provider's, where no other call has it."""
        own = named = call_id or f"call_{self._prefix}_{len(self._ids)}"
        numbers = itertools.count(len(self._ids))
        while own in self._ids:
            own = f"{named}_{next(numbers)}"
        self._ids.add(own)
        return own

    def begin(self, call: SaidPart) -> Sequence[bytes]:
        """Returns the first chunks of a call: none before its tool's name is known."""
        self._calls.append(call)
        return self.name(call)

    def name(self, call: SaidPart) -> Sequence[bytes]:
        """Returns what can be said of a call whose name may have come by now."""
        return self._named(call) if call.name and not call.before else ()

    def _named(self, call: SaidPart) -> Sequence[bytes]:
        call.before = delta_begin("tool-input", call.id)
        began = chunk("tool-input-start", toolCallId=call.id, toolName=call.name or UNNAMED, **_ran(call))
        pieces = [piece for piece in call.pieces if piece != b'""']
        return (began, *(call.before + piece + b"}\n\n" for piece in pieces))

    def end(self, call: SaidPart) -> Sequence[bytes]:
        """Returns the chunks with which a call is whole."""
        if call.ended:
            return ()
        call.ended = True
        return [*self._whole(call), *self._answer(call)]

    def _whole(self, call: SaidPart) -> list[bytes]:
        made = [] if call.before else [*self._named(call)]
        text = call.text
        call.pieces.clear()
        told: dict[str, Any] = {"toolCallId": call.id, "toolName": call.name or UNNAMED, **_ran(call)}
        told["providerMetadata"] = metadata_of(call)
        arguments = arguments_of(text)
        if arguments is not None:
            made.append(chunk("tool-input-available", input=arguments, **told))
        elif call.executor == "provider":
            made.append(chunk("tool-input-available", input=text, **told))
        else:
            made.append(chunk("tool-input-error", input=text, errorText=NOT_JSON, **told))
        return made

    def result(self, result: SaidPart) -> Sequence[bytes]:
        """Returns the chunks of a result of a tool that the provider ran: none before its call is whole."""
        ran = (call for call in self._calls if call.executor == "provider" and call.id not in self._results)
        call = next((one for one in ran if one.call_id and one.call_id == result.call_id), None)
        if call is not None:
            self._results[call.id] = result
            return self._answer(call) if call.ended else ()
        call = SaidPart("tool_call", self.id_of(result.call_id), name=result.name, executor="provider")
        self._calls.append(call)
        self._results[call.id] = result
        return self.end(call)

    def _answer(self, call: SaidPart) -> list[bytes]:
        """Returns the chunk of a call's result, where that has come."""
        if (result := self._results.get(call.id)) is None:
            return []
        self._results[call.id] = None
        text = result.text
        result.pieces.clear()
        told = {"toolCallId": call.id, **_ran(call)}
        if result.is_error:
            return [chunk("tool-output-error", errorText=text, **told)]
        said = strict_json.read(text)
        return [chunk("tool-output-available", output=text if said.error else said.value, **told)]

    def rest(self) -> Sequence[bytes]:
        """Returns the chunks that end the calls of tools that the provider ran without saying what came of it.

        OpenAI's searches are such; a page would show them as running for good.
        """
        silent = [call for call in self._calls if call.executor == "provider" and call.id not in self._results]
        return [chunk("tool-output-available", output=None, toolCallId=call.id, **_ran(call)) for call in silent]


def _ran(call: SaidPart) -> dict[str, bool]:
    """Returns what is said of a tool that the provider runs: no client has its types, nor runs it."""
    return {"providerExecuted": True, "dynamic": True} if call.executor == "provider" else {}
