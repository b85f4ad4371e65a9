"""What the provider ran itself."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import ResponseOutputItem
from pydantic import TypeAdapter

from api.dialects.openai_responses.hosted import HOSTED, CodeItem, FileSearchItem, HostedItem, ImageItem, WebSearchItem
from tests.api.dialects.openai_responses.test_items import said, shown

ITEMS: TypeAdapter[Any] = TypeAdapter(ResponseOutputItem)


def item_of(kind: type[HostedItem], arguments: str, **fields: Any) -> HostedItem:
    item = kind("x_1", 0)
    item.add(said("tool_call", arguments, call_id="c", item_id="c", ended=True, **fields))
    return item


@pytest.mark.parametrize(
    ("arguments", "action"),
    [
        ('{"type":"open_page","url":"u"}', {"type": "open_page", "url": "u"}),
        ('{"query":"sky"}', {"type": "search", "query": "sky"}),
        ('{"type":"find_in_page"}', {"type": "search", "query": ""}),
        ("{", {"type": "search", "query": ""}),
    ],
)
def test_a_search_of_the_web(arguments: str, action: dict[str, str]) -> None:
    item = item_of(WebSearchItem, arguments)
    assert shown(item)["action"] == action
    assert item.complete
    ITEMS.validate_python(shown(item))


def test_a_search_of_files() -> None:
    item = item_of(FileSearchItem, '{"queries":["sky",1]}')
    assert not item.complete
    result = said("tool_result", '[{"file_id":"f","text":"Blue."}]', call_id="c", ended=True)
    assert item.of_call(result)
    item.add(result)
    assert item.complete
    assert (shown(item)["queries"], shown(item)["results"]) == (["sky"], [{"file_id": "f", "text": "Blue."}])
    ITEMS.validate_python(shown(item))


def test_code() -> None:
    item = item_of(CodeItem, '{"code":"1+1","container_id":"cntr_1"}')
    item.add(said("tool_result", '[{"type":"logs","logs":"2"}]', call_id="c", ended=True))
    assert (shown(item)["code"], shown(item)["outputs"]) == ("1+1", [{"type": "logs", "logs": "2"}])
    ITEMS.validate_python(shown(item))


def test_an_image() -> None:
    item = item_of(ImageItem, '{"size":"1x1","quality":2}')
    image = said("file", "iVBO", item_id="c", media_type="image/webp")
    assert item.of_call(image)
    item.add(image)
    assert (shown(item, "incomplete")["status"], shown(item, "incomplete")["result"]) == ("failed", "")
    assert shown(item, "in_progress")["result"] is None
    image.ended = True
    assert (shown(item)["result"], shown(item)["output_format"], shown(item)["size"]) == ("iVBO", "webp", "1x1")
    ITEMS.validate_python(shown(item))


def test_an_image_without_a_call() -> None:
    item = ImageItem("ig_1", 0)
    item.add(said("file", "iVBO", media_type="image/png", ended=True))
    assert shown(item)["result"] == "iVBO"
    # Another image is another item.
    assert not item.of_call(said("file", item_id=None))


@pytest.mark.parametrize("kind", [*HOSTED.values()])
def test_only_what_came_of_this_call(kind: type[HostedItem]) -> None:
    item = item_of(kind, "{}")
    assert not item.of_call(said("tool_result", call_id="other"))
    assert not item.of_call(said("file", item_id="other"))
