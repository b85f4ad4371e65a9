"""What happened in a run, as JSON lines: recorded while it runs, judged when it is over.

Times are seconds since the epoch, on the one clock that all processes of a run share. Events are ids, types and
hashes; nothing that a model said is written.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

OWN = "history.jsonl"
JOURNAL = "-appends.jsonl"


class Seen(NamedTuple):
    """An event as somebody saw it. `id` is empty for `queued`, `reset` and `drain`, which have none."""

    id: str
    type: str
    hash: str
    at: float = 0.0


class Told(NamedTuple):
    """An event of a conversation's stream as somebody saw it: `generation`, `begun` and `gone` name a turn."""

    id: str
    type: str
    hash: str
    at: float = 0.0
    turn: str = ""
    """The generation's id."""
    number: int = 0


class Framed(NamedTuple):
    """An event of a dialect as somebody saw it: its bytes, its number (-1 where none is said), and the name it says."""

    hash: str
    number: int = -1
    name: str = ""


class Line(Struct, tag_field="kind", kw_only=True):
    """One line of a history."""

    at: float
    """When it was known."""


class Setup(Line, tag="setup"):
    """With what the run was made. Seconds: `lease`, and `known`, for which an ended generation is not 404."""

    seed: int
    lease: float
    workers: list[str]
    apis: list[str]
    known: float = 86_400.0


class Post(Line, tag="post"):
    """A POST and its answer; `status` is None where none came. `text` is the hash of what must be said in the end.

    `conversation` is the one that it names, if any. In a dialect it is a stream, whose head is the answer, or it waits
    for all: then `said` is the hash of the text, and `name` what the answer is called.
    """

    key: str
    api: str
    sent: float
    text: str
    status: int | None = None
    id: str | None = None
    retry_after: bool = False
    dialect: str = "native"
    waits: bool = False
    retry: int = 0
    said: str = ""
    name: str = ""
    conversation: str = ""


class Cancel(Line, tag="cancel"):
    """A cancel and its answer: `state` is how the generation stood."""

    id: str
    api: str
    sent: float
    status: int | None = None
    state: str | None = None


class Delete(Line, tag="delete"):
    """A DELETE and its answer; `id` is a generation's, or what a conversation is called."""

    id: str
    api: str
    sent: float
    status: int | None = None


class View(Line, tag="view"):
    """One connection of a viewer, from its request (`sent`) to its end (`at`).

    `how` it ended: `end` (the server finished the body), `cut` (the connection broke), `left` (the viewer's wish),
    `silent` (not even a heartbeat came), `refused` (no answer, or a status other than 200), `hung` (it was given up).
    """

    viewer: str
    connection: int
    id: str
    api: str
    cursor: str
    sent: float
    status: int | None = None
    how: str = "refused"
    invented: bool = False
    """Whether the cursor is one that this log never had."""
    events: list[Seen] = []


class ConversationView(Line, tag="conversation_view"):
    """One connection of a follower of a conversation; all is as in View."""

    viewer: str
    connection: int
    conversation: str
    api: str
    cursor: str
    sent: float
    status: int | None = None
    how: str = "refused"
    invented: bool = False
    events: list[Told] = []


class Folded(Line, tag="folded"):
    """What a client made of a generation of which it was told all: its state, and the hash of its text."""

    viewer: str
    id: str
    state: str
    text: str


class Page(Line, tag="page"):
    """What a client made of a conversation that it had open: number, id, state and the hash of the text of each turn.

    `how` is as in View: `left` where all was there, `hung` where it was given up.
    """

    viewer: str
    conversation: str
    how: str
    turns: list[tuple[int, str, str, str]]


class Turns(Line, tag="turns"):
    """The turns of a conversation in the end, by number and id: as the index has them, and as the API lists them.

    `status` is the API's; `listed` is None where that is not 200.
    """

    conversation: str
    held: list[tuple[int, str]]
    status: int
    listed: list[tuple[int, str]] | None = None


class DialectView(Line, tag="dialect_view"):
    """One connection of a viewer in a dialect. `how` is as in View; `name` is what it asked for, empty for a POST.

    `after` is the number of the event after which it asked, `marks` how often it was told that the stream is whole,
    `beyond` how many events came after that, `early` how many pings before the first event.
    """

    viewer: str
    connection: int
    id: str
    dialect: str
    api: str
    sent: float
    name: str = ""
    after: int | None = None
    status: int | None = None
    code: str = ""
    how: str = "refused"
    marks: int = 0
    beyond: int = 0
    early: int = 0
    events: list[Framed] = []


class Whole(Line, tag="whole"):
    """A stream in a dialect, read uncut after the end: what it calls itself, and the hash of what it says."""

    id: str
    dialect: str
    api: str
    status: int
    marks: int = 0
    name: str = ""
    text: str = ""
    events: list[Framed] = []


class Fault(Line, tag="fault"):
    """Something done to the system, from `at` to `until` (None: it is over at once, or was never undone)."""

    what: str
    target: str
    until: float | None = None
    detail: str = ""
    offset: int | None = None
    """Of a jump of a Redis' clock: seconds by which it is ahead from then on."""


class Died(Line, tag="died"):
    """A process ended that nobody had ended."""

    process: str
    status: int


class Stored(Line, tag="stored"):
    """What Redis held of a generation. `state` is None where it had no record."""

    id: str
    state: str | None = None
    seal: str = ""
    events: list[Seen] = []
    text: str = ""
    """Hash of what the deltas of the last attempt say."""


class Reported(Line, tag="reported"):
    """What the API said of a generation."""

    id: str
    api: str
    status: int
    state: str | None = None
    last: str | None = None


class Resources(Line, tag="resources"):
    """What a process used. For Redis `keys` too, for APIs and workers the tasks of their loop when last asked."""

    process: str
    pid: int
    memory_kb: int
    descriptors: int
    keys: int | None = None
    tasks: int | None = None


class Claimed(Line, tag="claim"):
    """Journal of a worker: an attempt began there, after the event `last`."""

    id: str
    start: str
    token: int
    number: int
    last: str
    worker: str = ""


class Appended(Line, tag="append"):
    """Journal of a worker: a write, and what the log answered."""

    id: str
    sent: float
    token: int
    previous: str
    first: int
    events: list[tuple[str, str]]
    outcome: str
    last: str
    worker: str = ""


AnyLine = (
    Setup | Post | Cancel | Delete | View | ConversationView | Folded | Page | Turns | DialectView | Whole | Fault
    | Died | Stored | Reported | Resources | Claimed | Appended
)  # fmt: skip

_decoder: msgspec.json.Decoder[AnyLine] = msgspec.json.Decoder(AnyLine)


def hashed(data: bytes) -> str:
    """Stands for an event's bytes; as the workers' journals have it."""
    return hashlib.sha256(data).hexdigest()[:16]


class History:
    """Writes a run's lines into a folder, beside the workers' journals."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = (folder / OWN).open("ab", buffering=0)

    def add(self, line: AnyLine) -> None:
        """Write one line."""
        self._file.write(msgspec.json.encode(line) + b"\n")

    @contextlib.contextmanager
    def fault(self, what: str, target: str) -> Iterator[Fault]:
        """Something done to the system from the beginning of the block to its end, after which it is written."""
        fault = Fault(at=time.time(), what=what, target=target)
        yield fault
        fault.until = time.time()
        self.add(fault)

    def journal(self, worker: str) -> Path:
        """Where a worker keeps its journal."""
        return self.folder / f"{worker}{JOURNAL}"

    def close(self) -> None:
        self._file.close()


def read(folder: Path) -> Iterator[AnyLine]:
    """All lines of a run: its own, then each worker's journal. A journal's last line may be half written."""
    yield from map(_decoder.decode, (folder / OWN).read_bytes().splitlines())
    for path in sorted(folder.glob(f"*{JOURNAL}")):
        *lines, rest = path.read_bytes().split(b"\n")
        for text in lines:
            line = _decoder.decode(text)
            assert isinstance(line, Claimed | Appended), f"{path} has a line that is no worker's"
            line.worker = path.name.removesuffix(JOURNAL)
            yield line
        if rest:
            print(f"{path.name}: the last line is half written")
