"""The first mistakes of a body that is no request, each with its place.

A small body can hold many thousands of mistakes, and pydantic makes all of them before one can be read. So a body that
does not fit is validated again, in small steps, until there are enough.
"""

import difflib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json

from api.problems import validation_messages
from api.problems.problem import FieldError
from shared.errors import MidstreamError
from shared.request import generation_request, message_parts, messages, response_formats, tools
from shared.request.dumped_fields import tidy
from shared.request.generation_request import GenerationRequest
from shared.request.limits import MAX_EXTRA_ENTRIES
from shared.request.request_json import count_parts, steps

MAX_NAMED_FIELDS = 20
"""Most fields that one answer names."""
MAX_REPEATED_NAME_CHARS = 256
"""Characters of the longest member's name that is repeated."""
_KNOWN = frozenset(
    itertools.chain.from_iterable(
        (field.alias or name for name, field in kind.model_fields.items())
        for module in (generation_request, message_parts, messages, response_formats, tools)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    )
)
"""The names of all fields, wherever they belong."""
_ELSEWHERE = {
    "cache_control": "give it to a part of the content, a tool, a tool call or a tool message; for Anthropic set extra "
    'to {"anthropic": {"cache_control": {"type": "ephemeral"}}}, which caches as far as it can',
    "function_call": "give tool_calls instead, and a tool message for the result",
    "reasoning_content": "give reasoning instead, a list of what was thought",
    "reasoning_details": "give reasoning instead, a list of what was thought",
    "thinking_blocks": "give reasoning instead, a list of what was thought",
}
"""Where to say what others have these fields for (Anthropic's API reference: `cache_control` of "Create a Message")."""


Place = tuple[int | str, ...]


class NotJsonError(MidstreamError, ValueError):
    """The body is no JSON; its text says why."""


def misfits(body: bytes, most_parts: int) -> list[FieldError]:
    """Returns the first mistakes of a body that does not fit, MAX_NAMED_FIELDS at most.

    Raises NotJsonError and TooManyPartsError.
    """
    try:
        root: Any = from_json(body)
    except ValueError as error:
        raise NotJsonError(str(error)) from None
    tidy(root)
    # Of a member that is there twice, steps see the last only.
    found = _found(root, most_parts)
    if not found:
        found = _validation_errors(lambda: GenerationRequest.model_validate_json(body))[:MAX_NAMED_FIELDS]
    return list(_explain(found, root))


def _found(root: Any, most_parts: int) -> list[ErrorDetails]:
    count_parts(root, most_parts)
    found: list[ErrorDetails] = []
    for step in steps(root):
        wrong = _validation_errors(functools.partial(step.kind.validate_python, _short(step.value)))
        found += [{**item, "loc": (*step.place, *item["loc"])} for item in wrong]
        if len(found) >= MAX_NAMED_FIELDS:
            break
    return found


def _validation_errors(validate: Callable[[], object]) -> list[ErrorDetails]:
    """Returns what a validation finds wrong, without what was sent."""
    try:
        validate()
    except ValidationError as error:
        return error.errors(include_url=False, include_input=False)
    return []


def _short(value: Any) -> Any:
    """Returns a value with fewer of the members that no object knows: of any number, the first are enough."""
    if isinstance(value, list):
        return [_short(item) for item in value]
    if not isinstance(value, dict):
        return value
    unknown = list(itertools.islice((name for name in value if name not in _KNOWN), MAX_EXTRA_ENTRIES + 1))
    kept = {*unknown, *(_KNOWN & value.keys())}
    return {name: _short(item) for name, item in value.items() if name in kept}


def bounded(errors: Sequence[FieldError]) -> list[FieldError]:
    """Returns the first errors, MAX_NAMED_FIELDS at most, with pointers that repeat no long name of a member."""
    first = errors[:MAX_NAMED_FIELDS]
    return [FieldError(pointer=_shortened(one.pointer), message=one.message) for one in first]


def _shortened(pointer: str) -> str:
    parts = pointer.split("/") if len(pointer) > MAX_REPEATED_NAME_CHARS else [pointer]
    return "/".join(itertools.takewhile(lambda part: len(part) <= MAX_REPEATED_NAME_CHARS, parts))


def _explain(details: Iterable[ErrorDetails], root: Any) -> Iterator[FieldError]:
    placed = [(_pointer(item["loc"], root, item["type"]), item) for item in details]
    outer = {parent for pointer, _ in placed for parent in _parents(pointer)}
    messages: dict[str, list[str]] = {}
    for pointer, item in placed:
        # A value that fits none of a union's kinds fails once for each. Where it is one of them with a mistake inside,
        # that is what counts, and not that it is none of the others.
        if pointer in outer and item["type"] in validation_messages.WRONG_KIND_ERRORS:
            continue
        said = messages.setdefault(pointer, [])
        if (message := _message(item)) not in said:
            said.append(message)
    for pointer, said in list(messages.items())[:MAX_NAMED_FIELDS]:
        yield FieldError(pointer=pointer, message=", or ".join(said))


def _parents(pointer: str) -> Iterator[str]:
    while pointer:
        pointer = pointer.rpartition("/")[0]
        yield pointer


def _pointer(location: Place, body: Any, kind: str) -> str:
    """Returns the place in the body. Where a member's name is too long to be repeated, it is that of the object."""
    whole = _way(location, body, kind == "missing")
    named = itertools.takewhile(lambda part: len(str(part)) <= MAX_REPEATED_NAME_CHARS, whole)
    return "".join("/" + escaped(str(part)) for part in named)


def _way(location: Place, value: Any, last_is_missing: bool) -> Place:
    """Returns the parts of pydantic's location that are in the body: it also names kinds of a union, which are not.

    A kind may have the name of a member; what leads to more of the rest is right.
    """
    if not location:
        return ()
    first, rest = location[0], location[1:]
    if not rest and last_is_missing:
        return location
    without = _way(rest, value, last_is_missing)
    if isinstance(value, dict) and isinstance(first, str):
        found = first in value
    else:
        found = isinstance(value, list) and isinstance(first, int) and first < len(value)
    taken = (first, *_way(rest, value[first], last_is_missing)) if found else ()
    return taken if len(taken) > len(without) else without


def escaped(name: str) -> str:
    """Returns a member's name in a pointer (RFC 6901, 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _message(item: ErrorDetails) -> str:
    if any(len(str(part)) > MAX_REPEATED_NAME_CHARS for part in item["loc"]):
        return f"has a field whose name is longer than {MAX_REPEATED_NAME_CHARS} characters; leave it out"
    if item["type"] != "extra_forbidden":
        return validation_messages.say(item)
    name = str(item["loc"][-1])
    if name in _ELSEWHERE:
        return f"is not a known field; {_ELSEWHERE[name]}"
    # Of what is inside, a field of the whole request is none that could be meant.
    known = GenerationRequest.model_fields if len(item["loc"]) == 1 else _KNOWN - GenerationRequest.model_fields.keys()
    # A name that is known elsewhere is not what was meant here.
    near = [] if name in known else difflib.get_close_matches(name, known, n=1)
    return "is not a known field; " + (f"did you mean {near[0]}?" if near else "leave it out")
