"""Metrics of real processes: what they say is what was done, and nothing of who asked what."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.harness.metrics import PORT, Scrape, scrape, scraped
from tests.harness.processes import Stack
from tests.harness.repository import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOREM = "simulator/lorem"
PATIENT = 3
"""Generations that one worker runs at a time."""
KEY, OTHER_KEY = "canary-key-0123456789", "canary-key-of-the-other"
OWNER = "canaryowner"
PROMPT = "canary prompt"
CANARIES = ("canary", "gen_")
ALERTS = (ROOT / "deploy/prometheus/alerts.yaml").read_text(encoding="utf-8")
DASHBOARD = (ROOT / "deploy/grafana/midstream.json").read_text(encoding="utf-8")


class Caller:
    """Asks one stack's first API as one owner."""

    def __init__(self, stack: Stack) -> None:
        self.url = stack.apis[0].url
        self.http = httpx2.AsyncClient(
            base_url=self.url, trust_env=False, timeout=40, headers={"Authorization": f"Bearer {KEY}"}
        )

    async def watched(self, parameters: str, model: str = LOREM) -> tuple[str, list[str], dict[str, Any]]:
        """A generation that is watched to its end: its id, the ids of its events, and the end."""
        answer = await self.post(parameters, model, headers={"Accept": "text/event-stream"})
        assert answer.status_code == 200, answer.text
        end = json.loads(re.findall(r"^data: (.*)$", answer.text, re.MULTILINE)[-1])
        return re.findall(r"gen_\w+", answer.text)[0], re.findall(r"^id: (\S+)$", answer.text, re.MULTILINE), end

    async def post(self, parameters: str, model: str = LOREM, **options: Any) -> httpx2.Response:
        body = {"model": f"{model}?{parameters}", "messages": [{"role": "user", "content": PROMPT}]}
        return await self.http.post("/v1/generations", json=body, **options)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two APIs, one worker; the simulator costs something."""
    environment = {
        "MIDSTREAM_METRICS_PORT": "0",
        "MIDSTREAM_API_KEYS": f"{OWNER}:{KEY},canaryother:{OTHER_KEY}",
        "MIDSTREAM_CONCURRENCY": str(PATIENT),
        "MIDSTREAM_MAX_PENDING": "8",
        "MIDSTREAM_MAX_SHARE": "1",
        "MIDSTREAM_PRICES": json.dumps({"simulator/*": {"input": "1", "output": "2.5"}}),
    }
    async with Stack(tmp_path_factory.mktemp("metrics"), apis=2, environment=environment) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller(stack: Stack) -> AsyncIterator[Caller]:
    asking = Caller(stack)
    yield asking
    await asking.http.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def done(stack: Stack, caller: Caller) -> dict[str, Any]:
    """What was done: four that complete, one of them at the second try, two that fail, one that is cancelled."""
    ends = []
    for _ in range(3):
        generation_id, ids, end = await caller.watched("deltas=40&rate=40")
        ends.append(end)
    ends.append((await caller.watched("deltas=4&rate=0&fault=529&times=1"))[2])
    for _ in range(2):
        ends.append((await caller.watched("", model="simulator/canarymodel"))[2])
    running = (await caller.post("rate=20")).json()["id"]
    async with caller.http.stream("GET", f"/v1/generations/{running}/events") as stream:
        async for line in stream.aiter_lines():
            if line == "event: delta":
                break
    cancelled = await caller.http.post(
        f"/v1/generations/{running}/cancel", headers={"Content-Type": "application/json"}
    )
    assert cancelled.json()["state"] == "cancelled"
    snapshot = (await caller.http.get(f"/v1/generations/{running}")).json()
    for _ in range(2):
        resumed = await caller.http.get(f"/v1/generations/{generation_id}/events", headers={"Last-Event-ID": ids[3]})
        assert resumed.status_code == 200
    usage = [end["usage"] for end in (*ends, snapshot) if end.get("usage")]
    costs = [Decimal(end["cost"]["amount"]) for end in (*ends, snapshot) if end.get("cost")]
    return {"usage": usage, "cost": sum(costs)}


async def test_a_worker_says_what_it_did(stack: Stack, done: dict[str, Any]) -> None:
    said = await scraped(stack.workers[0], "midstream_generations_total", 7)
    assert said("midstream_generations_total", state="completed", model=LOREM) == 4
    assert said("midstream_generations_total", state="cancelled", model=LOREM) == 1
    assert said("midstream_generations_total", state="failed", model="other") == 2, "a name that nobody knows"
    assert said("midstream_attempts_total", reason="new") == 7 == said.sum("midstream_attempts_total")
    assert said("midstream_provider_errors_total", provider="simulator", code="not_found") == 2
    assert said("midstream_provider_errors_total", provider="simulator", code="overloaded") == 1
    assert said.sum("midstream_provider_errors_total") == 3
    assert said("midstream_queue_wait_seconds_count") == 7
    assert said("midstream_time_to_first_token_seconds_count", model=LOREM) == 5
    for kind in ("input", "output"):
        expected = sum(usage[f"{kind}_tokens"] for usage in done["usage"])
        assert said("midstream_tokens_total", kind=kind, model=LOREM) == expected > 0
    assert said("midstream_cost_usd_total", model=LOREM) == pytest.approx(float(done["cost"]))
    assert float(done["cost"]) > 0
    # At most each delta after the first is a piece of its own; some come together.
    pieces = said("midstream_time_per_output_chunk_seconds_count")
    assert pieces is not None
    assert 3 <= pieces <= 3 * 39 + 3 + 40
    assert said("midstream_append_seconds_count") == said("midstream_append_seconds_bucket", le="+Inf")
    for gauge in ("midstream_generations_running", "midstream_leases"):
        assert said(gauge) == 0, gauge
    assert said.sum("midstream_redis_seconds_count", redis="logs") > 7


async def test_an_api_says_what_it_answered(stack: Stack, done: dict[str, Any]) -> None:
    said = await scrape(stack.apis[0])
    answers = {
        ("POST", "/v1/generations", "200"): 6,
        ("POST", "/v1/generations", "202"): 1,
        ("POST", "/v1/generations/{id}/cancel", "200"): 1,
        ("GET", "/v1/generations/{id}", "200"): 1,
        ("GET", "/v1/generations/{id}/events", "200"): 3,
    }
    for (method, route, status), count in answers.items():
        found = said("midstream_http_requests_total", method=method, route=route, status=status)
        assert found == count, (method, route, status)
    own = said.sum("midstream_http_requests_total") - said.sum("midstream_http_requests_total", route="/livez")
    assert own == sum(answers.values())
    assert said("midstream_resumes_total") == 2
    assert said.sum("midstream_viewers_cut_total") == 0
    assert said("midstream_queue_depth") == 0
    sent = said("midstream_append_to_send_seconds_count")
    assert sent is not None
    assert sent > 0, "of one delta in 16, though under load several become one"


async def test_what_is_refused_before_its_route_counts_too(stack: Stack, done: dict[str, Any]) -> None:
    api = stack.apis[1]
    async with httpx2.AsyncClient(trust_env=False, base_url=api.url) as nobody:
        assert (await nobody.get("/v1/generations")).status_code == 401
        assert (await nobody.get("/canary/gen_x")).status_code == 404
        assert (await nobody.request("PATCH", "/v1/generations")).status_code == 405
        assert (await nobody.request("CANARY", "/v1/generations")).status_code == 501
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(b"canary\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()
    said = await scrape(api)
    for labels in (
        {"method": "GET", "route": "/v1/generations", "status": "401"},
        {"method": "GET", "route": "other", "status": "404"},
        {"method": "PATCH", "route": "/v1/generations", "status": "405"},
        {"method": "refused", "route": "refused", "status": "501"},
        {"method": "refused", "route": "refused", "status": "400"},
    ):
        assert said("midstream_http_requests_total", **labels) == 1, labels


async def test_what_runs_waits_and_is_refused_now(stack: Stack, caller: Caller, done: dict[str, Any]) -> None:
    posts = [await caller.post("rate=1") for _ in range(8)]
    assert [post.status_code for post in posts] == [202] * 8
    ids = [post.json()["id"] for post in posts]
    running = await scraped(stack.workers[0], "midstream_generations_running", PATIENT)
    assert running("midstream_leases") == PATIENT
    for api in stack.apis:
        assert (await scrape(api))("midstream_queue_depth") == 8 - PATIENT, "each node says the whole queue"
    for _ in range(2):
        assert (await caller.post("")).status_code == 429
    streams = [caller.http.stream("GET", f"/v1/generations/{ids[0]}/events") for _ in range(2)]
    for stream in streams:
        assert (await stream.__aenter__()).status_code == 200
    said = await scraped(stack.apis[0], "midstream_viewers", 2)
    assert said("midstream_limited_total", code="queue_full") == 2
    for stream in streams:
        await stream.__aexit__(None, None, None)
    # First those that wait, as another would be taken for each that no longer runs.
    for generation_id in reversed(ids):
        await caller.http.delete(f"/v1/generations/{generation_id}")
    worker = await scraped(stack.workers[0], "midstream_generations_total", PATIENT, state="deleted")
    assert worker.sum("midstream_generations_total", state="completed") == 4


async def test_nothing_of_who_asked_what_is_in_it(stack: Stack, done: dict[str, Any]) -> None:
    for process in (*stack.apis, *stack.workers):
        text = (await scrape(process)).text
        assert "midstream_" in text
        assert not [canary for canary in CANARIES if canary in text.lower()], process.name


async def test_alerts_and_dashboard_name_only_what_is_served(stack: Stack, done: dict[str, Any]) -> None:
    served = await names(stack)
    for text in (ALERTS, DASHBOARD):
        used = set(re.findall(r"\bmidstream_\w+", text))
        assert len(used) > 8
        assert used <= served


async def names(stack: Stack) -> set[str]:
    """The samples that both serve."""
    scrapes: list[Scrape] = [await scrape(process) for process in (stack.apis[0], stack.workers[0])]
    return {name for said in scrapes for name, _ in said.samples}


async def test_owners_are_named_where_the_operator_says_so(tmp_path: Path) -> None:
    environment = {
        "MIDSTREAM_METRICS_PORT": "0",
        "MIDSTREAM_METRICS_OWNERS": "true",
        "MIDSTREAM_API_KEYS": f"{OWNER}:{KEY}",
        "MIDSTREAM_MAX_PENDING": "1",
    }
    async with Stack(tmp_path / "stack", environment=environment) as stack:
        caller = Caller(stack)
        await caller.watched("deltas=2&rate=0")
        said = await scraped(stack.workers[0], "midstream_generations_total", 1)
        assert said("midstream_generations_total", state="completed", model=LOREM, owner=OWNER) == 1
        assert said("midstream_tokens_total", kind="output", model=LOREM, owner=OWNER) == 2
        assert (await caller.post("rate=1")).status_code == 202
        assert (await caller.post("")).status_code == 429
        api = await scrape(stack.apis[0])
        assert api("midstream_limited_total", code="queue_full", owner=OWNER) == 1
        await caller.http.aclose()


async def test_scrapers_that_hang_disturb_nobody(stack: Stack, caller: Caller, done: dict[str, Any]) -> None:
    hanging = []
    for process in (stack.apis[0], stack.workers[0]):
        port = int((await process.said(PORT))[1])
        for number in range(40):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            # Some do not ask to the end, and some do not read.
            writer.write(b"GET /metrics HTTP/1.1\r\n" + b"\r\n" * (number % 2))
            hanging.append((reader, writer))
    _, ids, end = await caller.watched("deltas=20&rate=200")
    assert end["usage"]["output_tokens"] == 20
    assert len(ids) > 3
    async with asyncio.timeout(40):
        for reader, writer in hanging:
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
    assert (await scrape(stack.workers[0])).samples
