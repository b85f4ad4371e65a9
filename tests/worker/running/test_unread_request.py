"""What is told of a request that cannot be asked."""

from __future__ import annotations

from typing import get_args

import pytest

from shared.errors import PreviousError, PreviousReason
from worker.billing.bill import UNCHARGED_CODES
from worker.running.retry_policy import FINAL_CODES
from worker.running.unread_request import failure_of


@pytest.mark.parametrize("reason", get_args(PreviousReason))
def test_it_says_why_and_nobody_tries_or_charges_again(reason: PreviousReason) -> None:
    failed = failure_of(PreviousError(reason, "gen_x"), 5000)
    codes = {"unpaired": "bad_request", "too_long": "previous_too_long"}
    assert (failed.code, failed.retryable) == (codes.get(reason, "previous_gone"), False)
    assert ("5000" if reason == "too_long" else "gen_x") in failed.message
    assert failed.code in UNCHARGED_CODES
    assert failed.code in FINAL_CODES | {"bad_request"}
