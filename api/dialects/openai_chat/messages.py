"""The messages of a request: what an answer of this dialect comes back as, and what cannot be honoured."""

from typing import Any

from api.dialects.openai_chat.earlier_answer import unwrapped
from api.problems.problem import FieldError

BREAKPOINT = "prompt_cache_breakpoint"


class Messages:
    """The messages as a request of ours has them, and what is wrong with them or was passed over."""

    def __init__(self, given: list[Any]) -> None:
        self.errors: list[FieldError] = []
        self.passed_over = False
        """Whether there was a breakpoint of a prompt's cache."""
        self.moved: dict[str, str] = {}
        """Places in the body, by those of ours that have another pointer."""
        self.native = [self._message(f"/messages/{at}", message) for at, message in enumerate(given)]

    def _message(self, pointer: str, message: Any) -> Any:
        if not isinstance(message, dict):
            return message
        if message.get("role") == "function":
            self._refuse(f"{pointer}/role", "is an older form that is not spoken here; give a tool message instead")
        if message.get("role") == "assistant":
            given, message = message, unwrapped(message)
            if "reasoning" in message and "reasoning" not in given:
                self.moved[f"{pointer}/reasoning"] = f"{pointer}/reasoning_details"
            if message.get("audio"):
                self._refuse(f"{pointer}/audio", "cannot be honoured: no provider keeps it here; leave it out")
            if message.get("function_call"):
                self._refuse(f"{pointer}/function_call", "is an older form; give tool_calls instead")
        content = message.get("content")
        if isinstance(content, list):
            parts = [self._part(f"{pointer}/content/{at}", part) for at, part in enumerate(content)]
            message = message | {"content": parts}
        return message

    def _part(self, pointer: str, part: Any) -> Any:
        if not isinstance(part, dict):
            return part
        if part.get("type") == "input_audio":
            self._refuse(pointer, "is input_audio, which cannot be honoured; give its text instead")
        file = part.get("file")
        if part.get("type") == "file" and isinstance(file, dict) and file.get("file_id"):
            self._refuse(f"{pointer}/file/file_id", "cannot be honoured: no provider keeps it here; give file_data")
        if isinstance(image := part.get("image_url"), dict) and image.get("detail") == "original":
            # The nearest that all protocols know.
            part = part | {"image_url": image | {"detail": "high"}}
        if BREAKPOINT in part:
            self.passed_over = self.passed_over or part[BREAKPOINT] is not None
            part = {name: value for name, value in part.items() if name != BREAKPOINT}
        return part

    def _refuse(self, pointer: str, message: str) -> None:
        self.errors.append(FieldError(pointer=pointer, message=message))
