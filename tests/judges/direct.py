"""One question put to llama-server itself, in each protocol: what it answers whole, to compare its streams with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: its text, its tokens, and why it ended, where the protocol's server says so."""

    text: str
    input_tokens: int
    output_tokens: int
    reason: str | None


async def chat(http: httpx2.AsyncClient, server: str, prompt: str, max_tokens: int, **options: Any) -> Said:
    """Chat Completions."""
    messages = [{"role": "user", "content": prompt}]
    body = {"model": "tiny", "messages": messages, "max_tokens": max_tokens} | options
    said = (await http.post(f"{server}/v1/chat/completions", json=body)).raise_for_status().json()
    (choice,), usage = said["choices"], said["usage"]
    text, reason = choice["message"]["content"], choice["finish_reason"]
    return Said(text, usage["prompt_tokens"], usage["completion_tokens"], reason)


async def responses(http: httpx2.AsyncClient, server: str, prompt: str, max_tokens: int, **options: Any) -> Said:
    """Responses. This server says `completed` where the tokens ran out."""
    question = [{"role": "user", "content": prompt}]
    body = {"model": "tiny", "input": question, "max_output_tokens": max_tokens} | options
    said = (await http.post(f"{server}/v1/responses", json=body)).raise_for_status().json()
    ((part,),) = (item["content"] for item in said["output"])
    usage = said["usage"]
    return Said(part["text"], usage["input_tokens"], usage["output_tokens"], None)


async def messages(http: httpx2.AsyncClient, server: str, prompt: str, max_tokens: int, **options: Any) -> Said:
    """Anthropic Messages."""
    question = [{"role": "user", "content": prompt}]
    body = {"model": "tiny", "messages": question, "max_tokens": max_tokens} | options
    said = (await http.post(f"{server}/v1/messages", json=body)).raise_for_status().json()
    (block,), usage = said["content"], said["usage"]
    return Said(block["text"], usage["input_tokens"], usage["output_tokens"], said["stop_reason"])
