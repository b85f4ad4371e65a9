"""Follows streams with one package of PyPI: `python python_clients.py CLIENT < tasks`, a line of JSON each.

Run by `tests.judges.clients` in an environment that has the packages; it says what `node/clients.mjs` says.
"""

# mypy: disable-error-code="import-not-found, import-untyped, unused-ignore, no-any-return, no-untyped-call"
from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any

ENDS = ("completed", "failed", "cancelled")
OUT, sys.stdout = sys.stdout, sys.stderr
"""`sseclient` prints its errors."""
WRITING = threading.Lock()
Event = tuple[str, str, str]
Opened = tuple[int, Iterable[Event]]


def blocks(lines: Iterable[str]) -> Iterator[Event]:
    """What a program makes of lines by itself."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            yield fields.get("id", ""), fields.get("event", "message"), fields["data"]
            fields = {}


def with_sseclient_py(url: str, headers: dict[str, str]) -> Opened:
    import requests
    import sseclient

    response = requests.get(url, headers=headers, stream=True, timeout=20)
    events = sseclient.SSEClient(response).events()
    return response.status_code, ((event.id or "", event.event, event.data) for event in events)


def with_httpx_sse(url: str, headers: dict[str, str]) -> Opened:
    import httpx
    import httpx_sse

    client = httpx.Client(timeout=20, trust_env=False)
    response = client.send(client.build_request("GET", url, headers=headers), stream=True)
    if response.status_code == 204:
        return 204, ()
    events = httpx_sse.EventSource(response).iter_sse()
    return 200, ((event.id, event.event, event.data) for event in events)


def with_requests(url: str, headers: dict[str, str]) -> Opened:
    import requests

    response = requests.get(url, headers=headers, stream=True, timeout=20)
    return response.status_code, blocks(line.decode() for line in response.iter_lines())


def with_urllib(url: str, headers: dict[str, str]) -> Opened:
    response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20)
    return response.status, blocks(line.decode().rstrip("\n") for line in response)


PARSERS = {
    "sseclient-py": with_sseclient_py,
    "httpx-sse": with_httpx_sse,
    "requests": with_requests,
    "urllib": with_urllib,
}
"""These only parse: the loop and the cursor are ours, as docs/protocol.md tells them."""


def parse(opener: Callable[[str, dict[str, str]], Opened], url: str, take: Callable[[Event], bool]) -> bool:
    """True where the server says that there is no more."""
    cursor = ""
    while True:
        try:
            status, events = opener(url, {"Last-Event-ID": cursor} if cursor else {})
            if status == 204:
                return True
            for event in events:
                cursor = event[0] or cursor
                if take(event):
                    return False
        except Exception:  # each package has its own for a lost connection
            time.sleep(0.2)


def sseclient(url: str, take: Callable[[Event], bool]) -> bool:
    """PyPI's `sseclient`, which reconnects by itself."""
    import sseclient

    try:
        for event in sseclient.SSEClient(url, timeout=20):
            if take((event.id or "", event.event, event.data)):
                return False
    except Exception:  # at 204 it looks for an encoding
        return True
    return True


async def aiohttp(url: str, take: Callable[[Event], bool]) -> bool:
    """aiohttp-sse-client2: it reconnects after an end, and raises where the connection breaks; then we do."""
    from aiohttp_sse_client2 import client

    cursor = ""
    while True:
        try:
            headers = {"Last-Event-ID": cursor} if cursor else {}
            async with client.EventSource(url, headers=headers, timeout=20) as source:
                async for event in source:
                    cursor = event.last_event_id or cursor
                    if take((event.last_event_id, event.type, event.data)):
                        return False
        except ConnectionAbortedError:  # "wrong response status: 204"
            return True
        except Exception:  # aiohttp's own for a lost connection
            await asyncio.sleep(0.2)


def follow(name: str, task: dict[str, Any]) -> None:
    """One line of what came of the task."""
    events: list[Event] = []
    done = threading.Event()
    result: list[bool] = []

    def take(event: Event) -> bool:
        events.append(event)
        return event[1] in ENDS and not task["stays"]

    def run() -> None:
        if name == "aiohttp-sse-client2":
            result.append(asyncio.run(aiohttp(task["url"], take)))
        elif name == "sseclient":
            result.append(sseclient(task["url"], take))
        else:
            result.append(parse(PARSERS[name], task["url"], take))
        done.set()

    threading.Thread(target=run, daemon=True).start()
    done.wait(task["seconds"])
    with WRITING:
        print(json.dumps({"name": task["name"], "events": events, "itself": result == [True]}), file=OUT, flush=True)


def main() -> None:
    """Each task at once, on a thread of its own."""
    threads = []
    for line in sys.stdin:
        threads.append(threading.Thread(target=follow, args=(sys.argv[1], json.loads(line))))
        threads[-1].start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
