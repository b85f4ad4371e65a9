"""From the bytes of a POST in a dialect to a valid request for a known model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from api.dialects.api_dialect import ApiDialect
from api.dialects.dialect_request import DialectRequest
from api.exchange.newest_answer import going_on
from api.intake import request_body
from api.intake.body_errors import bounded
from api.intake.model_names import ServedModels, resolve_name
from api.intake.request_body import ReadRequest
from api.problems.problem import FieldError, ProblemError, unprocessable
from shared.record import Asked

UNSTORED_TTL_S = 600
"""Seconds for which the answer is there after its end where it is not to be stored: as long as a retry may come."""


class ReadBody(NamedTuple):
    """A body that can be accepted."""

    taken: ReadRequest
    asked: Asked
    request: DialectRequest

    def ignoring(self, names: Sequence[str]) -> "ReadBody":
        """Returns it with these fields ignored too."""
        return self._replace(request=replace(self.request, ignored=(*self.request.ignored, *names))) if names else self


def read_dialect(
    fields: Mapping[str, Any],
    dialect: ApiDialect,
    served: ServedModels,
    max_values: int,
    previous: str | None = None,
) -> ReadBody:
    """Returns the request in a dialect's body. Raises ProblemError 400, 404 or 422, which names the dialect's fields.

    It goes on from `previous`, where its conversation alone says what it goes on from.

    For a large one it takes many ms (`shared/process/background_thread.py`).
    """
    fields = dict(fields)
    name = fields.get("model")
    name = served.listed.default if name is None or name == "" else name
    if not isinstance(name, str):
        raise unprocessable([FieldError(pointer="/model", message="must be a model's name, as text")])
    model = resolve_name(name, dialect.wire.name, served)
    try:
        request = dialect.read(fields | {"model": name}, provider=model.provider, protocol=model.protocol)
    except ProblemError as problem:
        problem.errors = bounded(problem.errors)
        raise
    if previous is not None:
        request = going_on(request, previous)
    asked = Asked(dialect.wire.name, name, request.echo)
    native = {"on_interrupt": "continue", **request.native, "model": model.name}
    native["background"] = _may_outlive(fields, request)
    if fields.get("store") is False:
        native.setdefault("ttl", UNSTORED_TTL_S)
    try:
        taken = request_body.take(msgspec.json.encode(native), served, max_values, msgspec.json.encode(asked))
    except ProblemError as problem:
        for error in problem.errors:
            error.pointer = request.pointer(error.pointer)
        raise
    return ReadBody(taken._replace(previous=request.previous), asked, request)


def _may_outlive(fields: dict[str, Any], request: DialectRequest) -> bool:
    """Says whether the provider may run it in its own background, where it would be stored: only who asks for that."""
    include = fields.get("include")
    kept = fields.get("store") is not False
    sealed = isinstance(include, list) and "reasoning.encrypted_content" in include
    # As a field of ours it is in the body of a dialect that has none of this name, such as Chat.
    said = request.native.get("background")
    asks = request.background or request.native.get("on_interrupt") == "continue" if said is None else said is True
    return kept and not sealed and asks


def parsed(body: bytes, max_values: int) -> dict[str, Any]:
    """Returns the fields of a body. Raises ProblemError 400 where it is no object, 422 where it is too deep or wide."""
    request_body.check_size(body, max_values)
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        fields, why = None, str(error)
    else:
        why = "it is no object"
    if not isinstance(fields, dict):
        raise ProblemError(400, "invalid_json", "The body is not JSON", f"Send a JSON object in UTF-8: {why}.")
    return fields
