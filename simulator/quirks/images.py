"""An image that is one large event."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from typing import Any, Final

from simulator.quirks.chat_chunks import chunk
from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, GEMINI, RESPONSES, Change, Quirk, numbered
from simulator.quirks.reasons import reason_of

MEGABYTES: Final = 20
"""Of Base64; Gemini's 4K images have as much."""


@cache
def picture() -> str:
    """Base64, which nobody looks into."""
    return "iVBORw0KGgo" + "A" * (MEGABYTES * 1_000_000 - 11)


def _before_end(image: Callable[[Event], Event]) -> Change:
    """The image before the finish reason, or before the whole response."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            if reason_of(event) is not None or event.name == "response.completed":
                yield image(event)
            yield event

    return changed


def _in_chat(event: Event) -> Event:
    url = {"url": f"data:image/png;base64,{picture()}"}
    return chunk(event, {"images": [{"type": "image_url", "image_url": url}]})


def _in_gemini(event: Event) -> Event:
    data = deepcopy(event.data)
    candidate = data["candidates"][0]
    del candidate["finishReason"]
    candidate["content"]["parts"] = [{"inlineData": {"mimeType": "image/png", "data": picture()}}]
    return event.after(data)


def _in_responses(event: Event) -> Event:
    index = len(event.data["response"]["output"])
    item: dict[str, Any] = {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": picture()}
    name = "response.output_item.done"
    return event.after({"type": name, "output_index": index, "item": item}, name)


QUIRKS: Final = (
    Quirk(
        "large-image",
        f"An image of {MEGABYTES} MB in one event (Gemini's 4K images: sub2api#874).",
        {CHAT: _before_end(_in_chat), RESPONSES: numbered(_before_end(_in_responses)), GEMINI: _before_end(_in_gemini)},
    ),
)
