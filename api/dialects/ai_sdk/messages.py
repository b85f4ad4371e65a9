"""The messages of a chat as a request of ours has them (`convert-to-model-messages.ts` of the package `ai`)."""

from typing import Any

from api.dialects.ai_sdk.earlier_answer import earlier_answer
from api.problems.problem import FieldError

_NO_FILE = "needs url, a data: URL or an address"


class Messages:
    """The messages as ours, and what is wrong with them."""

    def __init__(self, given: list[Any], system: Any = None) -> None:
        self.errors: list[FieldError] = []
        self.moved: dict[str, str] = {}
        """Places in the body, by those of ours."""
        self.native: list[Any] = []
        if system is not None:
            self._add({"role": "system", "content": system}, "/system")
            self.moved["/messages/0/content"] = "/system"
        for at, message in enumerate(given):
            if message is not None:
                self._message(f"/messages/{at}", message)

    def _add(self, message: Any, place: str) -> str:
        own = f"/messages/{len(self.native)}"
        self.native.append(message)
        self.moved[own] = place
        return own

    def _refuse(self, pointer: str, message: str) -> None:
        self.errors.append(FieldError(pointer=pointer, message=message))

    def _message(self, place: str, message: Any) -> None:
        parts = message.get("parts") if isinstance(message, dict) else None
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            self._refuse(place, "must be a message of the AI SDK, with its role and a list of parts")
            return
        match message.get("role"):
            case "system":
                texts = [part.get("text", "") for part in parts if part.get("type") == "text"]
                self._add({"role": "system", "content": "".join(map(str, texts))}, place)
            case "user":
                self._user(place, parts)
            case "assistant":
                for one, at in earlier_answer(parts):
                    self._add(one, f"{place}/parts/{at}")
            case _:
                self._refuse(f"{place}/role", "must be system, user or assistant")

    def _user(self, place: str, parts: list[dict[str, Any]]) -> None:
        content: list[dict[str, Any]] = []
        places: list[str] = []
        for at, part in enumerate(parts):
            said = self._part(f"{place}/parts/{at}", part)
            if said is not None:
                content.append(said)
                places.append(f"{place}/parts/{at}")
        if not content:
            self._refuse(f"{place}/parts", "needs a text or a file")
            return
        if len(content) == 1 and content[0]["type"] == "text":
            own = self._add({"role": "user", "content": content[0]["text"]}, place)
            self.moved[f"{own}/content"] = f"{places[0]}/text"
            return
        own = self._add({"role": "user", "content": content}, place)
        for index, from_part in enumerate(places):
            self.moved[f"{own}/content/{index}"] = from_part

    def _part(self, place: str, part: dict[str, Any]) -> dict[str, Any] | None:
        """Returns a part of what a user says; None for what an app keeps for itself (`data-…`)."""
        match part:
            case {"type": "text", "text": str(text)}:
                return {"type": "text", "text": text}
            case {"type": "file", "url": str(url)}:
                return _file(url, part)
            case {"type": "text" | "file" as type}:
                self._refuse(place, "needs text" if type == "text" else _NO_FILE)
        return None


def _file(url: str, part: dict[str, Any]) -> dict[str, Any]:
    media_type = part.get("mediaType")
    if isinstance(media_type, str) and media_type.lower().startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    file = {"file_data" if url[:5].lower() == "data:" else "file_url": url}
    named = part.get("filename")
    return {"type": "file", "file": file | ({"filename": named} if isinstance(named, str) and named else {})}
