"""A backend of your own in front of Midstream: your users, your rules, and a key that no browser sees.

    pip install fastapi httpx2 uvicorn
    export MIDSTREAM_URL=http://127.0.0.1:8000 MIDSTREAM_KEY=… MODEL=openai/gpt-5
    export RELAY_USERS='{"ann": "her password", "bob": "his"}'
    uvicorn relay:app --port 8080 --timeout-graceful-shutdown 5

It keeps nothing: a chat is a conversation of Midstream, whose name begins with the user's. A restart of it, or a second
one beside it, is nothing that a user sees. It serves eventsource.html, which goes on by itself where it was cut.
"""

import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

import httpx2
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, Field

USERS: dict[str, str] = json.loads(os.environ["RELAY_USERS"])
MODEL = os.environ["MODEL"]
PAGE = Path(__file__).with_name("eventsource.html")
PASSED = ("content-type", "retry-after", "cache-control", "x-accel-buffering")
"""Headers of answers that a browser needs."""

midstream = httpx2.AsyncClient(
    base_url=os.environ.get("MIDSTREAM_URL", "http://127.0.0.1:8000"),
    headers={"Authorization": f"Bearer {os.environ['MIDSTREAM_KEY']}"},
    timeout=45,  # A stream is never silent for more than 15 s.
    limits=httpx2.Limits(max_connections=None),
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Closes what is open to Midstream at the end."""
    async with midstream:
        yield


app = FastAPI(lifespan=lifespan)


def logged_in(request: Request, given: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> str:
    """Returns the user's name. Stands for your own login, whatever it is. Raises HTTPException."""
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise HTTPException(403, "Another site may not ask for a user.")
    right = USERS.get(given.username, secrets.token_hex())  # who is unknown has no password that can be guessed
    if not secrets.compare_digest(right.encode(), given.password.encode()):
        raise HTTPException(401, headers={"WWW-Authenticate": 'Basic realm="chat"'})
    return given.username


User = Annotated[str, Depends(logged_in)]
Chat = Annotated[str, InPath(pattern=r"^[\w-]{1,64}$")]
Generation = Annotated[str, InPath(pattern=r"^gen_[a-z2-7]{32}$")]


class Message(BaseModel):
    """What may be said: text. No system message, no tools."""

    role: Literal["user", "assistant"]
    content: str = Field(max_length=100_000)


class Question(BaseModel):
    """What a page asks. The model and the key are no business of its."""

    conversation: str = Field(pattern=r"^[\w-]{1,64}$")
    messages: list[Message] = Field(min_length=1, max_length=1_000)


def conversation(user: str, chat: str) -> str:
    """Returns a name that no other user can have: a user's has no colon (RFC 7617)."""
    return f"{user}:{chat}"


@app.get("/")
async def page(_: User) -> FileResponse:
    """The page."""
    return FileResponse(PAGE)


@app.post("/v1/generations")
async def ask(user: User, question: Question, idempotency_key: Annotated[str, Header(max_length=128)]) -> Response:
    """Ask a model. What it says comes in the events of the conversation."""
    body = {
        "model": MODEL,
        "conversation": conversation(user, question.conversation),
        "messages": [message.model_dump() for message in question.messages],
        "metadata": {"user": user},
    }
    key = {"Idempotency-Key": f"{user}:{idempotency_key}"}
    return passed(await midstream.post("/v1/generations", json=body, headers=key))


@app.get("/v1/conversations/{chat}")
async def read(user: User, chat: Chat, before: int | None = None) -> Response:
    """A page of what has been said in one of the user's chats."""
    page = {} if before is None else {"before": before}
    return passed(await midstream.get(f"/v1/conversations/{quote(conversation(user, chat), safe='')}", params=page))


@app.get("/v1/conversations/{chat}/events")
async def follow(user: User, chat: Chat, request: Request) -> Response:
    """What is said from then on, as Midstream's own bytes: its ids are what an EventSource comes back with."""
    asked = midstream.build_request(
        "GET",
        f"/v1/conversations/{quote(conversation(user, chat), safe='')}/events",
        params={name: value for name, value in request.query_params.items() if name == "last_event_id"},
        headers={name: value for name, value in request.headers.items() if name == "last-event-id"},
    )
    try:
        answer = await midstream.send(asked, stream=True)
    except httpx2.TransportError:
        return AWAY
    if answer.status_code == 429 or answer.status_code >= 500:
        await answer.aclose()
        return AWAY
    return StreamingResponse(pieces(answer), answer.status_code, headers=told(answer))


@app.post("/v1/generations/{generation}/cancel")
async def cancel(user: User, generation: Generation) -> Response:
    """Stop an answer, if it is one of the user's."""
    found = await midstream.get(f"/v1/generations/{generation}")
    # What was asked for outside of a chat has no conversation.
    if found.is_success and (found.json()["conversation"] or "").startswith(conversation(user, "")):
        return passed(await midstream.post(f"/v1/generations/{generation}/cancel"))
    raise HTTPException(404)


AWAY = Response("retry: 1000\n\n", media_type="text/event-stream")
"""After an error an EventSource would give up; after the end of a stream it comes back."""


async def pieces(answer: httpx2.Response) -> AsyncIterator[bytes]:
    """Yields what comes, until either side leaves."""
    try:
        async for piece in answer.aiter_raw():
            yield piece
    except httpx2.TransportError:
        return  # cut: the browser comes back behind the last event that it has
    finally:
        await answer.aclose()


def passed(answer: httpx2.Response) -> Response:
    """Returns a whole answer as it came."""
    return Response(answer.content, answer.status_code, headers=told(answer))


def told(answer: httpx2.Response) -> dict[str, str]:
    """Returns those of its headers that a browser needs."""
    return {name: value for name, value in answer.headers.items() if name in PASSED}


@app.exception_handler(httpx2.TransportError)
async def unreachable(_: Request, __: Exception) -> Response:
    """Says that Midstream did not answer: the page may ask again with the same key."""
    problem = {"title": "The model cannot be reached. Try again."}
    return Response(json.dumps(problem), 503, {"Retry-After": "1"}, "application/problem+json")
