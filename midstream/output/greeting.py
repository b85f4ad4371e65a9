"""What `midstream up` prints when all of it is ready: where it is, and a first command to try."""

import asyncio
import json
import shlex
from pathlib import Path
from typing import Any

import httpx2

from midstream.processes.subprocess import Subprocess, say
from midstream.program import typed
from shared.config.proxies import configured
from shared.config.settings import Settings
from shared.process import json_lines

READY_TIMEOUT_S = 2.0
READY_POLL_S = 0.05
READY_REMINDER_S = 15.0


async def greet(
    settings: Settings, base: str, data_dir: Path, simulator: Subprocess | None, simulator_url: str
) -> None:
    """Waits until a POST to the API at `base` would be answered at once, and says so on stdout.

    Children that report themselves ready have done so before. `simulator` is the one that was started here, at
    `simulator_url`; None where there is none.
    """
    # trust_env: a proxy from the environment has no business with our own loopback.
    async with httpx2.AsyncClient(timeout=READY_TIMEOUT_S, trust_env=False) as client:
        if simulator is not None:
            await _answers(client, f"{simulator_url}/livez")
            simulator.ready.set()
        await _answers(client, f"{base}/readyz")
        key = next(iter(settings.key_owners()), None)
        models = await _models(client, base, key) if key or settings.open_to_all else _unasked(settings)
    lines = [f"Midstream is ready at {base}  (data in {data_dir}, Ctrl-C ends it)"]
    if models["simulated"]:
        lines.append(
            "No provider key is set, so the simulator answers: set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY."
        )
    model = next((str(model["id"]) for model in models["data"] if model["default"]), "PROVIDER/MODEL")
    if settings.keys == "redis":
        lines.append(f"Make a key: {typed('keys', 'create', 'OWNER', '--data-dir', str(data_dir))}")
    lines += ["", "See an answer stream:", f"  {curl(settings, base, model)}"]
    if json_lines.wanted():
        say(lines[0])
    else:
        print("\n".join(lines), flush=True)


async def _models(client: httpx2.AsyncClient, base: str, key: str | None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = await client.get(f"{base}/v1/models", headers=headers)
        listing: dict[str, Any] = answer.raise_for_status().json()
    except httpx2.HTTPError as error:
        say(f"cannot ask {base}/v1/models for a model ({type(error).__name__})")
        return {"data": [], "simulated": False}
    return listing


def _unasked(settings: Settings) -> dict[str, Any]:
    """Returns what the settings alone say of models, where this process has no key to ask with."""
    name = settings.default_model or next(iter(settings.models), None)
    return {"data": [{"id": name, "default": True}] if name else [], "simulated": False}


async def all_ready(children: list[Subprocess], *, reminder_s: float = READY_REMINDER_S) -> None:
    """Waits until each child has said that it is ready, and names those that take long."""
    while waiting := [child for child in children if not child.ready.is_set()]:
        tasks = [asyncio.create_task(child.ready.wait()) for child in waiting]
        _, late = await asyncio.wait(tasks, timeout=reminder_s)
        for task in late:
            task.cancel()
        if late:
            names = ", ".join(child.name for child in waiting if not child.ready.is_set())
            say(f"still waiting for {names} to come to work")


async def _answers(client: httpx2.AsyncClient, url: str) -> None:
    """Waits until a GET of `url` is answered by 200, and says so where it takes long."""
    clock = asyncio.get_running_loop().time
    remind = clock() + READY_REMINDER_S
    while True:
        try:
            answer = f"answers {(await client.get(url)).status_code}"
            if answer.endswith("200"):
                return
        except httpx2.HTTPError as error:
            answer = f"does not answer ({type(error).__name__})"
        if clock() > remind:
            say(f"still waiting: {url} {answer}")
            remind += READY_REMINDER_S
        await asyncio.sleep(READY_POLL_S)


def curl(settings: Settings, base: str, model: str) -> str:
    """Returns a command that shows an answer of this model as it streams."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
    # The key itself stays out of terminals and their logs.
    key = ' -H "Authorization: Bearer $KEY"' if not settings.open_to_all else ""
    # curl would ask its proxy for this machine, too.
    direct = "" if configured("http") is None else " --noproxy '*'"
    return (
        f"curl -N{direct} {base}/v1/generations{key} -H 'Accept: text/event-stream' "
        f"-H 'Content-Type: application/json' -d {shlex.quote(body)}"
    )
