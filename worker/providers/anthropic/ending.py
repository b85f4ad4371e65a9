"""Why a Messages answer stopped, beside its stop reason: the sequence that stopped it, the category of a refusal."""

from typing import Any

from msgspec import UNSET, UnsetType


class Ending:
    """What was said of it so far (API reference: `stop_sequence`; `RefusalStopDetails`)."""

    def __init__(self) -> None:
        self.sequence: str | UnsetType = UNSET
        self.category: str | UnsetType = UNSET

    def take(self, sequence: object, details: object) -> dict[str, Any]:
        """Takes both as an event has them; returns what of them has no place in our events."""
        rest: dict[str, Any] = {}
        if isinstance(sequence, str):
            self.sequence = sequence or self.sequence
        elif sequence is not None:
            rest["stop_sequence"] = sequence
        said = (
            {name: value for name, value in details.items() if value is not None} if isinstance(details, dict) else {}
        )
        if isinstance(said.get("category"), str):
            self.category = said["category"] or self.category
            del said["category"]
        # That it is a refusal is its reason.
        if details is not None and (said.keys() - {"type"} or not isinstance(details, dict)):
            rest["stop_details"] = details
        return rest
