"""Items that a request names by their ids alone, as the AI SDK does with those of earlier responses.

An item's id has the tail of its generation's: whoever can read that generation's answer has the item.
"""

import re
from collections.abc import Mapping
from typing import Any

_ITEM_ID = re.compile(r"[a-z]+_([a-z2-7]{32})_[0-9]+_[0-9]+")


def references(body: Mapping[str, Any]) -> dict[str, str]:
    """Returns the ids of generations by the ids of the items that a body names alone."""
    found = {}
    given = body.get("input")
    for item in given if isinstance(given, list) else ():
        if (item_id := _named(item)) is not None and (match := _ITEM_ID.fullmatch(item_id)):
            found[item_id] = f"gen_{match[1]}"
    return found


def resolved(body: Mapping[str, Any], items: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Returns the body with these items in the places where it names them; others stay named."""
    given = body.get("input")
    if not isinstance(given, list):
        return dict(body)
    return {**body, "input": [items.get(_named(item) or "", item) for item in given]}


def _named(item: Any) -> str | None:
    """Returns the id of an item that has nothing else; None for any other."""
    if not isinstance(item, dict):
        return None
    said = {name: value for name, value in item.items() if value is not None}
    item_id = said.pop("id", None)
    alone = said in ({}, {"type": "item_reference"})
    return item_id if alone and isinstance(item_id, str) else None
