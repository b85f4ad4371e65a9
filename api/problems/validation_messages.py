"""Validation errors in plain words: what a value must be, and what to do. Nothing of the value is repeated."""

from collections.abc import Callable, Mapping
from typing import Any

MUST_BE_WHOLE, MUST_BE_NUMBER, MUST_BE_YES_OR_NO = (
    "must be a whole number, such as 20",
    "must be a number, such as 0.7",
    "must be true or false",
)
WRONG_KIND_ERRORS = frozenset(
    {"string_type", "list_type", "dict_type", "model_type", "model_attributes_type", "literal_error"}
)
"""Types of the errors which say that a value is of another kind."""
MUST_BE_OBJECT = "must be an object; put its fields into { }"


def say(item: Mapping[str, Any]) -> str:
    """Says one of pydantic's errors (its documentation: "Validation Errors"); rare kinds stay in its own words."""
    context: Mapping[str, Any] = item.get("ctx", {})
    words = _SAID.get(str(item["type"]))
    if words is None:
        return str(item["msg"]).replace("Input should", "must", 1)
    message = words if isinstance(words, str) else words(context)
    # A mapping's own keys are wrong in a place of this name.
    return f"its name {message}" if "[key]" in item["loc"] else message


def _least(context: Mapping[str, Any]) -> str:
    least = context["min_length"]
    return f"must not be empty; give at least {least}" if least == 1 else f"must have at least {least}; add to it"


def _most(context: Mapping[str, Any]) -> str:
    what = "characters" if "field_type" not in context else "entries"
    return f"must have at most {context['max_length']} {what}; shorten it"


def _one_of(context: Mapping[str, Any]) -> str:
    expected = str(context["expected"])
    return f"must be {expected}; choose from these" if " or " in expected else f"must be {expected}"


def _number(value: Any) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


_SAID: Mapping[str, str | Callable[[Mapping[str, Any]], str]] = {
    "missing": "is required; add it",
    "string_type": "must be text; put it into quotes",
    "int_type": MUST_BE_WHOLE,
    "int_parsing": MUST_BE_WHOLE,
    "int_from_float": MUST_BE_WHOLE,
    "float_type": MUST_BE_NUMBER,
    "float_parsing": MUST_BE_NUMBER,
    "bool_type": MUST_BE_YES_OR_NO,
    "bool_parsing": MUST_BE_YES_OR_NO,
    "list_type": "must be a list; put its entries into [ ]",
    "dict_type": MUST_BE_OBJECT,
    "model_type": MUST_BE_OBJECT,
    "model_attributes_type": MUST_BE_OBJECT,
    "literal_error": _one_of,
    "greater_than": lambda context: f"must be more than {_number(context['gt'])}; raise it",
    "greater_than_equal": lambda context: f"must be at least {_number(context['ge'])}; raise it",
    "less_than": lambda context: f"must be less than {_number(context['lt'])}; lower it",
    "less_than_equal": lambda context: f"must be at most {_number(context['le'])}; lower it",
    "string_too_short": _least,
    "too_short": _least,
    "string_too_long": _most,
    "too_long": _most,
    "string_pattern_mismatch": lambda context: f"must match {context['pattern']}; leave out what that does not allow",
    # pydantic's own message quotes what was sent.
    "union_tag_invalid": lambda context: (
        f"{context['discriminator']} must be {context['expected_tags']}; choose from these"
    ),
    "union_tag_not_found": lambda context: f"needs {context['discriminator']}; add it",
    "value_error": lambda context: str(context["error"]),
}
