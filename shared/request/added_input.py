"""What a request adds to its conversation, as most callers send all of that again."""

from typing import Any

import msgspec

NOT_SHOWN = ("system", "developer")


class _Messages(msgspec.Struct):
    messages: list[dict[str, Any]] = []


_read = msgspec.json.Decoder(_Messages).decode


def added_by(request: bytes) -> list[dict[str, Any]]:
    """Returns the messages behind the last of the assistant's, as sent, without those of the system.

    Nothing where the request cannot be read.
    """
    try:
        messages = _read(request).messages
    except msgspec.MsgspecError:
        return []
    last = max((at for at, message in enumerate(messages) if message.get("role") == "assistant"), default=-1)
    return [message for message in messages[last + 1 :] if message.get("role") not in NOT_SHOWN]
