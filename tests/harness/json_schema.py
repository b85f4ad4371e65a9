"""JSON Schema (2020-12), as far as our own descriptions use it: what a value breaks. Any other keyword is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
    "null": type(None),
}  # fmt: skip
SAYS_NOTHING = frozenset({"type", "title", "description", "contentMediaType", "contentSchema"})


def flaws(value: Any, schema: dict[str, Any], components: dict[str, Any], at: str = "") -> Iterator[str]:
    """Yields what is wrong with a value. A field that an object's schema does not have is wrong too."""
    said = schema.get("type", "")
    if said and (not isinstance(value, TYPES[said]) or (said != "boolean" and isinstance(value, bool))):
        yield f"{at}: is no {said}"
        return
    for keyword, said in schema.items():
        match keyword:
            case _ if keyword in SAYS_NOTHING:
                pass
            case "$ref":
                yield from flaws(value, components[said.rpartition("/")[2]], components, at)
            case "pattern":
                yield from () if re.search(said, value) else (f"{at}: does not match {said}",)
            case "enum":
                yield from () if value in said else (f"{at}: is none of {said}",)
            case "const":
                yield from () if value == said else (f"{at}: is not {said}",)
            case "anyOf":
                if all(list(flaws(value, one, components, at)) for one in said):
                    yield f"{at}: is none of these"
            case "required":
                yield from (f"{at}/{name}: is missing" for name in said if name not in value)
            case "items":
                for number, item in enumerate(value):
                    yield from flaws(item, said, components, f"{at}/{number}")
            case "properties":
                for name, item in value.items():
                    if name in said:
                        yield from flaws(item, said[name], components, f"{at}/{name}")
                    else:
                        yield f"{at}/{name}: is not described"
            case "additionalProperties":
                for name, item in value.items() if isinstance(said, dict) else ():
                    yield from flaws(item, said, components, f"{at}/{name}")
            case _:
                raise AssertionError(f"{keyword} is not known here")
