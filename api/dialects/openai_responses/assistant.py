"""What an assistant said in a row of items, as one native message."""

import json
from typing import Any

from api.dialects.openai_responses.contents import TEXTS, objects, text_of
from api.dialects.openai_responses.pointers import Pointers, refused, wrong
from api.dialects.openai_responses.sealed import Sealed, unseal
from shared.config.protocols import Protocol

OPENAI = "openai"
"""Whose encrypted reasoning is that was not sealed here, as our events name it."""


class AssistantTurn:
    """The reasoning, texts and calls so far, each with its place in the order, and its pointer."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._count = 0
        self._reasoning: list[tuple[dict[str, Any], str]] = []
        self._texts: list[tuple[dict[str, Any], str]] = []
        self._calls: list[tuple[dict[str, Any], str]] = []
        self._refusals: list[str] = []
        self._first = ""
        self.signatures: dict[str, dict[str, Any]] = {}
        """By a call's id, its signature; the call may stand in a message before, where its result came first."""
        self._places_count = False
        """Whether something stands in the place of something else."""

    def take(self, kind: str, item: dict[str, Any], own: str) -> None:
        """Takes an item. Raises ProblemError."""
        self._first = self._first or own
        if kind == "message":
            self._take_message(item, own)
        elif kind == "reasoning":
            self._take_reasoning(item, own)
        else:
            self._take_call(kind, item, own)

    def _place(self) -> dict[str, int]:
        self._count += 1
        return {"part": self._count - 1}

    def _take_message(self, item: dict[str, Any], own: str) -> None:
        content = item.get("content")
        if isinstance(content, str):
            self._texts.append(({"type": "text", "text": content, **self._place()}, f"{own}/content"))
            return
        for place, one in objects(content, f"{own}/content"):
            kind = str(one.get("type", "output_text"))
            if kind == "refusal":
                self._refusals.append(text_of(one, "refusal", place))
            elif kind in TEXTS:
                self._texts.append(({"type": "text", "text": text_of(one, "text", place), **self._place()}, place))
            else:
                raise refused(f"{place}/type", f"{kind} cannot be honoured here; leave it out")

    def _take_call(self, kind: str, item: dict[str, Any], own: str) -> None:
        if kind == "custom_tool_call":
            # A native call's arguments are JSON.
            arguments = json.dumps({"input": text_of(item, "input", own)}, ensure_ascii=False)
        else:
            arguments = text_of(item, "arguments", own)
        function = {"name": text_of(item, "name", own), "arguments": arguments}
        call = {"id": text_of(item, "call_id", own), "type": "function", "function": function}
        self._calls.append((call | self._place(), own))

    def _take_reasoning(self, item: dict[str, Any], own: str) -> None:
        if not isinstance(text := item.get("encrypted_content", ""), str):
            raise wrong(f"{own}/encrypted_content", "must be a string")
        sealed = unseal(text) if text else None
        said: list[dict[str, Any]] = [
            {"text": text} | ({"summary": True} if field == "summary" and sealed and sealed.summary else {})
            for field in ("summary", "content")
            if field in item
            for place, one in objects(item[field], f"{own}/{field}")
            if (text := text_of(one, "text", place))
        ]
        opaque = self._opaque(sealed, item.get("id")) if sealed else {}
        if opaque:
            said = said or [{}]
            if "item_id" in opaque:
                said = [one | {"item_id": opaque["item_id"]} for one in said]
            said[-1] |= opaque
        self._reasoning += [(one | self._place(), own) for one in said]

    def _opaque(self, sealed: Sealed, item_id: Any) -> dict[str, Any]:
        """Returns what goes back to a provider: nothing where it is nobody's, or what was said takes it."""
        provider, kind, name, value, _ = sealed
        if kind in ("call", "text"):
            self._sign(kind, name or "", {"signature": value, "provider": provider})
            return {}
        if provider is None:
            if self._protocol != "openai-responses":
                return {}
            provider, name = OPENAI, item_id if isinstance(item_id, str) else None
        return {kind: value, "provider": provider} | ({} if name is None else {"item_id": name})

    def _sign(self, kind: str, name: str, signed: dict[str, Any]) -> None:
        """Keeps the signature of a call; that of a text is reasoning without a text in the same place."""
        if kind == "call":
            self.signatures[name] = signed
        elif name.isdecimal() and int(name) < len(self._texts):
            text, own = self._texts[int(name)]
            self._reasoning.append(({**signed, "part": text["part"]}, own))
            self._places_count = True

    def message(self, native: str, pointers: Pointers) -> dict[str, Any] | None:
        """Returns the message; none where only reasoning was said, which means nothing without what it led to."""
        if not (self._texts or self._refusals or self._calls):
            return None
        pointers.put(native, self._first)
        message: dict[str, Any] = {"role": "assistant"}
        usual = self._in_order()
        if len(self._texts) == 1 and usual:
            message["content"] = self._texts[0][0]["text"]
            pointers.put(f"{native}/content", self._texts[0][1])
        elif self._texts:
            message["content"] = self._listed(self._texts, f"{native}/content", pointers, usual)
        if self._refusals:
            message["refusal"] = "".join(self._refusals)
        if self._reasoning:
            message["reasoning"] = self._listed(self._reasoning, f"{native}/reasoning", pointers, usual)
        if self._calls:
            message["tool_calls"] = self._listed(self._calls, f"{native}/tool_calls", pointers, usual)
            for at, (_, own) in enumerate(self._calls):
                pointers.put(f"{native}/tool_calls/{at}/id", f"{own}/call_id")
                pointers.put(f"{native}/tool_calls/{at}/function", own)
        return message

    def _in_order(self) -> bool:
        """Says whether all was said in the order that a message has without places."""
        parts = [entry["part"] for entry, _ in (*self._reasoning, *self._texts, *self._calls)]
        return parts == sorted(parts) and not self._places_count

    def _listed(
        self, entries: list[tuple[dict[str, Any], str]], native: str, pointers: Pointers, usual: bool
    ) -> list[dict[str, Any]]:
        for at, (_, own) in enumerate(entries):
            pointers.put(f"{native}/{at}", own)
        hidden = {"part"} if usual else set()
        return [{name: value for name, value in entry.items() if name not in hidden} for entry, _ in entries]
