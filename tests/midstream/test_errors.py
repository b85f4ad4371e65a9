"""What the command line says when it cannot do its work: each kind of error has an exit code of its own."""

from __future__ import annotations

import pytest

from midstream import errors
from midstream.errors import ClientError, DeniedError, NotFoundError, RefusedError, StartError, UnreachableError
from shared.errors import MidstreamError


def test_each_ends_the_command_with_the_code_of_its_kind() -> None:
    kinds = (ClientError, RefusedError, NotFoundError, DeniedError, UnreachableError)
    assert [kind.exit_code for kind in kinds] == [1, 2, 3, 4, 5]
    assert all(issubclass(kind, ClientError) for kind in kinds)
    documented = ClientError.__doc__ or ""
    assert all(f"{kind.exit_code}, " in documented for kind in kinds)


def test_all_are_ours() -> None:
    own = [value for value in vars(errors).values() if isinstance(value, type) and value.__module__ == errors.__name__]
    assert len(own) == 6
    assert all(issubclass(kind, MidstreamError) for kind in own)


@pytest.mark.parametrize("kind", [ClientError, RefusedError, UnreachableError])
def test_it_says_whether_to_try_again_and_when(kind: type[ClientError]) -> None:
    error = kind("no")
    assert (str(error), error.retryable, error.retry_after) == ("no", False, None)
    error = kind("later", retryable=True, retry_after=2.5)
    assert (error.retryable, error.retry_after) == (True, 2.5)


def test_a_start_that_fails_is_one_line() -> None:
    assert str(StartError("no room: make some")) == "no room: make some"
