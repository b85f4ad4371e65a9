"""JSON that is nearly a protocol's: what is taken as what, and what is left."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Struct

from worker.providers.lenient_json import decode, fit, read_object, split_values
from worker.providers.provider import ProviderError


class Inner(Struct, forbid_unknown_fields=True):
    """A part of an event."""

    index: int | None = None
    name: str | None = None


class Outer(Struct, forbid_unknown_fields=True, rename="camel"):
    """An event."""

    text: str | list[Any] | None = None
    count: int = -1
    share: float | None = None
    inner: Inner | None = None
    inners: list[Inner] | None = None
    any_thing: Any = None


_decoder = msgspec.json.Decoder(Outer)


@pytest.mark.parametrize(
    ("value", "expected", "rest"),
    [
        ({"text": "x", "count": 3}, Outer(text="x", count=3), {}),
        ({"text": 6}, Outer(text="6"), {}),
        ({"text": 0.5}, Outer(text="0.5"), {}),
        ({"text": True}, Outer(), {"text": True}),
        ({"text": False}, Outer(), {}),
        ({"text": {"type": "text"}}, Outer(text=[{"type": "text"}]), {}),
        ({"count": "12"}, Outer(count=12), {}),
        ({"count": 2.0}, Outer(count=2), {}),
        ({"count": 2.5}, Outer(), {"count": 2.5}),
        ({"count": 1e999}, Outer(), {"count": float("inf")}),
        ({"count": None}, Outer(), {}),
        ({"count": "1" * 30}, Outer(), {"count": "1" * 30}),
        ({"share": 1}, Outer(share=1.0), {}),
        ({"inner": ""}, Outer(), {}),
        ({"inner": []}, Outer(), {}),
        ({"inner": "x"}, Outer(), {"inner": "x"}),
        ({"inner": {"name": 5, "new": 1}}, Outer(inner=Inner(name="5")), {"inner": {"new": 1}}),
        ({"inners": {"index": "0", "name": "a"}}, Outer(inners=[Inner(index=0, name="a")]), {}),
        ({"inners": {}}, Outer(), {}),
        (
            {"inners": [{"index": 1, "new": 2}, None, 7]},
            Outer(inners=[Inner(index=1)]),
            {"inners": [{"index": 1, "new": 2}, 7]},
        ),
        ({"anyThing": {"x": [1]}}, Outer(any_thing={"x": [1]}), {}),
        ({"any_thing": 1, "nothing": None}, Outer(), {"any_thing": 1}),
    ],
)
def test_what_is_taken_and_what_is_left(value: dict[str, Any], expected: Outer, rest: dict[str, Any]) -> None:
    assert fit(value, Outer) == (expected, rest)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": "x\ty\x00\n"}', {"a": "x\ty\0\n"}),
        (b'{"a": "\\ud83d"}', {"a": "\ud83d"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (b'{"a": NaN, "b": -Infinity}', {"a": None, "b": None}),
    ],
)
def test_json_against_the_rules(data: bytes, value: dict[str, Any]) -> None:
    assert read_object("acme", data) == value


@pytest.mark.parametrize("data", [b"", b"{", b"5", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_an_error(data: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        read_object("acme", data)
    assert (caught.value.code, caught.value.retryable) == ("invalid_response", True)


def test_the_usual_event_is_decoded_strictly() -> None:
    assert decode("acme", _decoder, b'{"text":"x","inner":{"index":1}}') == (Outer(text="x", inner=Inner(index=1)), {})
    assert decode("acme", _decoder, b'{"text":"a\tb","count":"1"}') == (Outer(text="a\tb", count=1), {})


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b'{"a": 1}\n{"b": "}"}', [b'{"a": 1}', b'{"b": "}"}']),
        (b'{"a": 1}{"b": 2}\n[DONE]', [b'{"a": 1}', b'{"b": 2}', b"[DONE]"]),
        (b'data: {"a": 1}', [b'{"a": 1}']),
        (b' {"a": 1},', [b'{"a": 1}']),
        (b'{"a": "\t"}\n[]', [b'{"a": "\t"}', b"[]"]),
        (b' {"a": 1} ', []),
        (b'{"a": 1}\n{"b": ', []),
        (b'{"a": 1} and more', []),
        (b"prose", []),
        (b"", []),
        (b"[" * 5000, []),
    ],
)
def test_values_one_after_another(data: bytes, values: list[bytes]) -> None:
    assert split_values(data) == values
