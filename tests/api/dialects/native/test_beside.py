"""The events that no log has: their frames have no id, and hold what is declared."""

from __future__ import annotations

import msgspec

from api.dialects.native.beside import Drain, Queued, Reset
from api.dialects.native.events import NativeDialect


def test_frames_hold_what_is_declared() -> None:
    dialect = NativeDialect()
    frames: list[tuple[bytes, type[Queued | Reset | Drain]]] = [
        (dialect.queued("gen_x", 3), Queued),
        (dialect.queued("gen_x", None), Queued),
        (dialect.reset("trimmed"), Reset),
        (dialect.drain, Drain),
    ]
    for frame, kind in frames:
        event, data, *rest = frame.decode().split("\n")
        assert (event, rest) == (f"event: {kind.type}", ["", ""])
        read = msgspec.json.decode(data.removeprefix("data: "), type=kind)
        assert msgspec.json.encode(read).decode() == data.removeprefix("data: ")
