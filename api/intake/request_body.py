"""From the bytes of a POST to a valid request for a known model, or the problem that says what is wrong."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import msgspec
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from api.dialects.names import read_name
from api.intake.body_errors import MAX_NAMED_FIELDS, NotJsonError, escaped, misfits
from api.intake.large_bodies import LARGE_BODY_BYTES, Turn
from api.intake.model_names import ServedModels
from api.problems.problem import FieldError, ProblemError, unprocessable
from shared.errors import TooManyPartsError
from shared.process.background_thread import LONG_WORK_BYTES
from shared.record import Shown
from shared.request.capabilities import lacks
from shared.request.generation_request import RESERVED_FIELDS, GenerationRequest
from shared.request.limits import MAX_DEPTH, MAX_PARTS
from shared.request.messages import Message
from shared.request.nesting import more_values, nested_deeper
from shared.request.request_json import count_parts_of_text, encode, read
from shared.request.title import title_of
from shared.request.tool_pairing import NO_CALL, paired


async def read_body(request: Request, limit: int, turn: Turn | None = None) -> bytes:
    """Returns the body, of `limit` bytes at most; a large one once its `turn` has come, where it has one.

    Raises ProblemError 413 for one over the limit, 400 where it breaks off.
    """
    length = request.headers.get("content-length", "")
    announced = int(length) if length.isdecimal() else 0
    too_large = announced > limit
    if turn is not None and announced > LARGE_BODY_BYTES and not too_large:
        await turn.come()
    body = bytearray()
    chunks = request.stream()
    try:
        while not too_large and (chunk := await anext(chunks, None)) is not None:
            body += chunk
            too_large = len(body) > limit
            if turn is not None and len(body) > LARGE_BODY_BYTES and not too_large:
                await turn.come()
        if too_large:
            del body
            raise ProblemError(
                413,
                "body_too_large",
                "The body is too large",
                f"The limit is {limit} bytes. Send less, or have the operator raise MIDSTREAM_MAX_BODY.",
                # What has not been read would otherwise be taken for the next request.
                headers={"Connection": "close"},
            )
    except ClientDisconnect:
        raise ProblemError(
            400, "incomplete_body", "The body is incomplete", "The connection was closed before its end."
        ) from None
    return bytes(body)


class ReadRequest(NamedTuple):
    """A request that can be accepted, and what is written of it."""

    request: GenerationRequest
    stored: bytes
    """Its canonical JSON."""
    shown: bytes
    fingerprint: str
    """See Acceptance."""
    asked: bytes = b""
    """JSON of its Asked; empty in the native dialect."""
    stream: bool | None = None
    """Whether it asks for the stream, or for the whole answer; None where it does not say."""
    previous: str | None = None
    """Id of the generation after which it comes where its own messages repeat all before; its dialect knows that."""

    @property
    def unwatched_ms(self) -> int | None:
        """Returns after how long without a viewer it is to be cancelled; None for never."""
        unwatched = self.request.on_unwatched
        return None if unwatched is None else round(unwatched.after * 1000)


def take(body: bytes, served: ServedModels, max_values: int, asked: bytes = b"") -> ReadRequest:
    """Returns the request in a body, for a known model. Raises ProblemError, as `parse`, `named`, `resolve` and `pair`.

    `asked` is what is kept of how it was asked for.

    For a large one it takes many ms, in steps: in a thread (shared/process/background_thread.py) it lets others run.
    """
    request = pair(resolve(named(parse(body, max_values)), served))
    stream, request = request.stream, request.model_copy(update={"stream": None})
    stored = canonical(request)
    form = request.response_format
    shown = Shown(
        metadata=request.metadata,
        json=form is not None and form.type != "text",
        idle_timeout=request.idle_timeout,
        title="" if request.conversation is None else title_of(request.messages),
    )
    return ReadRequest(
        request, stored, msgspec.json.encode(shown), hashlib.sha256(stored + asked).hexdigest(), asked, stream
    )


def parse(body: bytes, max_values: int) -> GenerationRequest:
    """Returns the request in a body. Raises ProblemError: 400 where it is no JSON, 422 where it is not a request.

    A value of two bytes costs as much to read as one of a kilobyte. They are counted before any is made.
    """
    check_size(body, max_values)
    try:
        if more_values(body, MAX_PARTS):
            count_parts_of_text(body, MAX_PARTS)
        try:
            return read(body, MAX_PARTS)
        except ValidationError:
            pass
        raise unprocessable(misfits(body, MAX_PARTS))
    except TooManyPartsError as error:
        raise unprocessable([FieldError(pointer="/messages", message=str(error))]) from None
    except NotJsonError as error:
        raise ProblemError(
            400, "invalid_json", "The body is not JSON", f"Send the request as a JSON object in UTF-8: {error}."
        ) from None


def check_size(body: bytes, max_values: int) -> None:
    """Raises ProblemError 422 for a body that nests too deep or has too many values, before any is made."""
    if nested_deeper(body, MAX_DEPTH):
        message = f"is nested deeper than {MAX_DEPTH} levels; flatten it"
        raise unprocessable([FieldError(pointer="", message=message)], "too_deep")
    if more_values(body, max_values):
        message = f"has more than {max_values} values; send less, or have the operator raise MIDSTREAM_MAX_VALUES"
        raise unprocessable([FieldError(pointer="", message=message)], "too_many_values")


def resolve(request: GenerationRequest, served: ServedModels) -> GenerationRequest:
    """Returns the request with each alias replaced by `provider/model`, and the default model where it names none.

    Raises ProblemError 422 for a model that no provider serves, and for fields that its protocol cannot honour.
    """
    model = _served(request, request.model or _default(served), "/model", served)
    fallback = [_served(request, name, f"/fallback/{n}", served) for n, name in enumerate(request.fallback or [])]
    if misplaced := list(itertools.islice(_misplaced(request, served.endpoints), MAX_NAMED_FIELDS)):
        raise unprocessable(misplaced, "unsupported_field")
    return request.model_copy(update={"model": model, "fallback": fallback or None})


def named(request: GenerationRequest) -> GenerationRequest:
    """Returns the request with the id of the generation that it goes on from. Raises ProblemError 422 for no name."""
    if request.previous is None:
        return request
    name = read_name(request.previous)
    if name is None:
        message = "is no generation's name; use the id that the answer to its POST gave, such as gen_…"
        raise unprocessable([FieldError(pointer="/previous", message=message)])
    return request.model_copy(update={"previous": name.id})


def pair(request: GenerationRequest) -> GenerationRequest:
    """Returns the request with each tool's result behind its call. Raises ProblemError 422 where one has no other.

    Where it goes on from another generation, a result's call may be there: its worker pairs all of them.
    """
    messages, flaws = paired(request.messages)
    if request.previous is not None:
        flaws, messages = [one for one in flaws if one.message != NO_CALL], request.messages
    if flaws:
        raise unprocessable([FieldError(pointer=one.pointer, message=one.message) for one in flaws[:MAX_NAMED_FIELDS]])
    return request if messages is request.messages else request.model_copy(update={"messages": messages})


def _default(served: ServedModels) -> str:
    if served.listed.default is None:
        message = "is required, as the server has no default; add it, or have the operator set MIDSTREAM_DEFAULT_MODEL"
        raise unprocessable([FieldError(pointer="/model", message=message)])
    return served.listed.default


def _served(request: GenerationRequest, requested: str, pointer: str, served: ServedModels) -> str:
    model = served.models.get(requested, requested)
    endpoints = served.endpoints
    provider, slash, name = model.partition("/")
    if provider not in endpoints or not slash or not name:
        known = [f"{endpoint}/…" for endpoint in endpoints] + list(served.models)
        remedy = f"use one of: {', '.join(known)}" if known else "the server has none; set a provider's key"
        message = f"names no known provider or alias; {remedy}"
        raise unprocessable([FieldError(pointer=pointer, message=message)], "unknown_model")
    entry = endpoints[provider]
    if missing := lacks(request.model_copy(update={"model": model}), entry.protocol, entry):
        # Of a fallback, what is at fault is the field that its protocol lacks, or its place in the list.
        which = "" if pointer == "/model" else f" (asked of {requested}, {pointer})"
        errors = [FieldError(pointer=lack.pointer, message=lack.remedy + which) for lack in missing[:MAX_NAMED_FIELDS]]
        raise unprocessable(errors, "unsupported_field")
    return model


def _misplaced(request: GenerationRequest, endpoints: Collection[str]) -> Iterator[FieldError]:
    """Returns what `extra` has for providers that are not there, or must not have."""
    for name, fields in request.extra.items():
        pointer = "/extra/" + escaped(name)
        if name not in endpoints:
            yield FieldError(pointer=pointer, message=f"names no known provider; use one of: {', '.join(endpoints)}")
        for field in sorted(RESERVED_FIELDS & fields.keys()):
            yield FieldError(pointer=f"{pointer}/{field}", message="cannot be overridden; leave it out")


def canonical(request: GenerationRequest) -> bytes:
    """Returns the request as the record keeps it and as idempotency compares it: fields in order, no defaults.

    Of a large one the messages and tools, the second and third of its fields, are written in steps.
    """
    if request.size() < LONG_WORK_BYTES:
        return request.model_dump_json(exclude_defaults=True).encode()
    model = request.model_dump_json(include={"model"})
    messages = encode([_plain(message) for message in request.messages])
    tools = b",".join([tool.model_dump_json(exclude_defaults=True).encode() for tool in request.tools or ()])
    listed = b"" if request.tools is None else b',"tools":[' + tools + b"]"
    rest = request.model_dump_json(exclude={"model", "messages", "tools"}, exclude_defaults=True)
    end = "}" if rest == "{}" else "," + rest[1:]
    return b"".join([model[:-1].encode(), b',"messages":', messages, listed, end.encode()])


def _plain(message: Message) -> dict[str, Any]:
    """Returns a message's fields; its parts one by one, of which it can have many."""
    if not isinstance(message.content, list):
        return message.model_dump(exclude_defaults=True)
    fields = message.model_copy(update={"content": []}).model_dump(exclude_defaults=True)
    return fields | {"content": [part.model_dump(exclude_defaults=True) for part in message.content]}
