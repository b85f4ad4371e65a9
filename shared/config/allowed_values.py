"""What a setting may be, in words: for the line that refuses a value, and for docs/configuration.md."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from shared.config.variables import Text

T = TypeVar("T")

UNIT_OF_FIRST_WORD = {
    "Seconds": "seconds",
    "Bytes": "bytes",
    "Days": "days",
    "USD": "USD",
    "Times": "times",
    "Parts": "parts of the whole",
}
"""By the first word of a field's description."""


def allowed(field: FieldInfo) -> str:
    """Returns the type, the unit and the bounds of a field, as after "must be"."""
    kinds = _kinds(field.annotation)
    choices = [str(value) for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
    if choices:
        return _either(choices)
    if bool in kinds:
        return "true or false"
    if number := {int, float, Decimal} & kinds:
        unit = UNIT_OF_FIRST_WORD.get(str(field.description).partition(" ")[0])
        kind = "a whole number" if int in number else "a number"
        places = next((item.decimal_places for item in _metadata(field) if hasattr(item, "decimal_places")), None)
        digits = f", of {places} decimals at most" if places else ""
        return " ".join(filter(None, (kind, f"of {unit}" if unit else "", _range(field)))) + digits
    if Path in kinds:
        return "a path"
    if any(get_origin(kind) is list for kind in kinds):
        return "a list of text, in a variable separated by commas"
    if own_table(field) is not None or any(get_origin(kind) is dict for kind in kinds):
        return "a table, in a variable a JSON object"
    return "text"


def is_number(field: FieldInfo) -> bool:
    """Says whether a field holds a number, and so needs bounds."""
    return bool({int, float, Decimal} & _kinds(field.annotation))


def bounds(field: FieldInfo) -> tuple[Any, Any, bool]:
    """Returns the least and the most, None where there is none, and whether the least itself is too little."""
    least: Any = None
    most: Any = None
    above = False
    for item in _metadata(field):
        if isinstance(item, annotated_types.Ge):
            least = item.ge
        elif isinstance(item, annotated_types.Gt):
            least, above = item.gt, True
        elif isinstance(item, annotated_types.Le):
            most = item.le
    return least, most, above


class CheckedModel(BaseModel):
    """Refuses fields that it does not have, and values of another kind: pydantic takes `true` for 1, and "5" for 5.

    Text from a variable may stand for anything.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        return refuse_other_kinds(cls.model_fields[str(info.field_name)], value)


def refuse_other_kinds(field: FieldInfo, value: Any) -> Any:
    """Returns the value of a field. Raises PydanticCustomError where it is of another kind."""
    kinds = _kinds(field.annotation)
    numbers = {int, float, Decimal} & kinds
    if value is None or isinstance(value, Text) or not (numbers or bool in kinds):
        return value
    fits = isinstance(value, bool) if bool in kinds else _is_number(value, numbers)
    if not fits:
        raise PydanticCustomError("kind", "is of another kind")
    return value


def flawless(value: T, flaw_of: Callable[[T], str | None]) -> T:
    """Returns the value, where it has no flaw (value_checks.py). Raises ValueError."""
    if flaw := flaw_of(value):
        raise ValueError(flaw)
    return value


def misplaced(place: Sequence[str], what: str) -> PydanticCustomError:
    """Returns the error for two settings that do not fit together; `place` is that of the one to correct."""
    return PydanticCustomError("misplaced", "{what}", {"what": what, "place": place})


def table_depth(field: FieldInfo) -> int:
    """Returns how many names lead from a setting to a leaf: 0 for one that is a leaf itself."""
    if own_table(field) is not None:
        return 1
    if get_origin(field.annotation) is not dict:
        return 0
    return 1 if table_entry(field) is None else 2


def own_table(field: FieldInfo | None) -> type[BaseModel] | None:
    """Returns the model of a setting that is one table with names of its own."""
    kind = None if field is None else field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def table_entry(field: FieldInfo | None) -> type[BaseModel] | None:
    """Returns the model of the entries of a setting that is a table of tables."""
    kind = get_args(field.annotation)[-1] if field is not None and get_origin(field.annotation) is dict else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _is_number(value: Any, kinds: set[Any]) -> bool:
    if isinstance(value, bool):
        return False
    if Decimal in kinds:
        return isinstance(value, int | float | str | Decimal)  # as text no digit of a price is lost
    return isinstance(value, int) or (float in kinds and isinstance(value, float))


def _range(field: FieldInfo) -> str:
    least, most, above = bounds(field)
    if least is None and most is None:
        return ""
    if most is None:
        return f"above {_shown(least)}" if above else f"of {_shown(least)} at least"
    return f"above {_shown(least)}, {_shown(most)} at most" if above else f"from {_shown(least)} to {_shown(most)}"


def _shown(number: Any) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{float(number):,.15g}"


def _either(choices: list[str]) -> str:
    marked = [f"`{choice}`" for choice in choices]
    return f"{', '.join(marked[:-1])} or {marked[-1]}" if len(marked) > 1 else marked[0]


def _kinds(annotation: Any) -> set[Any]:
    """Returns the types that an annotation allows, without their metadata."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) in (Literal, dict, list) or annotation is SecretStr:
        return {annotation}
    arguments = get_args(annotation)
    return set().union(*map(_kinds, arguments)) if arguments else {annotation}


def _metadata(field: FieldInfo) -> Iterator[Any]:
    """Yields the metadata of an annotation, from whichever level it stands at."""
    waiting: list[Any] = [field.annotation]
    yield from field.metadata
    while waiting:
        annotation = waiting.pop()
        arguments = get_args(annotation)
        if get_origin(annotation) is Annotated:
            for item in arguments[1:]:
                yield from item.metadata if isinstance(item, FieldInfo) else [item]
            waiting.append(arguments[0])
        elif get_origin(annotation) not in (Literal, dict):
            waiting += arguments
