"""Where in a body of Messages the values of a request of ours come from."""

_TAILS = {
    "function/arguments": "input",
    "function/name": "name",
    "function/parameters": "input_schema",
    "function/description": "description",
    "function/strict": "strict",
    "image_url/url": "source",
    "file/file_data": "source",
    "file/file_url": "source/url",
    "file/filename": "title",
    "id": "id",
    "text": "text",
    "cache_control": "cache_control",
    "cache_control/scope": "cache_control/scope",
    "cache_control/ttl": "cache_control/ttl",
    "cache_control/type": "cache_control/type",
}
"""The end of a pointer, by ours."""


class Places:
    """Pointers into a body, by those into the request that is made of it (JSON Pointer, RFC 6901)."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def add(self, ours: str, theirs: str) -> None:
        """Notes where a value came from."""
        self._of[ours] = theirs

    def pointer(self, ours: str) -> str:
        """Returns where a value of the request, or the nearest that it is in, came from."""
        head, tail = ours, ""
        while head and head not in self._of:
            head, _, step = head.rpartition("/")
            tail = f"{step}/{tail}" if tail else step
        if not head:
            return ours
        theirs = self._of[head]
        while tail and tail not in _TAILS:
            tail = tail.rpartition("/")[0]
        return f"{theirs}/{_TAILS[tail]}" if tail else theirs
