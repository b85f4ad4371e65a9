"""JSON that is nearly what a protocol says: scalars of other types, raw control characters, fields that nobody knows.

A reader decodes strictly first, which is fast. Where that fails, it reads the same bytes here, field by field.
"""

import json
import math
import re
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from worker.providers.errors import problem

T = TypeVar("T", bound=msgspec.Struct)

_UNFIT = object()

_DECODER = json.JSONDecoder(strict=False)
_BETWEEN = re.compile(r"(?:[\s,]|data:)*")
_DONE = re.compile(r"\[DONE\]", re.IGNORECASE)


def read_object(name: str, data: bytes) -> dict[str, Any]:
    """Returns the JSON object that an event of provider `name` is.

    It takes what providers send against RFC 8259: raw control characters in strings, lone surrogates, bytes that are
    not UTF-8, and NaN, which becomes null. Raises ProviderError `invalid_response` for anything else.
    """
    value = read_value(name, data)
    if not isinstance(value, dict):
        raise problem(name, "invalid_response", "an event that is not the protocol's JSON")
    return value


def read_value(name: str, data: bytes) -> Any:
    """Returns the JSON value of an event, as `read_object` does."""
    try:
        return json.loads(data.decode("utf-8", "replace"), strict=False, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        raise problem(name, "invalid_response", "an event that is not the protocol's JSON") from None


def split_values(data: bytes) -> list[bytes]:
    """Returns the JSON objects and lists that stand one after another in the data of one event; [] for anything else.

    Servers that leave out the blank line between events, or send JSON lines, make one event of several, also of the
    last one and `[DONE]`; gateways that frame what is framed already leave a `data:` in it, or a comma behind it.
    """
    text = data.decode("utf-8", "replace")
    values: list[bytes] = []
    place = _between(text, 0)
    while place < len(text):
        if (done := _DONE.match(text, place)) is not None:
            values.append(b"[DONE]")
            end = done.end()
        elif text[place] in "{[":
            try:
                end = _DECODER.raw_decode(text, place)[1]
            except (ValueError, RecursionError):
                return []
            values.append(text[place:end].encode())
        else:
            return []
        place = _between(text, end)
    # One that is the whole event is none that can be read in another way.
    return [] if [data.strip()] == values else values


def _between(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    assert found is not None
    return found.end()


def decode(name: str, decoder: msgspec.json.Decoder[T], data: bytes) -> tuple[T, dict[str, Any]]:
    """Returns an event as the decoder's kind, strictly or else as `fit` does, and what of it does not fit.

    Raises ProviderError `invalid_response` for what is no JSON object.
    """
    try:
        return decoder.decode(data), {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return fit(read_object(name, data), decoder.type)


def fit(value: dict[str, Any], kind: type[T]) -> tuple[T, dict[str, Any]]:
    """Returns an object as this kind, and what of it does not fit, in its place.

    A number is taken for a text and a text of digits for a number, one object for a list of one, and what is empty
    for nothing. Fields that the kind does not have, and values that cannot be taken, are what does not fit; of an
    entry of a list its `index` stands beside them. Nulls are left out.
    """
    rest: dict[str, Any] = {}
    fields = _fields(kind)
    taken: dict[str, Any] = {}
    for name, given in value.items():
        if (known := fields.get(name)) is None:
            if given is not None:
                rest[name] = given
            continue
        fitted, left = _fit(given, known.type)
        if fitted is not _UNFIT:
            taken[known.name] = fitted
        if left:
            rest[name] = left
    return kind(**taken), rest


@lru_cache(maxsize=64)
def _fields(kind: type[msgspec.Struct]) -> dict[str, inspect.Field]:
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    return {field.encode_name: field for field in described.fields}


def _fit(value: Any, kind: inspect.Type) -> tuple[Any, Any]:
    """Returns the value as this kind, or _UNFIT, and what of it does not fit."""
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    if any(isinstance(one, inspect.AnyType) for one in kinds):
        return value, None
    if value is None:
        return (None, None) if any(isinstance(one, inspect.NoneType) for one in kinds) else (_UNFIT, None)
    for one in kinds:
        if type(value) is _PLAIN.get(type(one)):
            return _whole(value, one)
    for one in kinds:
        if (taken := _coerced(value, one)) is not _UNFIT:
            return _whole(taken, one)
    return _UNFIT, value or None


def _whole(value: Any, kind: inspect.Type) -> tuple[Any, Any]:
    """Returns a value of the right type, with what is in it fitted."""
    if isinstance(kind, inspect.StructType):
        return fit(value, kind.cls)
    if isinstance(kind, inspect.ListType) and not isinstance(kind.item_type, inspect.AnyType):
        return _entries(value, kind.item_type)
    return value, None


def _entries(values: list[Any], kind: inspect.Type) -> tuple[list[Any], list[Any]]:
    taken, rest = [], []
    for value in values:
        fitted, left = _fit(value, kind)
        if fitted is not _UNFIT and fitted is not None:
            taken.append(fitted)
        if left and isinstance(left, dict) and isinstance(value, dict) and "index" in value:
            left = {"index": value["index"], **left}
        if left:
            rest.append(left)
    return taken, rest


def _coerced(value: Any, kind: inspect.Type) -> Any:
    """Returns a value of another type as this kind has it, or _UNFIT."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case inspect.StrType() if number:
            return str(value)
        case inspect.IntType() if number and math.isfinite(value) and value == int(value):
            return int(value)
        case inspect.FloatType() if number:
            return float(value)
        case inspect.IntType() if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            return int(value)
        case inspect.ListType() if isinstance(value, dict) and value:
            return [value]
        case _:
            return _UNFIT


_PLAIN: dict[type[inspect.Type], type] = {
    inspect.StrType: str,
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.BoolType: bool,
    inspect.ListType: list,
    inspect.DictType: dict,
    inspect.StructType: dict,
}
