"""What a link shows: JSON, the page, the stream; and nothing of who asked, and what."""

from __future__ import annotations

import logging

import pytest

from api.serving.access_log import WithoutQuery, logger
from shared.sse_decoder import SseDecoder
from tests.api.access.signed_in import ANN, API_KEYS, bearer, share, token
from tests.api.harness import BODY, Api, MakeApi, Producer, whole

BROWSERS = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PRIVATE = {"metadata": {"ticket": "SECRET-METADATA"}, "messages": [{"role": "user", "content": "SECRET-PROMPT"}]}


@pytest.fixture
async def keyed(make_api: MakeApi, redis_url: str) -> Api:
    return await make_api(redis_url, api_keys=API_KEYS)


@pytest.fixture
async def said(keyed: Api) -> Producer:
    producer = await Producer.start(keyed.log, await keyed.post(BODY | PRIVATE, bearer(ANN)))
    await producer.say("Hi ", "there.")
    return producer


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html;q=0.5, application/json"])
async def test_programs_get_what_was_said_and_no_more(keyed: Api, said: Producer, accept: str | None) -> None:
    link = await share(keyed, said.generation_id, bearer(ANN))
    answer = await keyed.client.get(link["path"], headers={} if accept is None else {"Accept": accept})
    shown = answer.json()
    assert (shown["text"], shown["state"], shown["model"]) == ("Hi there.", "running", "simulator/lorem")
    assert shown["links"] == {"self": link["path"], "events": f"{link['path']}/events"}
    assert shown["last_event_id"] == str(said.last)
    for private in ("SECRET", "ann", "metadata", "messages"):
        assert private not in answer.text
    await said.complete()
    ended = (await keyed.client.get(link["path"])).json()
    assert (ended["state"], ended["finish_reason"], ended["usage"]["output_tokens"]) == ("completed", "stop", 7)
    head = await keyed.client.head(link["path"])
    assert (head.status_code, head.content) == (200, b"")


async def test_browsers_get_the_page(keyed: Api, said: Producer) -> None:
    link = await share(keyed, said.generation_id, bearer(ANN))
    front = await keyed.client.get("/")
    for path, status in ((link["path"], 200), ("/s/" + "a" * 32, 404), ("/s/x", 404)):
        answer = await keyed.client.get(path, headers={"Accept": BROWSERS})
        assert (answer.status_code, answer.text) == (status, front.text)
        assert answer.headers["content-security-policy"] == front.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["vary"] == "Accept, Accept-Encoding"
    await keyed.client.delete(f"/v1/generations/{said.generation_id}", headers=bearer(ANN))
    assert (await keyed.client.get(link["path"], headers={"Accept": BROWSERS})).status_code == 410


async def test_its_stream_is_the_generations_and_goes_on_after_a_cursor(keyed: Api, said: Producer) -> None:
    link = await share(keyed, said.generation_id, bearer(ANN))
    await said.complete()
    native = [message.id for message in await whole(keyed.log, said.generation_id)]
    for asks, expected in (({}, native), ({"Last-Event-ID": native[1]}, native[2:])):
        answer = await keyed.client.get(f"{link['path']}/events", headers=asks)  # type: ignore[arg-type]
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert [event.id for event in SseDecoder().feed(answer.content) if event.id] == expected
    assert (
        await keyed.client.get(f"{link['path']}/events", headers={"Last-Event-ID": str(said.last)})
    ).status_code == 204
    by_query = await keyed.client.get(f"{link['path']}/events?last_event_id={said.last}")
    assert by_query.status_code == 204
    assert (await keyed.client.head(f"{link['path']}/events")).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_it_can_only_be_read(keyed: Api, said: Producer, method: str) -> None:
    link = await share(keyed, said.generation_id, bearer(ANN))
    for path in (link["path"], f"{link['path']}/events"):
        answer = await keyed.client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_no_log_line_has_a_link_or_a_token(
    keyed: Api, said: Producer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    without = WithoutQuery()
    logger.addFilter(without)
    try:
        link = await share(keyed, said.generation_id, bearer(ANN))
        made = await token(keyed, said.generation_id, bearer(ANN))
        await said.complete()
        for path in (
            link["path"],
            f"{link['path']}/events",
            f"/v1/generations/{said.generation_id}/events?token={made}",
        ):
            assert (await keyed.client.get(path)).status_code == 200
        monkeypatch.setattr("api.routes.shared.as_it_stands", None)
        assert (await keyed.client.get(link["path"])).status_code == 500
    finally:
        logger.removeFilter(without)
    lines = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    assert sum("/s/…" in line for line in lines) >= 3
    for line in lines:
        assert link["path"].removeprefix("/s/") not in line
        assert made not in line
