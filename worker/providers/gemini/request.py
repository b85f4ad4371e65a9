"""A request in the shape of OpenAI Chat, as Gemini has it (API reference: `models.generateContent`)."""

import mimetypes
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from shared import strict_json
from shared.request.blank_texts import result_of
from shared.request.capabilities import gemini_version, lacks
from shared.request.data_url import data_of, is_data
from shared.request.generation_request import GenerationRequest
from shared.request.message_parts import FilePart, ImagePart, TextPart
from shared.request.messages import AssistantMessage, SystemMessage, ToolMessage
from shared.request.response_formats import SchemaFormat, TextFormat
from shared.request.tool_schemas import object_schema
from shared.request.tools import FunctionTool, NamedTool
from worker.providers.gemini.answer import answer_parts
from worker.providers.labels import tier_named
from worker.providers.provider import ProviderError

THINKING_TOKENS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 32_768}
"""Tokens of thinking for each `reasoning_effort`, on models with a budget; the middle ones are Google's own ("OpenAI
compatibility")."""

MAX_THINKING_TOKENS = {"pro": 32_768, "flash": 24_576}
"""Most tokens that a model's budget may have ("Gemini thinking")."""

TIERS = frozenset({"flex", "standard", "priority"})
"""The protocol's tiers ("Gemini API optimization and inference"); those of other providers are left out."""

_SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_tokens": "maxOutputTokens",
    "seed": "seed",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
}


def body(request: GenerationRequest, model: str) -> dict[str, Any]:
    """Returns the request as the protocol has it; the model is in its address.

    System and developer messages become the system instruction, wherever they stand. Raises ProviderError `bad_request`
    for what the protocol cannot say.
    """
    if missing := lacks(request.model_copy(update={"model": model}), "gemini"):
        raise ProviderError("bad_request", f"{missing[0].pointer} {missing[0].remedy}", retryable=False)
    fields: dict[str, Any] = {"contents": _contents(request, signed=(gemini_version(model) or (0, 0)) >= (3, 0))}
    instructions = [message for message in request.messages if isinstance(message, SystemMessage)]
    if system := [part for message in instructions for part in _parts(message.content)]:
        fields["systemInstruction"] = {"parts": system}
    if request.tools:
        fields["tools"] = [{"functionDeclarations": [_declaration(tool.function) for tool in request.tools]}]
        if (calling := _calling(request)) is not None:
            fields["toolConfig"] = {"functionCallingConfig": calling}
    if config := _config(request, model):
        fields["generationConfig"] = config
    if request.service_tier is not None and (tier := tier_named("standard", request.service_tier)) in TIERS:
        fields["serviceTier"] = tier
    return fields


def _config(request: GenerationRequest, model: str) -> dict[str, Any]:
    config = {_SAMPLING[name]: value for name, value in request.given(*_SAMPLING).items()}
    if request.stop is not None:
        config["stopSequences"] = [request.stop] if isinstance(request.stop, str) else request.stop
    asked = request.response_format
    if asked is not None and not isinstance(asked, TextFormat):
        config["responseMimeType"] = "application/json"
    if isinstance(asked, SchemaFormat):
        described = {} if asked.json_schema.description is None else {"description": asked.json_schema.description}
        # Its name is only for us, and it is always strict.
        config["responseJsonSchema"] = described | asked.json_schema.schema_
    if request.logprobs:
        config |= {"responseLogprobs": True} | ({"logprobs": request.top_logprobs} if request.top_logprobs else {})
    if (thinking := _thinking(request, model)) is not None:
        config["thinkingConfig"] = thinking
    return config


def _thinking(request: GenerationRequest, model: str) -> dict[str, Any] | None:
    """Returns how much to think. The models before Gemini 3 take a number of tokens, it and later ones a level too."""
    effort, version = request.reasoning_effort, gemini_version(model)
    if effort == "none":
        return {"thinkingBudget": 0}
    # What viewers see of it; without this the thoughts stay with the provider.
    shown = {"includeThoughts": True}
    if request.reasoning_budget is not None:
        return shown | {"thinkingBudget": request.reasoning_budget}
    if effort is None:
        return None
    if version is None or version >= (3, 0):
        return shown | {"thinkingLevel": effort.upper()}
    most = MAX_THINKING_TOKENS["pro" if "pro" in model else "flash"]
    return shown | {"thinkingBudget": min(THINKING_TOKENS[effort], most)}


def _declaration(function: FunctionTool) -> dict[str, Any]:
    fields = function.model_dump(include={"name", "description"}, exclude_none=True)
    schema = object_schema(function.parameters)
    # Without arguments it has none: an object without properties is one that the service may refuse.
    return fields if schema == object_schema(None) else fields | {"parametersJsonSchema": schema}


def _calling(request: GenerationRequest) -> dict[str, Any] | None:
    """Returns which functions may be called.

    `strict` is VALIDATED, for all of them; ANY holds to the schemas in any case.
    """
    choice = request.tool_choice
    if isinstance(choice, NamedTool):
        return {"mode": "ANY", "allowedFunctionNames": [choice.function.name]}
    if choice in ("none", "required"):
        return {"mode": "NONE" if choice == "none" else "ANY"}
    if any(tool.function.strict for tool in request.tools or ()):
        return {"mode": "VALIDATED"}
    return {"mode": "AUTO"} if choice == "auto" else None


def _contents(request: GenerationRequest, *, signed: bool) -> list[dict[str, Any]]:
    """Returns contents, user and model in turn: tool results are the user's, neighbours of one role are one content."""
    contents: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in request.messages:
        if isinstance(message, SystemMessage):
            continue
        if isinstance(message, AssistantMessage):
            role, parts = "model", answer_parts(message, signed=signed)
            names |= {call.id: call.function.name for call in message.tool_calls or ()}
        elif isinstance(message, ToolMessage):
            role, parts = "user", [_result(message, names[message.tool_call_id])]
        else:
            role, parts = "user", _parts(message.content)
        if not parts:
            continue
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    return contents


def _result(message: ToolMessage, name: str) -> dict[str, Any]:
    """Returns a tool's result: a JSON object as it is, any other as the `output` of one; what failed as its `error`.

    "If 'output' and 'error' keys are not specified, then whole 'response' is treated as function output" (API
    reference: `FunctionResponse`).
    """
    content = result_of(message)
    pieces = [] if isinstance(content, str) else content
    text = content if isinstance(content, str) else "".join(part.text for part in pieces if isinstance(part, TextPart))
    value = strict_json.read(text).value
    result: dict[str, Any] = {"id": message.tool_call_id, "name": name}
    if message.is_error:
        result["response"] = {"error": value if isinstance(value, dict) else text}
    else:
        result["response"] = value if isinstance(value, dict) else {"output": text}
    if images := [_data(piece.image_url.url) for piece in pieces if isinstance(piece, ImagePart)]:
        result["parts"] = images
    return {"functionResponse": result}


def _parts(content: str | Sequence[TextPart | ImagePart | FilePart]) -> list[dict[str, Any]]:
    """Returns text, images and files, and no empty texts, which the protocol refuses."""
    if isinstance(content, str):
        return [{"text": content}] if content else []
    parts: list[dict[str, Any]] = []
    for piece in content:
        if isinstance(piece, TextPart):
            parts += _parts(piece.text)
        elif isinstance(piece, ImagePart):
            parts.append(_data(piece.image_url.url))
        else:
            parts.append(_data(piece.file.file_data or piece.file.file_url or ""))
    return parts


def _data(url: str) -> dict[str, Any]:
    if is_data(url):
        data = data_of(url)
        return {"inlineData": {"mimeType": data.media_type, "data": data.base64}}
    media_type = mimetypes.guess_type(urlsplit(url).path)[0]
    return {"fileData": {"fileUri": url} | ({"mimeType": media_type} if media_type else {})}
