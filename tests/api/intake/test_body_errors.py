"""The first mistakes of a body, each in its place, whatever else is wrong with it and however often."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from api.intake import body_errors
from api.intake.body_errors import MAX_NAMED_FIELDS, MAX_REPEATED_NAME_CHARS
from api.intake.request_body import parse
from api.problems.problem import ProblemError
from shared.request.limits import MAX_PARTS

TEXT = {"type": "text", "text": "x"}
USER = {"role": "user", "content": "x"}
PAD = "x" * 70_000
"""With it a body is read in steps."""
MANY = 30_000


def refused(body: bytes, max_values: int = 1_000_000) -> tuple[int, str, dict[str, str]]:
    with pytest.raises(ProblemError) as problem:
        parse(body, max_values)
    errors = {one.pointer: one.message for one in problem.value.errors or []}
    return problem.value.status, problem.value.code, errors


def of(messages: Any, **more: Any) -> bytes:
    return json.dumps({"model": "p/m", "messages": messages, **more}).encode()


@pytest.mark.parametrize("pad", ["", PAD])
@pytest.mark.parametrize(
    ("messages", "more", "pointers"),
    [
        ([{"role": "user", "content": [TEXT, {}, TEXT, {"type": "text"}]}], {}, ["1", "3/text"]),
        ([{"role": "user", "content": [{"type": "file", "file": {"file_data": "x"}}]}], {}, ["0/file/file_data"]),
        ([{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}], {}, None),
        ([USER, 7, {"role": "user"}], {}, ["/messages/1", "/messages/2/content"]),
        ([{"role": "user", "content": []}], {}, ["/messages/0/content"]),
        ([{"role": "user", "content": {}}], {}, ["/messages/0/content"]),
        ([{"role": "nobody", "content": [TEXT, {}]}], {}, ["/messages/0/content/1", "/messages/0"]),
        ([{"role": "assistant"}], {}, ["/messages/0"]),
        ([{"role": "assistant", "tool_calls": [{"id": "c"}]}], {}, ["/messages/0/tool_calls/0/function"]),
        ([{"role": "assistant", "content": "x", "reasoning": [{}]}], {}, ["/messages/0/reasoning/0"]),
        ([{"role": "tool", "content": [{"type": "file"}], "tool_call_id": "c"}], {}, ["/messages/0/content/0"]),
        ([USER], {"tools": [{"type": "function"}], "sed": 1}, ["/tools/0/function", "/sed"]),
        ([USER], {"tools": [{"type": "function", "function": {"name": "f"}}] * 1025}, ["/tools"]),
        ([], {}, ["/messages"]),
        ("x", {"seed": "x"}, ["/messages", "/seed"]),
        ([USER], {"metadata": {"a": 1}, "extra": {"p": 1}}, ["/metadata/a", "/extra/p"]),
    ],
)
def test_each_has_its_place(messages: Any, more: dict[str, Any], pointers: list[str] | None, pad: str) -> None:
    padded = {"extra": {"p": {"pad": pad}}} if "extra" not in more else {}
    status, code, errors = refused(of(messages, **more, **padded))
    assert (status, code) == (422, "invalid_request")
    inside = "/messages/0/content/"
    wanted = pointers or [inside + "0/type", inside + "0/text", inside + "0/image_url"]
    assert sorted(errors) == sorted(at if at.startswith("/") else inside + at for at in wanted)


@pytest.mark.parametrize("pad", ["", PAD])
@pytest.mark.parametrize(
    "body",
    [
        of([{"role": "user", "content": [{}] * 9_000}], user="PAD"),
        of([{"role": "assistant", "tool_calls": [{}] * 9_000}], user="PAD"),
        of([{"role": "assistant", "content": "x", "reasoning": [7] * 9_000}], user="PAD"),
        of([{}] * MANY, user="PAD"),
        of([USER], tools=[{}] * MANY, user="PAD"),
        of([USER], extra={str(n): 1 for n in range(MANY)}, user="PAD"),
        of([USER], metadata={str(n): 1 for n in range(MANY)}, user="PAD"),
        of([USER], user="PAD", **{str(n): 1 for n in range(MANY)}),
        of([{**USER, **{str(n): 1 for n in range(MANY)}}], user="PAD"),
        of([{"role": "user", "content": [{**TEXT, **{str(n): 1 for n in range(MANY)}}]}], user="PAD"),
    ],
)
def test_only_the_first_are_made(body: bytes, pad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    make = body_errors._validation_errors

    def count(validate: Callable[[], object]) -> Any:
        nonlocal made
        errors = make(validate)
        made += len(errors)
        return errors

    monkeypatch.setattr("api.intake.body_errors._validation_errors", count)
    _, code, errors = refused(body.replace(b"PAD", pad.encode()))
    assert (code, len(errors)) == ("invalid_request", MAX_NAMED_FIELDS)
    assert made < 400


@pytest.mark.parametrize("kind", [{"content": [{}]}, {"tool_calls": [{}]}, {"reasoning": [{}]}])
def test_parts_are_counted_before_one_is_looked_at(kind: dict[str, list[Any]]) -> None:
    messages = [{"role": "assistant", **{name: parts * 100 for name, parts in kind.items()}}] * (MAX_PARTS // 100 + 1)
    assert refused(of(messages, pad=PAD))[2] == {
        "/messages": f"must have at most {MAX_PARTS} parts in all; leave some out"
    }


def test_a_list_of_very_many_is_counted_before_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.request.request_json.from_json", lambda _: pytest.fail("they were made"))
    assert refused(of([{"role": "user", "content": [{}] * 75_000}]))[2] == {
        "/messages": f"must have at most {MAX_PARTS} parts in all; leave some out"
    }


def test_as_many_as_there_may_be_are_taken() -> None:
    whole = of([{"role": "user", "content": [TEXT] * (MAX_PARTS // 2)}] * 2)
    assert len(parse(whole, 100_000).messages) == 2
    more = of([{"role": "user", "content": [TEXT] * (MAX_PARTS // 2)}] * 2 + [{"role": "user", "content": [TEXT]}])
    assert "/messages" in refused(more)[2]


@pytest.mark.parametrize("place", [{}, {"metadata": {}}, {"extra": {}}, {"response_format": {}}])
def test_a_long_name_is_not_repeated(place: dict[str, Any]) -> None:
    name = "n" * 100_000
    more: dict[str, Any] = {field: {name: 1} for field in place} or {name: 1}
    for pointer, message in refused(of([USER], **more))[2].items():
        assert len(pointer) < MAX_REPEATED_NAME_CHARS
        assert len(message) < 1_000


def test_values_are_counted_before_any_is_made() -> None:
    body = b'{"messages":[' + b"{}," * 100_000 + b"{}]}"
    assert refused(body, 100_000)[:2] == (422, "too_many_values")
    assert refused(body, 100_003)[:2] == (422, "invalid_request")


def test_a_mistake_is_found_in_what_is_there_twice() -> None:
    body = of([USER])[:-1] + b',"extra":{"p":1,"p":{}}}'
    assert list(refused(body)[2]) == ["/extra/p"]


@pytest.mark.parametrize("pad", [b"", PAD.encode()])
@pytest.mark.parametrize("end", [b"", b'"', b'"}],}', b'\xff"}]}', b'\\ud800"}]}'])
def test_what_is_no_json_says_so(pad: bytes, end: bytes) -> None:
    body = b'{"model":"p/m","messages":[{"role":"user","content":"' + pad + end
    assert refused(body)[:2] == (400, "invalid_json")
