"""The ASGI application: routes, credentials, refusals, and the journal's own endpoint."""

import hmac
import json
from typing import Any, Final
from urllib.parse import parse_qs

from simulator.answer import compose
from simulator.anthropic_messages import AnthropicMessages
from simulator.connection import Connection, Receive, Scope, Send
from simulator.fault_counter import FaultCounter
from simulator.faults import Fault
from simulator.gemini import Gemini, gemini_at
from simulator.journal import Entry, Journal
from simulator.openai_chat import OpenAIChat
from simulator.openai_responses import OpenAIResponses
from simulator.pace import Pace
from simulator.request import Refused, Request
from simulator.script import NAMES, BadParameter, Script, UnknownScript, parse_script
from simulator.stream import JSON, Stream
from simulator.wire import Headers, WireFormat

CHAT: Final = OpenAIChat()
MESSAGES: Final = AnthropicMessages()
RESPONSES: Final = OpenAIResponses()
GEMINI: Final = Gemini()
FORMATS: Final[dict[str, WireFormat]] = {
    "/v1/chat/completions": CHAT,
    "/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
}

_FAULT_MESSAGES: Final = {
    429: "Rate limit reached. Please try again later.",
    500: "The server had an error while processing your request.",
    529: "Overloaded",
}


class Simulator:
    """Serves Chat Completions, Responses, Messages and Gemini; `require_key` refuses requests that carry another key."""

    def __init__(self, require_key: str | None = None) -> None:
        self.journal = Journal()
        self._require_key = require_key
        self._faults = FaultCounter()
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
        for connection in list(self._open):
            connection.abort()

    async def _route(self, connection: Connection, scope: Scope) -> None:
        method, path = scope["method"], scope["path"]
        wire = FORMATS.get(path) or gemini_at(path)
        headers = dict(scope["headers"])
        if wire is not None and method == "POST":
            await self._generate(connection, wire, headers)
        elif path in ("/v1/models", "/v1beta/models") and method == "GET":
            listing: WireFormat = MESSAGES if b"anthropic-version" in headers else CHAT
            await self._models(connection, GEMINI if b"x-goog-api-key" in headers else listing, headers)
        elif path == "/journal" and method in ("GET", "DELETE"):
            await self._journal(connection, method, scope["query_string"])
        elif path == "/livez" and method == "GET":
            await _reply(connection, 200, b'{"status":"ok"}')
        else:
            message = f"Unknown request: {method} {path}"
            await _refuse(connection, wire or CHAT, Refused(405 if wire else 404, message))

    def _check_key(self, wire: WireFormat, headers: dict[bytes, bytes]) -> None:
        if self._require_key is None:
            return
        if not hmac.compare_digest(wire.key(headers).encode(), self._require_key.encode()):
            raise Refused(401, "Incorrect API key provided.")

    async def _models(self, connection: Connection, wire: WireFormat, headers: dict[bytes, bytes]) -> None:
        try:
            self._check_key(wire, headers)
        except Refused as refused:
            await _refuse(connection, wire, refused)
        else:
            await _reply(connection, 200, wire.models(NAMES))

    async def _journal(self, connection: Connection, method: str, query: bytes) -> None:
        key = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("key", [None])[0]
        if method == "GET":
            await _reply(connection, 200, json.dumps(self.journal.rows(key)).encode())
        else:
            self.journal.clear(key)
            await _reply(connection, 200, b"[]")

    async def _generate(self, connection: Connection, wire: WireFormat, headers: dict[bytes, bytes]) -> None:
        try:
            raw = await connection.body()
            if connection.left:
                return
            self._check_key(wire, headers)
            request = wire.read(_parse(raw))
            script = _script(request.model, wire)
        except Refused as refused:
            await _refuse(connection, wire, refused)
            return
        entry = self.journal.open(wire.name, request.model, script.key)
        fault = self._faults.due(script)
        if fault is not None and fault.status is not None:
            message = _FAULT_MESSAGES[fault.status]
            await _refuse(connection, wire, Refused(fault.status, message, retry_after=script.retry_after))
            entry.end("fault")
            return
        await _answer(connection, wire, request, script, fault, entry)


async def _answer(
    connection: Connection,
    wire: WireFormat,
    request: Request,
    script: Script,
    fault: Fault | None,
    entry: Entry,
) -> None:
    answer = compose(script, request, interleave=wire.interleaves, fragments=wire.fragments)
    writer = wire.write(request, answer)
    pace = Pace(script.rate, script.ttft)
    if fault is not None and fault.kind == "error" and not request.stream:
        await connection.wait(pace.delay(0))
        await _refuse(connection, wire, Refused(529, _FAULT_MESSAGES[529]))
        entry.end("fault")
        return
    stream = Stream(connection, writer, answer, pace, fault, entry)
    entry.end(await (stream.events() if request.stream else stream.document()))


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused(400, "The body of the request is not valid JSON.") from None
    if not isinstance(body, dict):
        raise Refused(400, "The body of the request must be a JSON object.")
    return body


def _script(model: str, wire: WireFormat) -> Script:
    try:
        script = parse_script(model)
    except UnknownScript as unknown:
        known = ", ".join(NAMES)
        raise Refused(404, f"The model '{unknown}' does not exist (known: {known}).", param="model") from None
    except BadParameter as bad:
        raise Refused(400, f"model: {bad}", param="model") from None
    if script.extras and not wire.extras:
        raise Refused(400, "model: parameter 'extras' is for Responses only", param="model")
    return script


async def _refuse(connection: Connection, wire: WireFormat, refused: Refused) -> None:
    body, headers = wire.problem(refused)
    if refused.retry_after is not None:
        headers = [*headers, (b"retry-after", refused.retry_after.encode())]
    await _reply(connection, refused.status, body, headers)


async def _reply(connection: Connection, status: int, body: bytes, headers: Headers = ()) -> None:
    await connection.start(status, [*JSON, (b"content-length", str(len(body)).encode()), *headers])
    await connection.finish(body)
