"""Token counts of a Gemini answer by modality (API reference: `ModalityTokenCount`), of which we tell sound apart."""

from typing import Any

from msgspec import UNSET, UnsetType

from shared.log.events import MAX_TOKENS

_OF_INPUT = ("promptTokensDetails", "toolUsePromptTokensDetails")
_OF_OUTPUT = ("candidatesTokensDetails",)
_LISTS = frozenset(_OF_INPUT + _OF_OUTPUT)


class Modalities:
    """The newest of each list of counts: later counts leave out what has not changed."""

    def __init__(self) -> None:
        self._lists: dict[str, Any] = {}

    def take(self, counted: dict[str, Any]) -> None:
        """Takes the lists that stand among counts."""
        if _LISTS.isdisjoint(counted):
            return
        for name in _LISTS:
            if (given := counted.get(name)) is not None:
                self._lists[name] = given

    @property
    def audio_input(self) -> int | UnsetType:
        """Tokens of sound that were asked, if any."""
        return self._audio(*_OF_INPUT)

    @property
    def audio_output(self) -> int | UnsetType:
        """Tokens of sound that were answered, if any."""
        return self._audio(*_OF_OUTPUT)

    def _audio(self, *names: str) -> int | UnsetType:
        return sum(_audio_in(self._lists.get(name)) for name in names) or UNSET


def _audio_in(given: object) -> int:
    counts = [one.get("tokenCount") for one in given if _is_audio(one)] if isinstance(given, list) else []
    return sum(count for count in counts if isinstance(count, int) and 0 <= count <= MAX_TOKENS)


def _is_audio(count: object) -> bool:
    return isinstance(count, dict) and str(count.get("modality")).upper() == "AUDIO"
