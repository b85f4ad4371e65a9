"""The ASGI application: routes, credentials, refusals, and the journal's own endpoint."""

import hmac
import json
from typing import Any, Final
from urllib.parse import parse_qs

from simulator.answer import compose
from simulator.anthropic_messages import AnthropicMessages
from simulator.background import Responses
from simulator.connection import Connection, Receive, Scope, Send
from simulator.fault_counter import FaultCounter
from simulator.faults import Fault, refusal
from simulator.follower import Follower
from simulator.gemini import Gemini, gemini_at
from simulator.journal import Journal, JournalEntry
from simulator.openai_chat import OpenAIChat
from simulator.openai_responses import OpenAIResponses
from simulator.pace import Pace
from simulator.prefill import go_on
from simulator.quirks.oddity import Oddity
from simulator.reply import refuse, reply
from simulator.request import Request, RequestRefusedError
from simulator.retrieval import Retrieval
from simulator.script import NAMES, BadParameterError, Script, UnknownScriptError, parse_script
from simulator.stream import Stream
from simulator.strike import strike_document
from simulator.wire import WireFormat, document

CHAT: Final = OpenAIChat()
MESSAGES: Final = AnthropicMessages()
RESPONSES: Final = OpenAIResponses()
GEMINI: Final = Gemini()
FORMATS: Final[dict[str, WireFormat]] = {
    "/v1/chat/completions": CHAT,
    "/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
}


class Simulator:
    """Serves all protocols; `require_key` refuses requests that carry another key."""

    def __init__(self, require_key: str | None = None) -> None:
        self.journal = Journal()
        self._require_key = require_key
        self._faults = FaultCounter()
        self._responses = Responses()
        self._retrieval = Retrieval(self._responses, self._faults, self.journal)
        self._open: set[Connection] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        connection = Connection(scope, receive, send)
        self._open.add(connection)
        try:
            await self._route(connection, scope)
        finally:
            self._open.discard(connection)
            connection.forget()

    def abort(self) -> None:
        """Cut every open connection, as the end of a provider's process would."""
        self._responses.abort()
        for connection in list(self._open):
            connection.abort()

    async def _route(self, connection: Connection, scope: Scope) -> None:
        method, path = scope["method"], scope["path"]
        wire = FORMATS.get(path) or gemini_at(path)
        headers = dict(scope["headers"])
        if wire is not None and method == "POST":
            await self._generate(connection, wire, headers)
        elif self._retrieval.serves(path):
            await self._retrieve(connection, scope, headers)
        elif path in ("/v1/models", "/v1beta/models") and method == "GET":
            listing: WireFormat = MESSAGES if b"anthropic-version" in headers else CHAT
            await self._models(connection, GEMINI if b"x-goog-api-key" in headers else listing, headers)
        elif path == "/journal" and method in ("GET", "DELETE"):
            await self._journal(connection, method, scope["query_string"])
        elif path == "/livez" and method == "GET":
            await reply(connection, 200, b'{"status":"ok"}')
        else:
            message = f"Unknown request: {method} {path}"
            await refuse(connection, wire or CHAT, RequestRefusedError(405 if wire else 404, message))

    def _check_key(self, wire: WireFormat, headers: dict[bytes, bytes]) -> None:
        if self._require_key is None:
            return
        if not hmac.compare_digest(wire.key(headers).encode(), self._require_key.encode()):
            raise RequestRefusedError(401, "Incorrect API key provided.")

    async def _models(self, connection: Connection, wire: WireFormat, headers: dict[bytes, bytes]) -> None:
        try:
            self._check_key(wire, headers)
        except RequestRefusedError as refused:
            await refuse(connection, wire, refused)
        else:
            await reply(connection, 200, wire.models(NAMES))

    async def _journal(self, connection: Connection, method: str, query: bytes) -> None:
        key = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("key", [None])[0]
        if method == "GET":
            await reply(connection, 200, json.dumps(self.journal.rows(key)).encode())
        else:
            self.journal.clear(key)
            await reply(connection, 200, b"[]")

    async def _generate(self, connection: Connection, wire: WireFormat, headers: dict[bytes, bytes]) -> None:
        try:
            raw = await connection.body()
            if connection.left:
                return
            self._check_key(wire, headers)
            request = wire.read(_parse(raw), headers)
            script = _script(request.model, wire)
            Oddity(script.quirk, wire).check(request)
        except RequestRefusedError as refused:
            await refuse(connection, wire, refused)
            return
        entry = self.journal.open(wire.name, request.model, script.key)
        struck = self._faults.strikes(script)
        fault = script.fault if struck else None
        if fault is not None and fault.status is not None:
            await refuse(connection, wire, refusal(fault.status, script.retry_after))
            entry.end("fault")
            return
        oddity = Oddity(script.quirk if struck else (), wire)
        if oddity.refusal is not None:
            await reply(connection, *oddity.refusal)
            entry.end("fault")
        elif request.background:
            await self._begin(connection, request, script, fault, entry)
        else:
            await _answer(connection, wire, request, script, fault, oddity, entry)

    async def _begin(
        self, connection: Connection, request: Request, script: Script, fault: Fault | None, entry: JournalEntry
    ) -> None:
        """A response that goes on without its connection, which is all that most faults hit."""
        answer = compose(script, request, interleave=RESPONSES.interleaves, fragments=RESPONSES.fragments)
        own, hit = (None, fault) if fault is None or fault.hits_connection else (fault, None)
        try:
            run = self._responses.start(request, script, answer, own, entry)
        except RequestRefusedError as refused:
            await refuse(connection, RESPONSES, refused)
            entry.end("fault")
            return
        body = document(run.writer.response())
        if request.stream:
            entry.end(await Follower(connection, run, -1, hit, entry).events(run.writer.headers))
        elif hit is not None:
            entry.end(await strike_document(connection, run.writer, hit, lambda: body))
        else:
            await reply(connection, 200, body, run.writer.headers)
            entry.end("complete")

    async def _retrieve(self, connection: Connection, scope: Scope, headers: dict[bytes, bytes]) -> None:
        try:
            await connection.body()
            self._check_key(RESPONSES, headers)
            await self._retrieval.answer(connection, scope["method"], scope["path"], scope["query_string"])
        except RequestRefusedError as refused:
            await refuse(connection, RESPONSES, refused)


async def _answer(
    connection: Connection,
    wire: WireFormat,
    request: Request,
    script: Script,
    fault: Fault | None,
    oddity: Oddity,
    entry: JournalEntry,
) -> None:
    answer = compose(script, request, interleave=wire.interleaves, fragments=wire.fragments)
    try:
        if request.prefix:
            entry.prefix = len(request.prefix)
            answer = go_on(answer, request, script)
        writer = oddity.write(wire.write(request, answer), len(answer.deltas))
    except RequestRefusedError as refused:
        await refuse(connection, wire, refused)
        entry.end("refused")
        return
    pace = Pace(script.rate, script.ttft)
    if fault is not None and fault.kind == "error" and not request.stream:
        await connection.wait(pace.delay(0))
        await refuse(connection, wire, refusal(529))
        entry.end("fault")
        return
    stream = Stream(connection, writer, answer, pace, fault, entry, oddity.content_type, oddity.afterwards)
    streams = request.stream and not oddity.is_document
    entry.end(await (stream.events() if streams else stream.document()))


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise RequestRefusedError(400, "The body of the request is not valid JSON.") from None
    if not isinstance(body, dict):
        raise RequestRefusedError(400, "The body of the request must be a JSON object.")
    return body


def _script(model: str, wire: WireFormat) -> Script:
    try:
        script = parse_script(model)
    except UnknownScriptError as unknown:
        known = ", ".join(NAMES)
        raise RequestRefusedError(
            404, f"The model '{unknown}' does not exist (known: {known}).", param="model"
        ) from None
    except BadParameterError as bad:
        raise RequestRefusedError(400, f"model: {bad}", param="model") from None
    if script.extras and not wire.extras:
        raise RequestRefusedError(400, "model: parameter 'extras' is for Responses only", param="model")
    return script
