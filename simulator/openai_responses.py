"""OpenAI Responses: what a request says (API reference: "Create a model response")."""

from collections.abc import Sequence
from typing import Any, Final

from simulator.answer import Answer
from simulator.logprobs import alternatives
from simulator.openai_chat import OpenAIChat
from simulator.request import Request, RequestRefusedError, count_tokens, model_of, stream_of, text_of, token_limit
from simulator.responses_writer import ResponsesWriter
from simulator.tool_choice import tool_choice
from simulator.wire import Headers, bearer

CHAT: Final = OpenAIChat()

_SETTINGS: Final[dict[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
    "metadata": {},
}
"""What a response repeats of its request, and what it says where the request says nothing."""

LOGPROBS: Final = "message.output_text.logprobs"
"""What `include` says to have logprobs of a text."""


class OpenAIResponses:
    """Errors and the list of models are those of Chat."""

    name = "openai_responses"
    interleaves = False
    fragments = True
    extras = True

    def read(self, body: dict[str, Any], headers: dict[bytes, bytes]) -> Request:
        items = _items(body)
        users = [item for item in items if item.get("role") == "user"]
        texts = [text_of(body.get("instructions"))]
        for item in items:
            texts += (text_of(item.get(field)) for field in ("content", "arguments", "output"))
        tools = [tool for tool in body.get("tools") or () if isinstance(tool, dict)]
        return Request(
            model=model_of(body),
            stream=stream_of(body),
            last_user=text_of(users[-1].get("content")) if users else "",
            prompt_tokens=count_tokens(texts),
            max_tokens=token_limit(body, "max_output_tokens"),
            tools=tuple(str(tool["name"]) for tool in tools if tool.get("type") == "function" and "name" in tool),
            tool_choice=tool_choice(body.get("tool_choice")),
            after_tool=items[-1].get("type") == "function_call_output",
            background=_background(body),
            settings=_settings(body),
            logprobs=alternatives(LOGPROBS in (body.get("include") or ()), body.get("top_logprobs")),
            include=tuple(str(name) for name in body.get("include") or ()),
        )

    def key(self, headers: dict[bytes, bytes]) -> str:
        return bearer(headers)

    def write(self, request: Request, answer: Answer) -> ResponsesWriter:
        return ResponsesWriter(request, answer)

    def problem(self, refused: RequestRefusedError) -> tuple[bytes, Headers]:
        return CHAT.problem(refused)

    def models(self, names: Sequence[str]) -> bytes:
        return CHAT.models(names)


def _items(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The checked `input`, a string as one user message. Raises RequestRefusedError (400) for another shape."""
    previous = body.get("previous_response_id")
    if previous is not None:
        message = f"Previous response with id '{previous}' not found."
        raise RequestRefusedError(400, message, param="previous_response_id", code="previous_response_not_found")
    given = body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise RequestRefusedError(400, "input: a string, or a list of at least one item, is required", param="input")
    for n, item in enumerate(given):
        if not isinstance(item, dict) or not ("type" in item or isinstance(item.get("role"), str)):
            raise RequestRefusedError(
                400, f"input[{n}]: an object with a role or a type is required", param=f"input[{n}]"
            )
    return given


def _background(body: dict[str, Any]) -> bool:
    """Raises RequestRefusedError (400) for a background response not to be stored (guide: "Background mode")."""
    for name in ("background", "store"):
        if not isinstance(body.get(name), bool | None):
            raise RequestRefusedError(400, f"{name}: must be true or false", param=name)
    if body.get("background") and body.get("store") is False:
        message = "A background response needs 'store' to be true."
        raise RequestRefusedError(400, message, param="background", code="unsupported_parameter")
    return bool(body.get("background"))


def _settings(body: dict[str, Any]) -> dict[str, Any]:
    settings = {}
    for name, default in _SETTINGS.items():
        given = body.get(name)
        if isinstance(default, dict) and isinstance(given, dict):
            given = default | given
        settings[name] = default if given is None else given
    return settings
