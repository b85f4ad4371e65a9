"""What was said of one kind, to tell what of a whole message is new: some send both, or the message alone."""

_PIECE_CHARS = 32
"""A message that repeats what was said and is longer than this is no piece of an answer."""


class Heard:
    """The text so far. `add` takes a piece of it that a delta had."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.add = self._pieces.append
        self._text = ""
        self._by_delta = False
        self._in_pieces = False
        self._grows = False
        self._repeats: list[str] = []

    @property
    def any(self) -> bool:
        """Says whether anything was said."""
        return bool(self._pieces or self._text)

    def collect(self, *, by_delta: bool = True) -> str:
        """Returns all of it. `by_delta` is false where the pieces since the last call were a message's."""
        if self._pieces:
            self._text += "".join(self._pieces)
            self._pieces.clear()
            self._by_delta = self._by_delta or by_delta
        return self._text

    def rest(self, message: str) -> str | None:
        """Returns what of a message's text was not said, and takes it as said; None where it contradicts the deltas.

        A message may hold all that was said so far and more, lag behind, or, where there are no deltas, be a piece like
        one. A piece that repeats the beginning is told from a message that lags by what comes next: another piece, or
        a message without any text.
        """
        text = self.collect()
        if not message:
            return self._piece("") if self._repeats else ""
        if message.startswith(text) and message != text:
            self._grows = self._grows or bool(text)
            self._repeats.clear()
            self._text = message
            return message[len(text) :]
        if message == text or (text.startswith(message) and not self._in_pieces):
            if not (self._by_delta or self._grows) and len(message) <= _PIECE_CHARS:
                self._repeats.append(message)
            return ""
        if self._by_delta:
            return "" if " ".join(message.split()) in " ".join(text.split()) else None
        return self._piece(message)

    def _piece(self, message: str) -> str:
        self._in_pieces = True
        new = "".join(self._repeats) + message
        self._repeats.clear()
        self._text += new
        return new
