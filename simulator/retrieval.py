"""Background responses asked for again: retrieve, cancel and delete (API reference: "Responses")."""

import re
from typing import Final
from urllib.parse import parse_qs

from simulator.background import BackgroundRun, Responses
from simulator.connection import Connection
from simulator.fault_counter import FaultCounter
from simulator.faults import Fault
from simulator.follower import Follower
from simulator.journal import Action, Journal, JournalEntry
from simulator.openai_chat import request_headers
from simulator.reply import reply
from simulator.request import RequestRefusedError
from simulator.strike import strike_document
from simulator.wire import document

_PATH: Final = re.compile(r"/v1/responses/([^/]+)(/cancel)?")
_ACTIONS: Final[dict[tuple[str, bool], Action]] = {
    ("GET", False): "retrieve",
    ("POST", True): "cancel",
    ("DELETE", False): "delete",
}
_NOT_STREAMED: Final = "This response cannot be streamed because it was not created with stream=true."


class Retrieval:
    """Answers the requests below `/v1/responses/`."""

    def __init__(self, responses: Responses, faults: FaultCounter, journal: Journal) -> None:
        self._responses = responses
        self._faults = faults
        self._journal = journal

    @staticmethod
    def serves(path: str) -> bool:
        return _PATH.fullmatch(path) is not None

    async def answer(self, connection: Connection, method: str, path: str, query: bytes) -> None:
        """Raises `RequestRefusedError` before anything is written. Refused requests leave no row in the journal."""
        match = _PATH.fullmatch(path)
        action = _ACTIONS.get((method, match[2] is not None)) if match else None
        if match is None or action is None:
            raise RequestRefusedError(405, f"Unknown request: {method} {path}")
        run = self._responses.get(match[1])
        if action == "retrieve":
            await self._retrieve(connection, run, _Wanted(query))
            return
        if action == "cancel":
            _check_cancellable(run)
        elif not run.ended:
            raise RequestRefusedError(400, "Cannot delete an in-flight response.", param="response_id")
        entry = self._open(run, action)
        if action == "delete":
            self._responses.delete(run.writer.id)
            body = document({"id": run.writer.id, "object": "response.deleted", "deleted": True})
        else:
            if not run.ended:
                run.cancel()
            body = document(run.writer.response())
        await reply(connection, 200, body, request_headers())
        entry.end("complete")

    def _open(self, run: BackgroundRun, action: Action) -> JournalEntry:
        return self._journal.open("openai_responses", run.script.model, run.script.key, action, run.writer.id)

    async def _retrieve(self, connection: Connection, run: BackgroundRun, wanted: "_Wanted") -> None:
        if wanted.stream and not run.streamed:
            raise RequestRefusedError(400, _NOT_STREAMED, param="stream")
        entry = self._open(run, "retrieve")
        fault = self._due(run)
        if wanted.stream:
            entry.end(await Follower(connection, run, wanted.after, fault, entry).events(request_headers()))
            return
        body = document(run.writer.response())
        if fault is not None:
            entry.end(await strike_document(connection, run.writer, fault, lambda: body))
            return
        await reply(connection, 200, body, request_headers())
        entry.end("complete")

    def _due(self, run: BackgroundRun) -> Fault | None:
        """The fault that this retrieval suffers: only `times` lets one strike more than the request that began."""
        if run.script.times is None:
            return None
        fault = self._faults.due(run.script)
        return fault if fault is not None and fault.hits_connection else None


class _Wanted:
    """The query of a retrieval."""

    def __init__(self, query: bytes) -> None:
        """Raises `RequestRefusedError` (400)."""
        given = {name: values[-1] for name, values in parse_qs(query.decode("latin-1")).items()}
        self.stream = given.get("stream") == "true"
        after = given.get("starting_after", "")
        if after and not (after.isascii() and after.isdigit() and len(after) < 16):
            raise RequestRefusedError(400, "starting_after: must be the number of an event", param="starting_after")
        self.after = int(after) if after else -1
        """Number of the last event that the client has."""


def _check_cancellable(run: BackgroundRun) -> None:
    """Raises `RequestRefusedError` (400). A second cancel is answered as the first."""
    status = run.writer.status
    if run.ended and status != "cancelled":
        article = "an" if status == "incomplete" else "a"
        raise RequestRefusedError(400, f"Cannot cancel {article} {status} response.", param="response_id")
