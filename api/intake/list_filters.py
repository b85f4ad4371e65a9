"""Filters of the list: `state=…` and `metadata.NAME=VALUE`, of which all must hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from api.problems.problem import FieldError, unprocessable
from shared.record import Shown, State

PREFIX = "metadata."
MAX_NAME_CHARS, MAX_VALUE_CHARS = 64, 512
"""Of what a request's `metadata` may hold: nothing longer can be found."""


@dataclass(frozen=True, slots=True)
class ListFilters:
    """What of its owner's generations a caller wants to see."""

    states: frozenset[State] = frozenset()
    """Any of these; empty for all."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Each of these."""

    def __bool__(self) -> bool:
        return bool(self.states or self.metadata)

    def wants(self, state: State, shown: Shown) -> bool:
        """Says whether a generation in this state, with this metadata, is wanted."""
        own = shown.metadata
        return (not self.states or state in self.states) and all(
            own.get(name) == value for name, value in self.metadata.items()
        )


def read_filters(states: Iterable[State], parameters: Sequence[tuple[str, str]]) -> ListFilters:
    """Returns the filters of a query. Raises ProblemError 422 for a name that is empty or there twice, or too long."""
    metadata: dict[str, str] = {}
    errors: list[FieldError] = []
    for parameter, value in parameters:
        if not parameter.startswith(PREFIX):
            continue
        name = parameter.removeprefix(PREFIX)
        if not name or len(name) > MAX_NAME_CHARS:
            message = f"must name one of your metadata, of 1 to {MAX_NAME_CHARS} characters"
            errors.append(FieldError(pointer=parameter[: len(PREFIX) + MAX_NAME_CHARS], message=message))
        elif len(value) > MAX_VALUE_CHARS:
            message = f"must have at most {MAX_VALUE_CHARS} characters; shorten it"
            errors.append(FieldError(pointer=parameter, message=message))
        elif metadata.setdefault(name, value) != value:
            errors.append(FieldError(pointer=parameter, message="is there with two values; send one of them"))
    if errors:
        raise unprocessable(errors[:20])
    return ListFilters(frozenset(states), metadata)
