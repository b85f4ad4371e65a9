"""A generation's name in each dialect: one tail of 32 characters behind another prefix."""

import re
from typing import NamedTuple

PREFIXES = {
    "native": "gen_",
    "openai-chat": "chatcmpl-",
    "openai-responses": "resp_",
    "anthropic": "msg_",
    "ai-sdk": "msg_",
}
"""The prefix of a generation's name, by dialect."""

_NAME = re.compile(r"(gen_|chatcmpl-|resp_|msg_)([a-z2-7]{32})(?:-([1-9][0-9]{0,5}))?")


class Named(NamedTuple):
    """What a name says."""

    id: str
    """The generation's id, `gen_…`."""
    epoch: int | None
    """The epoch that it ends with; None where it has none, which is that of the first attempt."""


def read_name(text: str) -> Named | None:
    """Returns what a name in any dialect says; None where it is no name."""
    match = _NAME.fullmatch(text)
    return Named(f"gen_{match[2]}", int(match[3]) if match[3] else None) if match else None


def name_of(prefix: str, generation_id: str, epoch: int = 1) -> str:
    """Returns a generation's name behind a prefix; epochs after the first are said at its end."""
    name = prefix + generation_id.removeprefix("gen_")
    return name if epoch == 1 else f"{name}-{epoch}"
