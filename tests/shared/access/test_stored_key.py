"""What a key looks like, and what its name tells."""

from __future__ import annotations

import pytest

from shared.access.scopes import USUAL
from shared.access.stored_key import (
    StoredKey,
    flaw_of_owner,
    looks_like_id,
    looks_like_key,
    name_of,
    new_key,
    read_key,
)

FIELDS = {b"digest": b"d", b"owner": "jörg".encode(), b"scopes": b"generate,read", b"created": b"5"}


def test_keys_are_of_160_bits_and_never_the_same() -> None:
    made = {new_key() for _ in range(1000)}
    assert len(made) == 1000
    assert all(map(looks_like_key, made))
    # Five bits for each character behind the prefix, all of which occur.
    assert {len(key.removeprefix("ms_")) * 5 for key in made} == {160}
    assert len(set("".join(key.removeprefix("ms_") for key in made))) == 32


@pytest.mark.parametrize(
    "text", ["", "ms_", "ms_" + "a" * 31, "ms_" + "a" * 33, "ms_" + "A" * 32, "ms_" + "1" * 32, "x"]
)
def test_nothing_else_looks_like_one(text: str) -> None:
    assert not looks_like_key(text)


def test_a_name_is_the_same_for_a_secret_and_tells_nothing_of_the_key() -> None:
    key, other = new_key(), new_key()
    name = name_of(key, b"secret")
    assert name == name_of(key, b"secret")
    assert looks_like_id(name.id)
    for another in (name_of(other, b"secret"), name_of(key, b"another")):
        assert another.id != name.id
        assert another.digest != name.digest
    # 80 bits of the HMAC are shown, the other 176 are not.
    assert len(name.digest) == 44
    assert key.removeprefix("ms_")[:6] not in name.id + name.digest


@pytest.mark.parametrize("owner", ["ann", "auth0|5f7c", "jörg müller", "https://issuer.test/users/1", "a" * 200])
def test_owners_have_names_that_can_be_printed(owner: str) -> None:
    assert flaw_of_owner(owner) is None


@pytest.mark.parametrize("owner", ["", " ann", "ann ", "a\nb", "a\x00b", "*", "a" * 201])
def test_what_is_no_name_is_refused(owner: str) -> None:
    assert flaw_of_owner(owner) is not None


def test_what_redis_has_is_read() -> None:
    assert read_key("key_a", FIELDS) == StoredKey("key_a", "jörg", USUAL, 5)
    assert read_key("key_a", FIELDS | {b"expires": b"9"}, 7) == StoredKey("key_a", "jörg", USUAL, 5, 9, 7)


def test_a_scope_of_a_later_version_is_left_out() -> None:
    key = read_key("key_a", FIELDS | {b"scopes": b"read,generate,conduct"})
    assert key is not None
    assert key.scopes == USUAL


@pytest.mark.parametrize(
    "fields",
    [{}, {b"owner": b"ann"}, FIELDS | {b"created": b"soon"}, FIELDS | {b"owner": b"\xff"}, FIELDS | {b"expires": b""}],
)
def test_what_is_no_key_is_none(fields: dict[bytes, bytes]) -> None:
    assert read_key("key_a", fields) is None
