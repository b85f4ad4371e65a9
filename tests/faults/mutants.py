"""Are the tests able to fail? Removes one guard at a time from a copy of the tree, and sees who notices.

`python -m tests.faults.mutants [NAME …]` prints a table: mutant, and the first stage that caught it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from midstream.processes.parent_death import ending_with_parent
from tests.harness.repository import ROOT

COPIED = ("api", "bench", "docs", "midstream", "shared", "simulator", "tests", "worker", "pyproject.toml")
TIMEOUT = 400.0

PYTEST = ("-m", "pytest", "-x", "-q", "-rfE", "-p", "no:cacheprovider")
NAMED = ("worker_faults", "redis_faults", "api_faults")
TELLING = ("frames", "broadcast", "tail", "watched_log", "projection", "replayer", "replay_pages")
CHAOS = ("-m", "tests.chaos", "--lease", "2", "--pace", "2", "--running", "8")
STAGES: dict[str, tuple[str, ...]] = {
    "contract": (*PYTEST, "tests/contract", "-k", "not redis7"),
    "writer": (*PYTEST, "tests/worker/writing/test_writer.py"),
    "appender": (*PYTEST, "tests/worker/writing/test_appender.py"),
    "settler": (*PYTEST, "tests/worker/maintenance/test_settler.py"),
    "clock": (*PYTEST, "tests/shared/storage/test_clock.py"),
    "hold-off": (*PYTEST, "tests/worker/leasing/test_hold_off.py"),
    "interrupts": (*PYTEST, "tests/worker/running/test_cancel_listener.py"),
    "newer": (*PYTEST, "tests/worker/requests/test_newer_requests.py"),
    "promises": (*PYTEST, "tests/api/test_unsynced.py"),
    "machine": (*PYTEST, "tests/shared/log/test_log_machine.py"),
    "durability": (*PYTEST, "tests/shared/storage/test_disk_sync.py", "-k", "not redis7"),
    "guards": (*PYTEST, "tests/faults/test_guards.py"),
    "bill": (*PYTEST, "tests/worker/billing/test_bill.py"),
    "cache": (*PYTEST, "tests/worker/cache"),
    "generate": (
        *PYTEST,
        *(f"tests/worker/running/test_{n}.py" for n in ("running_generations", "generation_run", "attempt_claims")),
    ),
    "policy": (*PYTEST, "tests/worker/running/test_retry_policy.py"),
    "ends there": (*PYTEST, "tests/worker/running/test_generation_end.py"),
    "sweeper": (*PYTEST, "tests/worker/maintenance/test_sweeper.py"),
    "recovery": (*PYTEST, "tests/worker/maintenance/test_recovery.py"),
    "circuits": (*PYTEST, "tests/worker/running/test_circuits.py"),
    "memory": (
        *PYTEST,
        "tests/worker/running/test_memory.py",
        "tests/worker/requests/test_kept_request.py",
        "tests/worker/running/test_provider_call.py",
    ),
    "prices": (*PYTEST, "tests/worker/billing/test_prices.py"),
    "nesting": (*PYTEST, "tests/shared/request/test_nesting.py"),
    "bodies": (*PYTEST, "tests/api/intake/test_body_errors.py"),
    "text": (
        *PYTEST,
        "tests/shared/test_one_line.py",
        "tests/shared/process/test_telemetry.py",
        "tests/shared/request/test_json_fields.py",
        "tests/shared/request/test_message_parts.py",
    ),
    "owners": (
        *PYTEST,
        "tests/worker/running/test_circuits.py",
        "tests/worker/providers/test_refusals.py",
        "tests/worker/providers/openai_responses/test_adapter.py",
        "tests/worker/providers/test_http_client.py",
    ),
    "aside": (*PYTEST, "tests/shared/process/test_background_thread.py"),
    "browsers": (*PYTEST, "tests/api/access", "tests/api/test_app.py"),
    "folders": (*PYTEST, "tests/shared/config/test_file_ownership.py", "tests/shared/config/test_announcement.py"),
    "following": (*PYTEST, *(f"tests/api/viewing/test_{name}.py" for name in ("known_log", "log_follower"))),
    "telling": (
        *PYTEST,
        *(f"tests/api/viewing/test_{name}.py" for name in TELLING),
    ),
    "events": (
        *PYTEST,
        "tests/shared/log/test_events.py",
        "tests/api/dialects/native/test_events.py",
        "tests/api/viewing/test_event_stream.py",
    ),
    "hub": (*PYTEST, "tests/api/viewing/test_hub.py", "tests/api/viewing/test_viewer.py"),
    "connection": (*PYTEST, "tests/api/viewing/test_connection.py"),
    "deep": (*PYTEST, "tests/worker/providers/test_deep.py"),
    "heads": (
        *PYTEST,
        "tests/api/serving/test_request_head.py",
        "tests/api/serving/test_framing.py",
        "tests/api/intake/test_accept_header.py",
    ),
    "wire": (*PYTEST, "tests/api/serving/test_uvicorn_protocol.py"),
    "certificate": (*PYTEST, "tests/api/serving/test_certificate.py"),
    "routes": (*PYTEST, "tests/api/routes/test_generations.py"),
    "watchdog": (*PYTEST, "tests/worker/providers/test_watchdog.py"),
    "ends": (*PYTEST, "tests/worker/providers/test_finish_reasons.py"),
    "odd": (*PYTEST, "tests/worker/providers/test_answer_reading.py", "tests/worker/providers/test_lenient_json.py"),
    "counts": (*PYTEST, "tests/worker/providers/test_token_counts.py"),
    "transport": (*PYTEST, *(f"tests/worker/providers/test_{name}.py" for name in ("transport", "http_client"))),
    "versions": (
        *PYTEST,
        "tests/worker/providers/anthropic/test_adapter.py",
        "tests/simulator/test_anthropic_version.py",
    ),
    "worker": (*PYTEST, "tests/worker"),
    "api": (*PYTEST, "tests/api"),
    "command line": (
        *PYTEST,
        *(f"tests/midstream/output/test_{name}.py" for name in ("answer", "part", "table", "files")),
        "tests/midstream/test_standard_streams.py",
    ),
    "page": (*PYTEST, "tests/mended/test_page.py"),
    "settings": (
        *PYTEST,
        *(f"tests/shared/config/test_{name}.py" for name in ("settings", "variables", "value_checks")),
    ),
    "checker": (*PYTEST, "tests/chaos/test_checker.py", "tests/chaos/test_dialect_rules.py"),
    "server": (*PYTEST, "tests/faults/test_server.py"),
    "waiting": (
        *PYTEST,
        *(f"tests/contract/test_{name}.py" for name in ("deadlines", "outage", "workers")),
        "tests/api/test_queued_deadlines.py",
        "tests/api/routes/test_storage.py",
        "tests/worker/running/test_log_lines.py",
        "tests/worker/leasing/test_waiting.py",
        "-k",
        "not redis7",
    ),
    "redis": (*PYTEST, "tests/shared/storage", "-k", "not redis7"),
    "health": (*PYTEST, "tests/api/routes/test_health.py"),
    "retries": (
        *PYTEST,
        *(f"tests/contract/test_{name}.py" for name in ("askers", "joining")),
        *(f"tests/api/intake/test_{name}.py" for name in ("asker_notes", "heartbeat", "retries")),
        "-k",
        "not redis7",
    ),
    "dialects": (*PYTEST, "tests/api/exchange"),
    "addresses": (*PYTEST, "tests/shared/config/test_redis_url.py", "tests/shared/process/test_ending_signals.py"),
    "descriptors": (
        *PYTEST,
        "tests/shared/process/test_file_descriptors.py",
        "tests/worker/providers/test_stream.py",
        "-k",
        "descriptor or limit or fit or lack or name",
    ),
    "redis user": (
        *PYTEST,
        "tests/contract/test_permissions.py",
        "tests/shared/permissions",
        "tests/worker/leasing/test_wake_ups.py",
        "tests/worker/test_permissions.py",
        "-k",
        "not redis7",
    ),
    "embedded": (
        *PYTEST,
        "tests/midstream/processes/test_unix_socket.py",
        "tests/midstream/processes/test_valkey.py",
        "tests/midstream/commands/test_repair.py",
        "-k",
        "not redis7 and not debian",
    ),
    "doctor": (*PYTEST, "tests/midstream/commands/test_doctor.py", "tests/midstream/checks"),
    "named": (*PYTEST, *(f"tests/faults/test_{name}.py" for name in ("smoke", *NAMED))),
    "dialect faults": (*PYTEST, "tests/faults/test_dialect_faults.py", "-k", "retry or clients or retries"),
    "chaos": (*CHAOS, "--seconds", "45", "--seed", "1"),
    "chaos dialects": (
        *("-m", "tests.chaos", "--seconds", "30", "--seed", "3", "--pace", "0.7", "--running", "8"),
        *("--faults", "worker_kill,worker_term,api_kill,api_term,way_reset"),
    ),
    "chaos tail": (*CHAOS, "--seconds", "45", "--seed", "5", "--faults", "redis_kill", "--cut-aof"),
    "chaos pause": (*CHAOS, "--seconds", "45", "--seed", "7", "--faults", "worker_pause,way_black_hole"),
}
"""Cheapest first. A stage that fails has caught the mutant."""


@dataclass(frozen=True)
class Edit:
    """Text of one file that stands there exactly once, and what stands there instead."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """Midstream without one guard; `stages` are tried first, then all others."""

    name: str
    edits: tuple[Edit, ...]
    stages: tuple[str, ...] = ("contract", "writer", "machine")


def _one(name: str, file: str, old: str, new: str, *stages: str) -> Mutant:
    return Mutant(name, (Edit(file, old, new),), stages or Mutant.stages)


STREAMS, PAGE = "midstream/standard_streams.py", "api/web/app.js"
APPEND, CLAIM = "shared/log/append.lua", "shared/log/claim.lua"
DURABILITY, TAKE = "shared/storage/disk_sync.py", "shared/queue/take.lua"
FINISH, READING, STREAM, WATCHDOG = (
    "worker/providers/finish_reasons.py",
    "worker/providers/answer_reading.py",
    "worker/providers/stream.py",
    "worker/providers/watchdog.py",
)
TRANSPORT = "worker/providers/transport.py"
QUEUE_WORKER, WAKE_UPS = "worker/leasing/queue_worker.py", "worker/leasing/wake_ups.py"
PERMISSIONS, REDIS_URL, DESCRIPTORS = (
    "shared/permissions/permission_check.py",
    "shared/config/redis_url.py",
    "shared/process/file_descriptors.py",
)

REDIS, POOL, SENTINEL = (
    "shared/storage/redis_connection.py",
    "shared/storage/connection_pool.py",
    "shared/storage/sentinel.py",
)
HEALTH, GUARD = "api/routes/health.py", "api/access/browser_guard.py"
HEADS, FRAMING, PROTOCOL = "api/serving/request_head.py", "api/serving/framing.py", "api/serving/uvicorn_protocol.py"
FOLLOWER, BROADCAST, NATIVE = (
    "api/viewing/log_follower.py",
    "api/viewing/broadcast.py",
    "api/dialects/native/events.py",
)
RULES = "tests/chaos/dialect_rules.py"
TAIL, CONNECTION = "api/viewing/tail.py", "api/viewing/connection.py"
ASKING, SHOWING = "api/exchange/asking.py", "api/exchange/showing.py"
ASKERS, JOINING = "shared/generations/askers.py", "api/intake/joining.py"
EVIDENCE, UNDISTURBED = "tests/chaos/evidence.py", "tests/chaos/undisturbed.py"

MUTANTS = (
    _one("an older token may append", APPEND, "if tonumber(token) > tonumber(owned) then", "if false then"),
    _one(
        "an append need not continue the log",
        APPEND,
        "if last ~= previous or (restore and first ~= 0) then",
        "if restore and first ~= 0 then",
    ),
    _one("a sealed log may grow", APPEND, "refusal(token, seal)", "refusal(token)"),
    _one(
        "an append recreates what is gone",
        APPEND,
        "local refused = refusal(token, seal)",
        "token = token or '0'\nlocal refused = refusal(token, seal)",
    ),
    Mutant(
        "terminal event and seal are two writes",
        (
            Edit(APPEND, "'state', state, 'seal',", "'state', state, 'unsealed',"),
            Edit(
                "worker/writing/writer.py",
                "        self.changed.set()\n\n    def recheck(self)",
                "        self.changed.set()\n        self.sealed_late()\n\n    def sealed_late(self) -> None:\n"
                "        return\n\n    def recheck(self)",
            ),
            Edit(
                "worker/writing/appender.py",
                "                self._settle(writer, batch, reply, sent)\n",
                "                self._settle(writer, batch, reply, sent)\n"
                "                if batch.events[-1][0] in ('completed', 'failed', 'cancelled'):\n"
                "                    from shared.storage.keys import GenerationKeys\n"
                "                    key = GenerationKeys(batch.generation_id).record\n"
                "                    await self.log.redis.hset(key, 'seal', str(batch.last))\n",
            ),
        ),
    ),
    _one(
        "it is published before it is checked",
        APPEND,
        "  local token, seal, cancel =",
        "  call('PUBLISH', log, previous .. ' ' .. owned .. '-' .. first .. '\\n' .. "
        "table.concat(ARGV, '\\n', events, at - 1))\n  local token, seal, cancel =",
    ),
    _one(
        "nothing is published",
        APPEND,
        "  call('PUBLISH', log, previous .. ' ' .. owned .. '-' .. first .. '\\n' .. said)\n",
        "",
    ),
    _one("what is large is published whole", APPEND, "  if size > MAX_PUBLISHED then", "  if false then"),
    _one(
        "what is published by its id alone follows an event",
        APPEND,
        "owned .. FURTHEST .. last_written",
        "last_written .. ' ' .. last_written",
        "following",
    ),
    _one(
        "images are read by the hundred",
        "shared/log/guarded_log.py",
        "return LOG_PAGE if large <= PAGE_BYTES else",
        "return LOG_PAGE if largest <= large else",
    ),
    _one(
        "each viewer holds a long event of its own",
        "api/viewing/frames.py",
        "if len(frame) > sse_frames.MAX_SLICE_BYTES and self._recent:",
        "if False:",
        "telling",
    ),
    _one(
        "what nobody watches any more is kept by a cycle",
        "api/viewing/watched_log.py",
        "        self.follower.known.forget_listeners()\n",
        "",
        "hub",
    ),
    _one(
        "a long event is one write",
        "api/viewing/connection.py",
        "            piece = bytes(self._rest[: sse_frames.MAX_SLICE_BYTES])\n"
        "            self._rest = self._rest[sse_frames.MAX_SLICE_BYTES :]\n",
        "            piece, self._rest = bytes(self._rest), self._rest[:0]\n",
        "connection",
    ),
    _one("a claim does not look at the seal", CLAIM, "refusal(token, seal, ", "refusal(token, false, "),
    _one(
        "a retry does not look whether the log is still its own",
        CLAIM,
        "refusal(token, seal, owned ~= '' and owned)",
        "refusal(token, seal)",
    ),
    _one(
        "a token is a count, not a time",
        CLAIM,
        "next_token(now, token, last)",
        "next_token(0, token, last)",
    ),
    _one("attempts are not counted", CLAIM, "failures >= max_attempts", "false"),
    _one("a claim does not look at the cancel flag", CLAIM, "if cancel then", "if false then"),
    _one(
        "hand over without the token", "shared/log/hand_over.lua", "refusal(token, seal, owned)", "refusal(token, seal)"
    ),
    _one(
        "finish without looking at the owner",
        "shared/queue/finish.lua",
        "if holder and holder ~= '' and holder ~= worker then",
        "if false then",
    ),
    _one(
        "a lease that has run out is somebody's",
        "shared/queue/renew.lua",
        "if held and tonumber(redis.call('ZSCORE', queue, id) or 0) > now then",
        "if held then",
    ),
    _one(
        "a delayed job is as good as a new one",
        "shared/queue/enqueue.lua",
        "  redis.call('HSET', leases, id, '')",
        "  local _ = 0",
        "contract",
    ),
    _one(
        "renew without looking at the owner",
        "shared/queue/renew.lua",
        "local held = holder and holder ~= '' and holder ~= worker",
        "local held = false",
    ),
    _one(
        "a forgotten lease is not taken back",
        "shared/queue/renew.lua",
        "    redis.call('ZADD', queue, till, id)",
        "    redis.call('ZADD', queue, 'XX', till, id)",
        "guards",
    ),
    _one(
        "no hold-off after an outage",
        "worker/leasing/queue_worker.py",
        "        return self._hold[1] if self._hold else None",
        "        return None",
        "hold-off",
    ),
    _one(
        "a lease is not looked at before the claim",
        "shared/log/claim.lua",
        "if until_ms ~= '' and now > tonumber(until_ms) then",
        "if false then",
        "guards",
        "worker",
        "named",
        "chaos pause",
    ),
    _one(
        "no look after the seal",
        "worker/maintenance/settler.py",
        "            sealed.writer.recheck()\n",
        "",
        "settler",
        "guards",
        "worker",
        "chaos tail",
    ),
    _one(
        "what was written again is not looked at again",
        "worker/maintenance/settler.py",
        "        if there and now - writer.appended_at < self._durability.synced_s:\n",
        "        if False:\n",
        "guards",
    ),
    _one(
        "what was accepted again is not looked at again",
        "api/unsynced.py",
        "return [answer for answer in due if answer.subject.id in ids]  # that is not on disk yet either",
        "return []",
        "guards",
    ),
    _one(
        "a worker does not notice that it was paused",
        "worker/leasing/pause_detector.py",
        "            self._paused()\n",
        "            pass\n",
        "worker",
    ),
    _one(
        "a generation is settled by whoever finds a seal",
        "worker/running/running_generations.py",
        "            return JobEnd.DONE  # it stays pending until the sweeper knows that this end is on disk\n",
        "            await self.services.generations.queue.indexes.settle([generation_id])\n"
        "            return JobEnd.DONE\n",
        "guards",
    ),
    _one(
        "another attempt's end settles a generation",
        "worker/maintenance/settler.py",
        "        ours = there and writer.outcome is WriteOutcome.OK\n",
        "        ours = there\n",
        "guards",
    ),
    _one(
        "the sweeper settles what may not be on disk",
        "worker/maintenance/sweeper.py",
        'elif end in ("gone", "sealed") or',
        'elif end in ("gone", "sealed", "ending") or',
        "worker",
    ),
    _one(
        "a cancel is sealed although Redis has just restarted",
        "shared/generations/cancel.lua",
        "if state ~= 'queued' or seals == '' then",
        "if state ~= 'queued' then",
        "guards",
    ),
    _one(
        "the API does not look again at what it cancelled",
        "api/unsynced.py",
        'if ending.kind == "cancel" and end in (None, "cancel"):',
        "if False:",
        "api",
    ),
    _one(
        "the API does not look again at what it deleted",
        "api/unsynced.py",
        'elif ending.kind == "delete" and end in (None, "cancel", "sealed"):',
        "elif False:",
        "api",
    ),
    _one(
        "a lost worker is everyone's fault",
        "shared/log/claim.lua",
        "if was_beside and pardons < max_attempts then",
        "if false then",
        "worker",
    ),
    _one(
        "suspects run side by side for ever",
        "worker/running/quarantine.py",
        "while self._running if alone else self._alone:",
        "while False:",
        "worker",
    ),
    _one(
        "a mismatch is the end of an attempt",
        "worker/writing/writer.py",
        "elif reply.outcome is WriteOutcome.MISMATCH and reply.last.token == self.token:",
        "elif reply.outcome is WriteOutcome.MISMATCH and reply.last.token == -1:",
    ),
    _one(
        "a lost claim is not restored",
        "worker/writing/writer.py",
        "            self.begin_again(reply.last)\n",
        "            self.lose(WriteOutcome.FENCED)\n",
    ),
    _one(
        "a forgotten record is not restored",
        "worker/writing/appender.py",
        "        if reply.outcome is WriteOutcome.GONE:\n",
        "        if False:\n",
        "guards",
        "worker",
        "named",
        "chaos tail",
    ),
    _one(
        "a log that cannot be written holds up those beside it",
        "worker/writing/appender.py",
        "together=not self.backoff.failures",
        "together=True",
        "guards",
    ),
    _one(
        "an event changes while it is under way",
        "worker/writing/writer.py",
        "        self._waiting.clear()\n        if self._acked == len(self._events):",
        "        if self._acked == len(self._events):",
        "writer",
    ),
    _one(
        "a stream without its end marker is complete",
        FINISH,
        "        if not self.stands:\n            raise",
        "        if False:\n            raise",
        "ends",
    ),
    _one(
        "a delta does not take a finish reason back",
        FINISH,
        "        elif added:\n            self.stands = False\n",
        "",
        "ends",
    ),
    _one("a cut proves an end after a reason taken back", FINISH, "not self._taken_back and (alone", "(alone", "ends"),
    _one("a finish reason with text survives a cut", FINISH, "alone = counts or not added", "alone = True", "ends"),
    _one("half of a tool call is whole", FINISH, "return not text.strip()", "return True", "ends"),
    _one("a reset is an end", TRANSPORT, "if isinstance(reset, OSError):", "if False:", "transport"),
    _one("what came before a break is lost", TRANSPORT, "piece = self._left()", "piece = b''", "transport"),
    _one("the grace never ends", STREAM, "asyncio.timeout_at(when)", "asyncio.timeout_at(when + 20)", "ends"),
    _one(
        "an answer that broke off there is whole",
        FINISH,
        "    if word in BROKEN_OFF:\n",
        "    if False:\n",
        "ends",
    ),
    _one("a word for no finish reason is one", FINISH, '"", "null", "none", ', '"", ', "ends"),
    _one(
        "an event that is named an error is read",
        READING,
        'if event.data.startswith(b"{") and event.event not in ERROR_EVENTS:',
        'if event.data.startswith(b"{"):',
        "odd",
    ),
    _one(
        "half a document is one",
        READING,
        "    if not all(_is_whole(piece.data) for piece in pieces):\n",
        "    if False:\n",
        "odd",
    ),
    _one(
        "an event with half an object is a keep-alive",
        READING,
        """elif b"{" in data and b'"' in data:""",
        'elif data.startswith(b"["):',
        "odd",
    ),
    _one(
        "what does not fit is dropped",
        "worker/providers/lenient_json.py",
        "return _UNFIT, value or None",
        "return _UNFIT, None",
        "odd",
    ),
    _one("half an event is an event", READING, "        if _is_whole(event.data):", "        if True:", "ends"),
    _one("the last event needs its blank line", READING, "in decoder.last():", "in ():", "ends"),
    _one("keep-alives are no signs of life", STREAM, "if events or (piece and failure is None):", "if events:", "ends"),
    _one("the wait for an end is not announced", STREAM, "yield Pause(times.after_finish_s + 1)", "yield []", "ends"),
    _one(
        "the watchdog ends a call in a pause that the adapter announced",
        WATCHDOG,
        "return max(silent, self._paused_until) +",
        "return silent +",
        "watchdog",
    ),
    _one(
        "keep-alives have no bound",
        WATCHDOG,
        "min(self._heard + self._idle, self._said + self._limits.silence)",
        "self._heard + self._idle",
        "watchdog",
    ),
    _one(
        "the longer silence before the first word is allowed after it too",
        WATCHDOG,
        "self._idle, moves = self._limits.after, True",
        "pass",
        "watchdog",
    ),
    _one(
        "sampling goes out in the newest version",
        "worker/providers/anthropic/version.py",
        "if any(name in body for name in SAMPLING_FIELDS):",
        "if False:",
        "versions",
    ),
    _one(
        "citations go out in the newest version",
        "worker/providers/anthropic/version.py",
        'return block.get("type") == "text" and bool(block.get("citations"))',
        "return False",
        "versions",
    ),
    _one(
        "the simulator takes what the version refuses",
        "simulator/anthropic_version.py",
        "    if version == NEW:\n",
        "    if False:\n",
        "versions",
    ),
    _one(
        "the key goes in the SDK's header",
        "worker/providers/anthropic/adapter.py",
        'return {} if "authorization" in headers else',
        "return {} if True else",
        "versions",
    ),
    _one(
        "a follower does not trust its source",
        "worker/cache/lookup.py",
        "silence_limits(theirs, None, settings).before <= mine.before",
        "False",
        "cache",
    ),
    _one(
        "the sweeper enqueues nothing",
        "worker/maintenance/sweeper.py",
        "                        enqueued += await self.queue.enqueue(generation_id, self._durability.restored_ms)\n",
        "                        pass\n",
        "worker",
    ),
    _one(
        "what is queued or leased is enqueued once more",
        "shared/queue/enqueue.lua",
        "if redis.call('ZADD', queue, 'NX', digits(now + after_ms), id) == 0 then",
        "if redis.call('ZADD', queue, digits(now + after_ms), id) == 2 then",
        "contract",
    ),
    Mutant(
        "the log is read before the subscription stands",
        (
            Edit(
                FOLLOWER,
                "        self._subscribed = True\n        self._due.set()\n",
                "        self._subscribed = True\n",
            ),
            Edit(FOLLOWER, "        self._subscribed = False\n", "        self._subscribed = True\n"),
            Edit(
                FOLLOWER,
                "        self._due = asyncio.Event()\n",
                "        self._due = asyncio.Event()\n        self._due.set()\n",
            ),
        ),
        ("following", "api"),
    ),
    _one(
        "an answer that is published before the first read is never read",
        FOLLOWER,
        "return self.known.loaded and self.known.state is not None",
        "return self.known.state is not None",
        "following",
    ),
    _one(
        "a tail takes what does not follow",
        FOLLOWER,
        "        if previous == last:\n            self.known.extend(",
        "        if True:\n            self.known.extend(",
        "following",
        "api",
        "chaos",
    ),
    _one(
        "a delta is taken wherever it belongs",
        "api/viewing/known_log.py",
        "if self.state is not None or not message.startswith(self._next):",
        'if self.state is not None or b"\\ndelta\\n" not in message:',
        "following",
        "api",
    ),
    _one(
        "a tail that reads on does not look where it was",
        FOLLOWER,
        "            elif entries and read_id(entries[0][0]) == last:",
        "            elif entries:",
        "following",
        "api",
        "chaos tail",
    ),
    _one(
        "a viewer is not told that it starts over",
        BROADCAST,
        "                follower.rewind()\n",
        "                follower.position = same\n",
        "telling",
        "api",
        "chaos tail",
    ),
    _one(
        "pieces of another log are kept",
        BROADCAST,
        "        self._forget()\n        self._announced = 0\n",
        "        self._announced = 0\n",
        "telling",
    ),
    _one("an event without a frame ends the response", "api/viewing/sse_frames.py", ' if body else b""', "", "telling"),
    _one(
        "where an event ends in a block is not where the next begins",
        "api/viewing/frames.py",
        "self._ends[number][index - 1] if index else 0",
        "self._ends[number][index] if index else 0",
        "telling",
        "api",
    ),
    _one(
        "a cursor is not looked up in an ended log",
        "api/viewing/resume.py",
        "if start.cursor != ORIGIN and not await log.holds(generation_id, start.cursor):",
        "if False:",
        "api",
    ),
    _one(
        "a resumed viewer gets its last event again",
        "api/viewing/known_log.py",
        "        position = start + cursor.seq + 1\n",
        "        position = start + cursor.seq\n",
        "following",
        "api",
    ),
    _one(
        "the API answers before it has enqueued",
        "shared/generations/generations.py",
        "            await self.queue.enqueue(acceptance.id)\n        return accepted",
        "            pass\n        return accepted",
        "api",
        "worker",
        "guards",
        "named",
    ),
    _one(
        "with `disk`, the API answers before it is on disk",
        "api/exchange/acceptance.py",
        "        await use.disk_sync.confirm(began)\n",
        "        pass\n",
        "api",
    ),
    _one(
        "WAITAOF counts on every server",
        DURABILITY,
        'sync == "everysec" and version in VERSIONS_WITH_WAITAOF',
        'sync == "everysec"',
        "durability",
    ),
    _one(
        "WAITAOF counts whatever it replies",
        DURABILITY,
        "        if not synced:\n",
        "        if False:\n",
        "durability",
    ),
    _one(
        "a sync counts for what a restart may have lost",
        DURABILITY,
        "        if since < seconds:\n",
        "        if False:\n",
        "durability",
    ),
    _one(
        "a server that hides how it syncs is trusted",
        DURABILITY,
        "    if directives is None:\n",
        "    if directives is None:\n        return None\n    if False:\n",
        "durability",
    ),
    _one(
        "the API does not look again at what it accepted",
        "api/unsynced.py",
        "await self._generations.accept_again([answer.subject for answer in due])",
        "list[Acceptance]()",
        "api",
        "guards",
        "named",
        "chaos tail",
    ),
    _one(
        "an end waits for the window",
        "worker/writing/writer.py",
        "return event.type in TERMINAL_TYPES or (isinstance",
        "return (isinstance",
        "appender",
    ),
    _one(
        "a tool call waits for the window",
        "worker/writing/writer.py",
        'return event.kind == "tool_call"',
        "return False",
        "appender",
    ),
    _one(
        "a first word after much else waits for the window",
        "worker/writing/writer.py",
        "or self._first_delta_at is None or self._acked <= self._first_delta_at",
        "",
        "appender",
    ),
    _one(
        "calls of one name are one call",
        "worker/billing/bill.py",
        "found = earlier.numbered or not earlier.said",
        "found = True",
        "bill",
    ),
    _one(
        "a keep-alive has to be JSON",
        READING,
        'elif b"{" in data and b\'"\' in data:',
        "else:",
        "ends",
    ),
    _one(
        "an error takes an answer away that had ended",
        READING,
        "if not (error.retryable and reader.finish_reason.certain):",
        "if True:",
        "ends",
    ),
    _one(
        "a stop before the first word is an end",
        FINISH,
        'return self.stands and (said or self._counted or meaning(self.reason, called=False) != "stop")',
        "return self.stands",
        "ends",
    ),
    _one(
        "an event that comes alone waits for the append window",
        "worker/writing/appender.py",
        "if now - self._sent_at < SOON_WINDOWS",
        "if True or SOON_WINDOWS",
        "appender",
    ),
    _one("first words wait for the window", "worker/writing/appender.py", "if writer.urgent:", "if False:", "appender"),
    _one(
        "how a part began before is not looked up",
        "midstream/output/answer.py",
        "if index not in self._parts and kind not in TEXT_KINDS:",
        "if False:",
        "command line",
    ),
    _one(
        "what a resumed part was is not looked up",
        "midstream/output/answer.py",
        "            if not self._broken:\n                self._recall()",
        "",
        "command line",
    ),
    _one("a full output is passed over", STREAMS, "if not self.forgiving:", "if False:", "command line"),
    _one("a reader that has gone is a failure", STREAMS, "if error.nobody_reads:", "if False:", "command line"),
    _one("a closed descriptor is left to a socket", STREAMS, "    _occupy()\n    out", "    out", "command line"),
    _one(
        "spaces of values collapse",
        "midstream/terminal.py",
        'return printable(text).translate({0x09: " ", 0x0A: " "})',
        "return one_line(text)",
        "command line",
    ),
    _one(
        "a table is wider than its terminal",
        "midstream/output/table.py",
        "    if width is not None and sum(widths)",
        "    if False and width is not None and sum(widths)",
        "command line",
    ),
    _one(
        "a saved file takes another's place",
        "midstream/output/files.py",
        'path.open("xb")',
        'path.open("wb")',
        "command line",
    ),
    _one(
        "a silent connection is waited for",
        PAGE,
        "const left = heard + SILENCE - Date.now();",
        "const left = SILENCE;",
        "page",
    ),
    _one(
        "a message has a new key at each try",
        PAGE,
        '"Idempotency-Key": message.key',
        '"Idempotency-Key": message.key + tries',
        "page",
    ),
    _one(
        "a wrong key is not told",
        PAGE,
        "status.textContent = askForKey();\n    return;",
        "askForKey();\n    return;",
        "page",
    ),
    _one(
        "a page does not say what the server refuses for now",
        PAGE,
        'response ? await problem(response) : "The server does not answer."',
        '"The server does not answer."',
        "page",
    ),
    _one(
        "a host may have an empty label",
        "shared/config/value_checks.py",
        'all(map(_is_label, host.removesuffix(".").split(".")))',
        "True",
        "settings",
    ),
    _one(
        "a refused second use of a key sets the deadline",
        "api/exchange/acceptance.py",
        "    if noted and not (accepted.created or (accepted.same_request and under_way)):\n",
        "    if False:\n",
        "waiting",
    ),
    _one(
        "what waits is ended although somebody claimed it",
        "shared/generations/expire.lua",
        "refusal(token, seal, seen)",
        "refusal(token, seal)",
        "waiting",
    ),
    _one(
        "what a worker has is ended by the API",
        "shared/generations/deadlines.py",
        "            elif generation_id not in leased:\n",
        "            else:\n",
        "waiting",
    ),
    _one(
        "deadlines are kept although Redis has just restarted",
        "shared/generations/deadlines.py",
        "        if any(server.young(self._queue.durability.restored_ms) for server in servers):\n",
        "        if False:\n",
        "waiting",
    ),
    _one(
        "a deadline counts from the first attempt",
        "worker/running/generation_run.py",
        "            elapsed_ms = max(0, claim.elapsed_ms, claim.token - self.record.created_ms)\n",
        "            elapsed_ms = claim.elapsed_ms\n",
        "waiting",
    ),
    _one(
        "what Redis refuses leaves its announcement",
        "api/exchange/acceptance.py",
        "            refused = isinstance(error, ResponseError)\n",
        "            refused = False\n",
        "waiting",
    ),
    _one(
        "an outage is told at every refusal",
        "shared/storage/outage.py",
        "        if reason not in self._reasons:\n",
        "        if True:\n",
        "waiting",
    ),
    _one(
        "a full disk is no lack of room",
        "shared/storage/outage.py",
        'FULL_CODES = ("OOM", "MISCONF")',
        'FULL_CODES = ("OOM",)',
        "waiting",
    ),
    _one(
        "what Kubernetes makes is a setting",
        "shared/config/variables.py",
        " and not _made(name, value, environment)\n    }",
        "\n    }",
        "settings",
    ),
    _one(
        "a setting that is a number may be `true`",
        "shared/config/allowed_values.py",
        "    if not fits:\n",
        "    if False:\n",
        "settings",
    ),
    _one(
        "a key may break its header",
        "shared/config/value_checks.py",
        "    if not key.isprintable():\n",
        "    if False:\n",
        "settings",
    ),
    _one(
        "an address may lack its scheme",
        "shared/config/value_checks.py",
        "    if parts.scheme not in URL_SCHEMES or not parts.netloc:\n",
        "    if False:\n",
        "settings",
    ),
    _one(
        "a name in the log may break its line",
        "worker/running/log_lines.py",
        "    return cut if _PLAIN.fullmatch(cut) else json.dumps(cut)\n",
        "    return cut\n",
        "waiting",
    ),
    _one(
        "what continues uses up the models too",
        "worker/running/generation_run.py",
        "ClaimOutcome.EXHAUSTED and self._claims.fallbacks_left",
        "ClaimOutcome.EXHAUSTED and False",
        "generate",
    ),
    _one(
        "an attempt of a further model is exhausted by its drain",
        CLAIM,
        "elseif counted and failures",
        "elseif reason ~= 'fallback' and failures",
        "contract",
    ),
    _one(
        "a lost worker starts over what must not",
        CLAIM,
        "elseif lost and on_interrupt == 'fail' then",
        "elseif lost and on_interrupt == 'fail' and not (counted and failures >= max_attempts) then",
        "generate",
    ),
    _one(
        "a long Retry-After is waited out",
        "worker/running/generation_run.py",
        "longest_s = LONG_RETRY_AFTER_S if",
        "longest_s = math.inf if",
        "generate",
    ),
    _one(
        "a repeated POST is announced like a new one",
        "shared/generations/generations.py",
        "if again else None",
        "if False else None",
        "contract",
    ),
    _one(
        "what ended since it was looked for keeps a place",
        "shared/generations/generations.py",
        "if announced is Announced.NEW:",
        "if False:",
        "contract",
    ),
    _one(
        "a cached copy may serve as the source of another",
        "worker/cache/source.py",
        "if attempt.cached is True:",
        "if False:",
        "cache",
    ),
    _one(
        "an answer is served from the cache however it ended",
        "worker/cache/source.py",
        'if newest == "completed" and not',
        "if False and not",
        "cache",
    ),
    _one(
        "who asked while it ran asks again",
        "worker/cache/lookup.py",
        "led.ended_ms is not None and led.ended_ms < record.created_ms",
        "led.ended_ms is not None",
        "cache",
    ),
    _one(
        "a broken attempt is counted as whole",
        "worker/billing/bill.py",
        "if cost is not None and not estimated and not call.completed:",
        "if False:",
        "bill",
    ),
    _one(
        "an estimate is a cost",
        "worker/billing/bill.py",
        "line.cost is not None and line.estimated is not True",
        "line.cost is not None",
        "bill",
    ),
    _one(
        "a refusal is charged",
        "worker/billing/bill.py",
        "return not writer.said_something and writer.response is None and failed.code in UNCHARGED_CODES",
        "return False",
        "bill",
    ),
    _one(
        "a bill outlives the attempt that it is of",
        CLAIM,
        "'handover', 'beside', 'bill')",
        "'handover', 'beside')",
        "waiting",
    ),
    _one(
        "a leaving worker starts over what must not",
        "worker/running/generation_end.py",
        'self._record.on_interrupt == "fail" and writer.said_something:',
        "False:",
        "generate",
    ),
    _one(
        "another model comes before going on",
        "worker/running/retry_policy.py",
        "if fallbacks_left and not goes_on:",
        "if fallbacks_left:",
        "policy",
    ),
    _one(
        "a provider that refuses to go on has failed an attempt",
        "worker/running/retry_policy.py",
        "Choice.SAME, counts=False, fresh=True)",
        "Choice.SAME, fresh=True)",
        "policy",
    ),
    _one(
        "who looks for another source ends the answer of the last one",
        "worker/running/generation_end.py",
        "writer.response is not None and target.replay is None:",
        "writer.response is not None:",
        "ends there",
    ),
    _one(
        "a place in a list must still be there",
        "shared/queue/indexes.py",
        "i < before.id.encode()]",
        "False]",
        "contract",
    ),
    _one(
        "a full page is never the last",
        "shared/generations/generations.py",
        "if len(records) > limit:",
        "if len(records) >= limit:",
        "routes",
    ),
    _one("a fail-over is an excuse", EVIDENCE, '"redis_loading", ', '"redis_loading", "redis_failover", ', "checker"),
    _one(
        "an outage excuses its first moment only",
        EVIDENCE,
        "return any(kill.at <= until and (kill.until or kill.at) >= since for kill in self.kills)",
        "return self.killed(since, until)",
        "checker",
    ),
    _one(
        "a token is a time although the clock jumped",
        EVIDENCE,
        "            at = token / 1000 - offset\n",
        "            at = token / 1000\n",
        "checker",
    ),
    _one(
        "a token that counts on is a time",
        EVIDENCE,
        "return claim.at if self.jumps and at < claim.at - LATE else at",
        "return at",
        "checker",
    ),
    _one(
        "what Redis forgot is excused although its node lived",
        EVIDENCE,
        "if self.struck(post.api, post.sent, until) and all(",
        "if all(",
        "checker",
    ),
    _one(
        "a jump may cost a living worker",
        UNDISTURBED,
        "            if at_once and",
        "            if False and",
        "checker",
    ),
    _one(
        "a jump is blamed for all that follows it",
        UNDISTURBED,
        "before.at <= jump.at <= claim.at <= jump.at + AFTER * lease",
        "jump.at <= claim.at",
        "checker",
    ),
    _one(
        "a jump is blamed for what Redis did",
        UNDISTURBED,
        "if at_once and not any(_of_redis(evidence, jump.at - AFTER * lease, claim.at)):",
        "if at_once:",
        "checker",
    ),
    _one(
        "a fault may hold up the log",
        UNDISTURBED,
        "waited > _limit(fault)\n                    and",
        "False\n                    and",
        "checker",
    ),
    _one(
        "a frozen queue may hold up the log as long as another fault",
        UNDISTURBED,
        "return HELD if fault.target",
        "return RESUMED if fault.target",
        "checker",
    ),
    _one(
        "a silence is blamed on a fault that was long over",
        UNDISTURBED,
        "spans = before.at <= whole and",
        "spans = True and",
        "checker",
    ),
    _one(
        "a fault is blamed for what broke beside it",
        UNDISTURBED,
        "and not _else_broken(evidence, fault, after.worker, fault.at - 1, until)",
        "",
        "checker",
    ),
    _one("who is refused for ever goes unnoticed", UNDISTURBED, "if post.sent > quiet:", "if False:", "checker"),
    _one(
        "a replica takes over before it has all",
        "tests/harness/server.py",
        "        if not await to.keeps_up():\n            return False\n",
        "",
        "server",
    ),
    _one(
        "what expired stays in its owner's list",
        "worker/maintenance/sweeper.py",
        "        await self._tidy()\n",
        "",
        "sweeper",
    ),
    _one("a replica's refusal is an answer", REDIS, "if code in CODES_TO_RETRY:", "if False:", "redis"),
    _one(
        "what one connection is told concerns no other", REDIS, "if code in CODES_OF_NO_PRIMARY:", "if False:", "redis"
    ),
    _one("a silent subscriber waits for ever", "shared/storage/subscriber.py", "self._silent.set()", "pass", "redis"),
    _one(
        "idle connections are kept",
        POOL,
        "while len(idle) > KEPT_CONNECTIONS and idle[0]",
        "while False and idle[0]",
        "redis",
    ),
    _one("a refused connection fails its command", POOL, "if not waits:", "if True:", "redis"),
    _one(
        "a returned connection is given to no waiting command",
        POOL,
        "        self._serve()\n        if self._timer",
        "        if self._timer",
        "redis",
    ),
    _one(
        "a command that gave up waiting keeps its place in the pool's line",
        POOL,
        "self._waiters.remove(waiter)",
        "pass",
        "redis",
    ),
    _one("a pool without a connection tries none after a refusal", POOL, "max(1, self._room)", "self._room", "redis"),
    _one(
        "commands wait on although Redis may take connections again",
        POOL,
        "loop.call_at(self._crowded_until, self._serve)",
        "pass",
        "redis",
    ),
    _one(
        "a connection given to a cancelled command is lost",
        POOL,
        "await self.release(waiter.result())",
        "pass",
        "redis",
    ),
    _one(
        "who asked for permissions ends the wait for an outage's end",
        PERMISSIONS,
        "client.connection_pool.disconnect()",
        "client.aclose()",
        "waiting",
    ),
    _one(
        "a primary that is back is believed", "shared/storage/clock.py", "_seen_runs.pop(run_id, None)", "pass", "clock"
    ),
    _one(
        "a refusal in a pipeline is none",
        "shared/storage/connections.py",
        "return _Pipeline(",
        "return Pipeline(",
        "redis",
    ),
    _one("a refusal in a script is none", "shared/storage/outage.py", 'return "NOPERM"', "pass", "redis"),
    _one("a name that is refused is told", REDIS, "if not self._introducing:", "if True:", "redis user"),
    _one("a hang-up has no reason", REDIS, "return CROWDED_WORDS.encode() in said", "return False", "redis"),
    _one("connections have no bound", "shared/storage/connections.py", "max_connections=connections,", "", "redis"),
    _one("the oldest Sentinel is believed", SENTINEL, "max(known)[1:]", "min(known)[1:]", "redis"),
    _one("Sentinels' news closes nothing", SENTINEL, "self._primary.is_at(address)", "pass", "redis"),
    _one("a primary that is down is one", SENTINEL, 'and not state["is_sdown"]', "", "redis"),
    _one("/readyz does not write", HEALTH, 'await redis.set(PROBE_KEY, "1", px=1000)', "await redis.ping()", "health"),
    _one(
        "/readyz knows no maxclients", HEALTH, "crowded = [name", "crowded = [name for name in ()] and [name", "health"
    ),
    _one("/livez knows no end", HEALTH, "if use.hub.leaving:", "if False:", "health"),
    _one(
        "what cannot be encoded ends the worker",
        "worker/writing/appender.py",
        "            except Exception as error:\n                self._fail(writer, error)\n",
        "            except ZeroDivisionError as error:\n                self._fail(writer, error)\n",
        "settler",
    ),
    _one(
        "an answer that is not understood ends the worker",
        "worker/writing/appender.py",
        "        except Exception as error:\n            self._fail(writer, error)\n        if writer",
        "        except ZeroDivisionError as error:\n            self._fail(writer, error)\n        if writer",
        "settler",
    ),
    _one(
        "what was sealed is forgotten in an outage",
        "worker/writing/appender.py",
        "                elif not is_away(reply):\n",
        "                else:\n",
        "settler",
    ),
    _one(
        "an end that viewers saw is dropped where the disk is full",
        "worker/writing/writer.py",
        "        if self.outcome is WriteOutcome.OK or self.ended is not None:\n            return\n",
        "",
        "writer",
    ),
    _one(
        "without room, what viewers saw gives its id to the end",
        "worker/writing/writer.py",
        "del self._events[self._sent :]",
        "del self._events[self._acked :]",
        "writer",
    ),
    _one(
        "a log's own errors are met for ever",
        "worker/maintenance/settler.py",
        "if not there and writer.errors <= self._durability.max_refusals:",
        "if not there:",
        "settler",
    ),
    _one(
        "the time to write it again counts while Redis is away",
        FOLLOWER,
        "            except RedisError as error:\n                self._restoration.stop()\n",
        "            except RedisError as error:\n",
        "following",
    ),
    _one(
        "what the queue could not be told is the sweeper's at once",
        "worker/maintenance/settler.py",
        "                if not is_away(error):\n                    return",
        "                if True:\n                    return",
        "settler",
    ),
    _one(
        "a look at an answered request counts although Redis was away",
        "api/unsynced.py",
        "if len(due) == 1 and not is_away(error):",
        "if len(due) == 1:",
        "promises",
    ),
    _one(
        "one answered request that cannot be looked at again holds up all others",
        "api/unsynced.py",
        "                if is_away(error):\n                    raise\n",
        "                raise\n",
        "promises",
    ),
    _one(
        "an answered request is looked at again for ever",
        "api/unsynced.py",
        "            if answer.looks < self._durability.max_looks:\n",
        "            if True:\n",
        "promises",
    ),
    _one(
        "a queue that lost what was accepted is not asked",
        "shared/generations/generations.py",
        '(end in (None, "cancel") and (unlisted or unqueued))',
        "False",
        "promises",
    ),
    _one(
        "what has ended stays out of its owner's list",
        "shared/generations/generations.py",
        'elif end in ("sealed", "ending") and unlisted:',
        "elif False:",
        "promises",
    ),
    _one(
        "what waits since before the clock was set back waits on",
        TAKE,
        "  elseif not holding then\n",
        "  elseif false then\n",
    ),
    _one(
        "what waits since before the clock was set back is new",
        TAKE,
        "  elseif not holding then\n",
        "  else\n",
    ),
    _one(
        "a lease from before the clock was set back lasts",
        TAKE,
        "      redis.call('ZADD', queue, 'XX', till, id)\n",
        "",
    ),
    _one(
        "leases that are in doubt are taken",
        TAKE,
        "(holding or (leased_since_ms ~= ''",
        "(holding or (false",
    ),
    _one(
        "what is left alone hides what waits behind it",
        TAKE,
        "  looked = looked + redis.call('HLEN', leases)",
        "  looked = looked",
    ),
    _one(
        "a lease that is taken back is not pending",
        "shared/queue/renew.lua",
        "      redis.call('ZADD', pending, 'NX', digits(now), id)\n",
        "",
    ),
    _one(
        "a turn lasts as long as a clock that was set back says",
        "shared/queue/queue.py",
        "await self.redis.pttl(key) > ms and",
        "False and",
    ),
    _one(
        "workers of before the clock was set back count",
        "shared/queue/worker_beat.lua",
        "'(' .. digits(now + longest_ms), '+inf')",
        "'+inf', '+inf')",
        "waiting",
    ),
    _one(
        "an uptime is believed after a restart",
        "shared/storage/clock.py",
        "0 if another else _claimed_ms(info)",
        "_claimed_ms(info)",
        "clock",
    ),
    _one(
        "a clock that is set goes unseen",
        "shared/storage/clock.py",
        "            seen.at, seen.up_ms = got, 0\n",
        "            pass\n",
        "clock",
    ),
    _one(
        "a Redis that has just come back is taken for an old one",
        "shared/storage/clock.py",
        "return self.up_ms < for_ms",
        "return False",
        "clock",
        "guards",
        "sweeper",
    ),
    _one(
        "each error holds a worker off from all that was there",
        "worker/leasing/queue_worker.py",
        "restarted=server.run_id is None or server.run_id != self._run_id)",
        "restarted=True)",
        "hold-off",
    ),
    _one(
        "after an outage leases are taken at once",
        "worker/leasing/queue_worker.py",
        "elif time.monotonic() - self._answered > self._late_s:",
        "elif False:",
        "hold-off",
    ),
    _one(
        "a worker does not see that the clock was set",
        "worker/leasing/queue_worker.py",
        "        self._doubt_leases()\n        return True",
        "        return True",
        "hold-off",
    ),
    _one(
        "others' cancels hide one that was not heard",
        "worker/running/cancel_listener.py",
        "if message is None or time.monotonic() - looked >= QUIET_S:",
        "if message is None:",
        "interrupts",
    ),
    _one(
        "what a newer Midstream asked is failed",
        "worker/running/generation_run.py",
        "and self._newer.has_asked(error):",
        "and False:",
        "newer",
    ),
    _one(
        "what was announced before the clock was set back is not swept",
        "worker/maintenance/sweeper.py",
        "        enqueued += await self._pass(now_ms, log_server, since_ms=now_ms + 2 * lease_ms)\n",
        "",
        "sweeper",
    ),
    _one(
        "a log that has just restarted is swept",
        "worker/maintenance/sweeper.py",
        "for one in (server, log_server)",
        "for one in (server,)",
        "sweeper",
    ),
    _one(
        "what the sweeper enqueues is somebody's for no longer than a lease",
        "worker/maintenance/sweeper.py",
        "await self.queue.enqueue(generation_id, self._durability.restored_ms)",
        "await self.queue.enqueue(generation_id, 0)",
        "sweeper",
    ),
    _one(
        "what the queue's Redis lost is not looked for",
        "worker/maintenance/sweeper.py",
        '            enqueued += await self._recovery.go_on(f"{log_server.run_id} {server.run_id}")\n',
        "            pass\n",
        "recovery",
    ),
    _one(
        "records are looked at once for ever",
        "worker/maintenance/recovery.py",
        "if of == starts and place == DONE_MARK:",
        "if place == DONE_MARK:",
        "recovery",
    ),
    _one(
        "a cursor is taken to another run",
        "worker/maintenance/recovery.py",
        "cursor = int(place) if of == starts else 0",
        "cursor = int(place) if place.isdigit() else 0",
        "recovery",
    ),
    _one(
        "what the log's Redis lost is claimed before it is written again",
        "worker/running/running_generations.py",
        "while (missing_ms := await self._not_restored_ms(found)) > 0:",
        "while (missing_ms := 0):",
        "recovery",
    ),
    _one(
        "a frozen queue is waited for at each attempt",
        "worker/running/circuits.py",
        "ANSWER_TIMEOUT_S = 0.2",
        "ANSWER_TIMEOUT_S = 60.0",
        "circuits",
    ),
    _one(
        "what a record is missing of is cleared away after an outage",
        "worker/maintenance/sweeper.py",
        "                    and not log_server.young(HALF_ACCEPTED_MS)\n",
        "",
        "sweeper",
    ),
    _one(
        "a failing wake-up holds off",
        QUEUE_WORKER,
        "        if not unbroken:\n            await self._look_for_restart()",
        "        if self._wake_ups.is_down:\n            self._hold = (time.monotonic() + 9, int(time.time() * 1000))",
        "redis user",
    ),
    _one(
        "a wake-up that fails ends the worker",
        WAKE_UPS,
        "if not isinstance(error, RedisError):",
        "if True:",
        "redis user",
    ),
    _one(
        "a wake-up without a reply is waited for",
        WAKE_UPS,
        "longest = self._look_interval_s if self.is_down else seconds + self._late_s",
        "longest = None",
        "redis user",
    ),
    _one(
        "a restart that only the wake-up noticed is passed over",
        QUEUE_WORKER,
        "        if not unbroken:\n",
        "        if False:\n",
        "redis user",
    ),
    _one(
        "permissions are tried by running commands",
        PERMISSIONS,
        'await _try(connection, "MULTI", must=b"OK")',
        'await _try(connection, "PING")',
        "redis user",
    ),
    _one("channels are no permission", PERMISSIONS, "(key|channel)", "(key)", "redis user"),
    _one(
        "a hint that is missing stops",
        "shared/permissions/commands.py",
        '    "BLPOP": "workers look',
        '    "X": "workers look',
        "redis user",
    ),
    _one(
        "a permission that is missing stops nothing",
        PERMISSIONS,
        "                raise SettingsError(remedy)",
        "                pass",
        "redis user",
    ),
    _one(
        "a permission that is missing later is not told",
        PERMISSIONS,
        '            logger.error("%s", remedy)',
        "            pass",
        "redis user",
    ),
    _one(
        "an API asks no Redis that was away for permissions",
        "api/app.py",
        "functools.partial(try_again, settings, away)",
        "functools.partial(try_again, settings, ())",
        "waiting",
    ),
    _one(
        "an error of the operating system is told as a number only",
        "shared/storage/outage.py",
        "map(os.strerror, numbers)",
        "map(str, numbers)",
        "waiting",
    ),
    _one(
        "a list of wake-ups that cannot be written refuses a POST",
        "shared/queue/enqueue.lua",
        "  redis.pcall('LPUSH'",
        "  redis.call('LPUSH'",
        "redis user",
    ),
    _one("an escape in a Redis URL may be none", REDIS_URL, "_BAD_ESCAPE.search(rest)", "False", "addresses"),
    _one("a # in a Redis URL is cut off", REDIS_URL, '"#" in rest or ', "", "addresses"),
    _one(
        "a ? in a password is where the options begin",
        REDIS_URL,
        'if "@" in query and',
        "if False and",
        "addresses",
    ),
    _one(
        "any option of redis-py may be in a URL",
        REDIS_URL,
        "        if name not in known:\n",
        "        if False:\n",
        "addresses",
    ),
    _one(
        "what OpenSSL refuses is found at each connection",
        REDIS_URL,
        "                step(given[name])",
        "                pass",
        "addresses",
    ),
    _one("a database may be named twice", REDIS_URL, 'int(given["db"]) != int(database)', "False", "addresses"),
    _one(
        "the soft limit of descriptors stays",
        DESCRIPTORS,
        "            resource.setrlimit(",
        "            max(",
        "descriptors",
    ),
    _one(
        "as many generations as are set, whatever the limit",
        DESCRIPTORS,
        "    return fit\n",
        "    return concurrency\n",
        "descriptors",
    ),
    _one(
        "no descriptor left is the provider's fault",
        "worker/providers/errors.py",
        "    if is_exhausted(error):\n",
        "    if False:\n",
        "descriptors",
    ),
    _one(
        "a server that cannot be seen is ended by its process id",
        "midstream/processes/unix_socket.py",
        "        if listener <= 0:\n",
        "        if False:\n",
        "embedded",
    ),
    _one(
        "a full disk is found by a server that says nothing",
        "midstream/processes/valkey.py",
        "        self._try_disk()\n",
        "",
        "embedded",
    ),
    _one(
        "a repair keeps no copy",
        "midstream/commands/repair.py",
        "            shutil.copytree(files, copy)",
        "            pass",
        "embedded",
    ),
    _one(
        "doctor does not write",
        "midstream/checks/redis_check.py",
        "        client.set(PROBE_KEY",
        "        client.get(PROBE_KEY",
        "doctor",
    ),
    _one(
        "doctor names one variable for both",
        "midstream/commands/doctor.py",
        "settings.sources.where([server.setting])",
        'settings.sources.where(["redis_url"])',
        "doctor",
    ),
    _one(
        "a second reason in an outage is not told",
        "shared/storage/outage.py",
        "code or _kind(error)",
        'code or "unreachable"',
        "waiting",
    ),
    _one(
        "SIGHUP ends a process at once",
        "shared/process/ending_signals.py",
        "signal.SIGTERM, *hangup]",
        "signal.SIGTERM]",
        "addresses",
    ),
    _one(
        "a writer keeps the run that it stops",
        "worker/running/generation_run.py",
        "            self.writer = self._task = None\n",
        "            self._task = None\n",
        "memory",
    ),
    _one(
        "a task keeps the exception that ended it",
        "worker/running/generation_run.py",
        "            with suppress(asyncio.CancelledError):\n                task.exception()\n",
        "",
        "memory",
    ),
    _one(
        "a failure keeps all that was read",
        STREAM,
        "                    del failure\n",
        "                    pass\n",
        "memory",
    ),
    _one(
        "a request stays while it is answered", STREAM, "        del send  # with it goes the request\n", "", "memory"
    ),
    _one(
        "an error keeps its reader",
        STREAM,
        "                failure = error.with_traceback(None)",
        "                failure = error",
        "memory",
    ),
    _one(
        "a broken body keeps all that waited for it",
        TRANSPORT,
        "self._broken = error.with_traceback(None)",
        "self._broken = error",
        "memory",
    ),
    _one(
        "a large request stays parsed",
        "worker/requests/kept_request.py",
        "        self._parsed = None\n        await self._whole.pack()",
        "        await self._whole.pack()",
        "memory",
    ),
    _one(
        "a large request stays as it came",
        "worker/requests/kept_request.py",
        "aside(self.size, zlib.compress, self.kept, ZLIB_LEVEL)",
        "aside(self.size, zlib.compress, self.kept, 0)",
        "memory",
    ),
    _one(
        "the connection that was idle for longest is used",
        TRANSPORT,
        "        idle.rotate(1)",
        "        pass",
        "transport",
    ),
    _one(
        "all idle connections are kept",
        TRANSPORT,
        "        while len(idle) > self._most:\n",
        "        while False:\n",
        "transport",
    ),
    _one(
        "an error is unpacked whole",
        "worker/providers/http_client.py",
        "                    if len(content) >= MAX_ERROR_BYTES:\n",
        "                    if False:\n",
        "transport",
    ),
    _one(
        "only deltas count towards `max_log`",
        "worker/writing/writer.py",
        "    return len(encode(event))\n",
        "    return 0\n",
        "writer",
    ),
    _one(
        "`max_log` counts characters instead of bytes",
        "worker/writing/writer.py",
        "            size = len(_text(event.delta)) - 2\n",
        "            size = len(event.delta)\n",
        "writer",
    ),
    _one(
        "what begins an answer has no bound",
        "worker/running/provider_call.py",
        "elif (size := len(encode(event))) + self._size > self._writer.max_log:",
        "elif (size := len(encode(event))) < 0:",
        "memory",
    ),
    _one(
        "an event nests as it likes",
        READING,
        "        data = shallow(event.data, MAX_JSON_LEVELS)\n",
        "        data = event.data\n",
        "deep",
    ),
    _one("a raw event nests as it likes", STREAM, "                bound(events)\n", "                pass\n", "deep"),
    _one(
        "a request is read for everything",
        "shared/generations/generations.py",
        '[*RECORD_FIELDS, "request", "asked"] if request else RECORD_FIELDS',
        '[*RECORD_FIELDS, "request", "asked"]',
        "routes",
    ),
    _one(
        "an owner's index stays for ever",
        "shared/queue/announce.lua",
        "if redis.call('PTTL', owner_index) < tonumber(kept_ms) then",
        "if false then",
        "contract",
    ),
    _one(
        "prices are remembered for every name",
        "worker/billing/prices.py",
        "lru_cache(MAX_REMEMBERED_MODELS)",
        "lru_cache(None)",
        "prices",
    ),
    _one(
        "an end is as long as a provider's word",
        READING,
        "raw_finish_reason[:MAX_REASON_CHARS]",
        "raw_finish_reason",
        "deep",
    ),
    _one(
        "what waits for its second half grows",
        "worker/writing/writer.py",
        'if event.delta and not "\\udc00" <= event.delta[0] <= "\\udfff":',
        "if False:",
        "writer",
    ),
    _one("what is large is copied for Redis", REDIS, "len(arg) >= LONG_WORK_BYTES", "len(arg) < 0", "redis"),
    _one(
        "a piece ends between a backslash and what it escapes",
        "shared/request/nesting.py",
        """if (len(chunk) - len(chunk.rstrip(b"\\\\"))) % 2:""",
        "if False:",
        "nesting",
    ),
    _one(
        "long work is done in the loop",
        "shared/process/background_thread.py",
        "    if size < LONG_WORK_BYTES:\n",
        "    if True:\n",
        "aside",
    ),
    _one(
        "a head may have any number of fields",
        FRAMING,
        "if end < 0 else end) > MAX_HEADER_FIELDS:",
        "if end < 0 else end) < 0:",
        "heads",
    ),
    _one(
        "a handshake has all the time",
        "api/serving/certificate.py",
        '            options["ssl_handshake_timeout"] = self.handshake_timeout\n',
        "            pass\n",
        "certificate",
    ),
    _one(
        "parts are made before they are counted",
        "api/intake/request_body.py",
        "            count_parts_of_text(body, MAX_PARTS)\n",
        "            pass\n",
        "bodies",
    ),
    _one(
        "what follows a control character in a model's name is in the log",
        "worker/running/log_lines.py",
        '"".join(takewhile(str.isprintable, name))',
        "name",
        "waiting",
    ),
    _one("a head has no bound", FRAMING, "if end < 0 and len(held) >= self._most:", "if False:", "heads"),
    _one(
        "a line may end without CR",
        FRAMING,
        "if _BARE.search(held, max(0, self._looked - 1), len(held) if end < 0 else end):",
        "if False:",
        "heads",
    ),
    _one("an upgrade reaches the parser", HEADS, 'frozenset({b"upgrade", ', "frozenset({", "heads"),
    _one("a request needs no host", HEADS, "if not hosts and line.old:", "if not hosts:", "heads"),
    _one("a host may be anything", HEADS, "if not found or int(found[2] or 0) > 65_535:", "if not found:", "heads"),
    _one("a length may stand beside chunks", HEADS, "if lengths or line.old:", "if line.old:", "heads"),
    _one("there may be two lengths", HEADS, "if len(lengths) > 1 or not", "if not", "heads"),
    _one("half a request has all the time", PROTOCOL, "        if waits is None:\n", "        if True:\n", "wire"),
    _one("any number of connections is taken", PROTOCOL, "if len(self.connections) <= most:", "if True:", "wire"),
    _one(
        "what came with a request is lost when its connection is given away",
        PROTOCOL,
        "if self._requests.held:\n            connection",
        "if False:\n            connection",
        "wire",
    ),
    _one(
        "what was answered before its end is followed by nothing",
        PROTOCOL,
        "        elif requests.whole:\n            # It was",
        "        elif False:\n            # It was",
        "wire",
    ),
    _one(
        "what was answered before its end is kept for ever",
        PROTOCOL,
        "            self._keep()\n            self._next()",
        "            self._next()",
        "wire",
    ),
    _one(
        "what is refused is not read out",
        PROTOCOL,
        "if self._requests.whole or self.transport.is_closing():",
        "if True:",
        "wire",
    ),
    _one(
        "idle connections are closed at once",
        PROTOCOL,
        "self.loop.call_later(IDLE_END_S, self._leave)",
        "self._leave()",
        "wire",
    ),
    _one(
        "remembered requests have no bound in bytes",
        "api/unsynced.py",
        "(self._bytes > MAX_REQUEST_BYTES and len(self.answers) > 1)",
        "False",
        "promises",
    ),
    _one(
        "a quality of 0 is a wish", "api/intake/accept_header.py", "return 0 < quality", "return 0 <= quality", "heads"
    ),
    _one(
        "values are not counted",
        "api/intake/request_body.py",
        "if more_values(body, max_values):",
        "if False:",
        "bodies",
    ),
    _one(
        "a value at the end of a piece is not counted",
        "shared/request/nesting.py",
        "        last = text[-1:]\n",
        '        last = b""\n',
        "nesting",
    ),
    Mutant(
        "parts are not counted",
        (
            Edit(
                "shared/request/request_json.py",
                "if sum(len(one) for one in lists if isinstance(one, list)) > most:",
                "if False:",
            ),
            Edit(
                "shared/request/request_json.py",
                "if sum(entries(one) or 0 for one",
                "if 0 > sum(entries(one) or 0 for one",
            ),
        ),
        ("bodies",),
    ),
    _one(
        "all mistakes of a body are listed, however many",
        "api/intake/body_errors.py",
        "if len(found) >= MAX_NAMED_FIELDS:",
        "if False:",
        "bodies",
    ),
    _one(
        "all unknown fields of a body are checked, however many",
        "api/intake/body_errors.py",
        "name not in _KNOWN), MAX_EXTRA_ENTRIES + 1))",
        "name not in _KNOWN), None))",
        "bodies",
    ),
    _one(
        "a long name is repeated",
        "api/intake/body_errors.py",
        "len(str(part)) <= MAX_REPEATED_NAME_CHARS, whole)",
        "True, whole)",
        "bodies",
    ),
    _one(
        "a word inside another is to blame",
        "worker/providers/refusals.py",
        """rf"(?<![\\w-]){re.escape(name)}(?![\\w-])\"""",
        "re.escape(name)",
        "owners",
    ),
    _one(
        "a refusal is learned before it has helped",
        "worker/providers/openai_responses/adapter.py",
        "                    without.append(self._plain)\n",
        "                    without.append(self._plain)\n                    self._plain.learn(model, request)\n",
        "owners",
    ),
    _one(
        "a refusal is learned of a request with an extra",
        "worker/providers/refusals.py",
        "if request.extra.get(self._endpoint):",
        "if False:",
        "owners",
    ),
    _one(
        "what a caller caused counts against a model",
        "worker/running/circuits.py",
        "if failure is not None and (own or failure in CODES_OF_THE_REQUEST):",
        "if failure in CODES_OF_THE_REQUEST:",
        "owners",
    ),
    _one(
        "an impatient caller counts against a model",
        "worker/running/circuits.py",
        '(code == "provider_timeout" and impatient)',
        "False",
        "owners",
    ),
    _one(
        "a probe that said nothing keeps others away",
        "worker/running/circuits.py",
        "            await self._let_others_probe(model)\n",
        "",
        "owners",
    ),
    _one(
        "a provider's cookies are kept",
        "worker/providers/http_client.py",
        "        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),\n",
        "",
        "owners",
    ),
    _one(
        "a message of a log may be several lines",
        "shared/process/telemetry.py",
        "return escaped(super().formatMessage(record))",
        "return super().formatMessage(record)",
        "text",
    ),
    _one(
        "an image may be a file of the provider's",
        "shared/request/message_parts.py",
        "    elif not _is_address(url):\n",
        "    elif False:\n",
        "text",
    ),
    _one(
        "connections that were refused stay open, however many",
        "api/serving/uvicorn_protocol.py",
        "            oldest.transport.abort()\n",
        "",
        "wire",
    ),
    _one(
        "a number may be infinite",
        "shared/request/json_fields.py",
        'return None if math.isfinite(value) else ""',
        "return None",
        "text",
    ),
    _one(
        "a sum hides an impossible count",
        "worker/providers/token_counts.py",
        "return counts if _possible(counts) else None",
        "return counts",
        "counts",
    ),
    _one("any host is this server's", GUARD, "and not self._is_ours(host):", "and False:", "browsers"),
    _one(
        "a host that ends like an allowed one is allowed",
        GUARD,
        "name.endswith(one[1:])",
        "name.endswith(one[2:])",
        "browsers",
    ),
    _one(
        "a page of another site may change something",
        GUARD,
        "or not _is_foreign(headers, host):",
        "or True:",
        "browsers",
    ),
    _one(
        "a page of the same site is the server's own",
        GUARD,
        'not in ("same-origin", "none")',
        '== "cross-site"',
        "browsers",
    ),
    _one(
        "an origin's port does not count",
        GUARD,
        "(name, port or default) == (our_name, our_port or default)",
        "name == our_name",
        "browsers",
    ),
    _one(
        "a page without an origin is the server's own",
        GUARD,
        "        return False  # `null`",
        "        return True  # `null`",
        "browsers",
    ),
    _one("a body may be text", "api/access/json_only.py", 'if kinds != ["application/json"]:', "if False:", "browsers"),
    _one(
        "a body may be packed",
        "api/access/json_only.py",
        'if any(coding.strip() not in ("", "identity") for coding in codings):',
        "if False:",
        "browsers",
    ),
    _one(
        "a slash too many leads elsewhere", "api/app.py", "redirect_slashes=False", "redirect_slashes=True", "browsers"
    ),
    _one(
        "an id comes before its event",
        NATIVE,
        'EVENT_FRAME = b"event: %b\\ndata: %b\\nid: %b\\n\\n"',
        'EVENT_FRAME = b"event: %b\\nid: %b\\ndata: %b\\n\\n"',
        "events",
    ),
    _one(
        "a heartbeat ends a block",
        NATIVE,
        'heartbeat = b": \\n"',
        'heartbeat = b": \\n\\n"',
        "events",
    ),
    _one("a stream may be transformed", "api/viewing/sse_frames.py", "no-store, no-transform", "no-store", "events"),
    _one(
        "a line separator stands as it is",
        "shared/log/events.py",
        "if _LINE_ENDS.search(data) else data",
        "if False else data",
        "events",
    ),
    _one(
        "a cursor has one name only",
        "api/viewing/resume.py",
        'name.replace("_", "").replace("-", "").lower()',
        'name.replace("_", "").replace("-", "")',
        "events",
    ),
    _one(
        "a repeated POST starts over",
        "api/routes/generations.py",
        "if cursor and idempotency_key is not None:",
        "if False:",
        "events",
    ),
    _one(
        "headers of the shell go along",
        "worker/providers/environment_headers.py",
        "os.environ.pop(name)",
        'os.environ.get(name, "")',
        "owners",
    ),
    _one(
        "another user's file is read",
        "shared/config/file_ownership.py",
        "if found.st_uid not in (user, ROOT_USER_ID):",
        "if False:",
        "folders",
    ),
    _one(
        "a file that all can write is read",
        "shared/config/file_ownership.py",
        "if found.st_mode & stat.S_IWOTH:",
        "if False:",
        "folders",
    ),
    _one(
        "a file that a group can write is read",
        "shared/config/file_ownership.py",
        "if found.st_mode & stat.S_IWGRP and",
        "if False and",
        "folders",
    ),
    _one("each count of a retry joins again", ASKERS, " and count not in asker.counts", "", "retries"),
    _one("who had its answer is joined", ASKERS, 'asker.state != "answered" and ', "", "retries"),
    _one(
        "two retries join at once",
        "shared/generations/join.lua",
        "if now ~= read then",
        "if false then",
        "retries",
    ),
    _one(
        "a late note takes a retry's place",
        "shared/generations/note_asker.lua",
        "old_asker ~= asker or old_state ~= 'connected'",
        "old_state ~= 'connected'",
        "retries",
    ),
    _one(
        "a node has died once Redis has forgotten it",
        JOINING,
        "return True if self._heartbeat.steady and beats[self._heartbeat.node] is not None else None",
        "return True",
        "retries",
    ),
    _one(
        "who is connected to another node is waited for no longer than a look",
        JOINING,
        "return False if beat != first[asker.node] else None",
        "return False",
        "retries",
    ),
    _one(
        "a retry that was cut off keeps its place",
        JOINING,
        '            self._notes.put(digest, replace(retry, state="broken"))\n',
        "",
        "retries",
    ),
    _one(
        "a stream that is broken off has its last chunk",
        CONNECTION,
        "            self._transport.close()  # what is written is sent, and the last chunk is missing\n",
        "            self.end()\n",
        "chaos dialects",
        "dialects",
    ),
    _one(
        "a node that goes away ends the streams of dialects as if they were whole",
        "api/viewing/viewer.py",
        "                else:\n                    self.break_off()\n",
        "                else:\n                    self._done = True\n",
        "chaos dialects",
        "dialects",
    ),
    _one(
        "what is void stays before what is new",
        TAIL,
        "            self.frames.clear()\n            self.broadcast.reset(0)\n",
        "            self.broadcast.reset(0)\n",
        "chaos dialects",
        "telling",
    ),
    _one(
        "who had some of what is void goes on with what is new",
        TAIL,
        "            self.broadcast.reset(0)\n",
        "",
        "chaos dialects",
        "telling",
    ),
    _one(
        "a number is taken for one of the epoch that stands",
        SHOWING,
        "(stands != epoch or (",
        "(stands < epoch or (",
        "chaos dialects",
        "dialects",
    ),
    _one(
        "who resumes begins one event too late",
        SHOWING,
        "else starting_after + 1",
        "else starting_after + 2",
        "chaos dialects",
        "dialects",
    ),
    _one(
        "a tail of another log goes on where it was",
        TAIL,
        "        self.resets += 1\n        self._begin()\n",
        "        self.resets += 1\n",
        "chaos tail",
        "telling",
    ),
    _one(
        "a tail that was fed listens a moment later",
        TAIL,
        "        self.listen()\n        self.changed()\n",
        "        await asyncio.sleep(0.05)\n        self.listen()\n        self.changed()\n",
        "chaos dialects",
        "telling",
    ),
    _one(
        "a projection leaves out the first event after a place",
        "api/viewing/projection.py",
        "fresh[skipped:]",
        "fresh[skipped + (skipped > 0) :]",
        "telling",
    ),
    _one(
        "a connection that ends its response by its end is closed in order",
        CONNECTION,
        '        socket.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))\n',
        "        pass\n",
        "connection",
    ),
    _one(
        "who was cut off has had its answer",
        ASKING,
        "    (asker.answered if whole else asker.broke)()\n",
        "    asker.answered()\n",
        "dialects",
        "dialect faults",
    ),
    _one(
        "who was sent to another node has had its answer",
        ASKING,
        "(asker.answered if isinstance(error, FailedAnswerError) else asker.broke)()",
        "asker.answered()",
        "dialect faults",
    ),
    _one(
        "a request is accepted whether or not it joins",
        ASKING,
        "None if asker is None else asker.joined\n",
        "None\n",
        "dialects",
        "dialect faults",
    ),
    _one(
        "what is accepted again was accepted now",
        "api/exchange/acceptance.py",
        "replace(acceptance, created_ms=accepted.created_ms)",
        "acceptance",
        "dialects",
    ),
    _one(
        "who has had more than there is is told that it is all",
        "api/viewing/viewer.py",
        "known.state is not None and position > tail.frames.count",
        "False",
        "hub",
    ),
    _one(
        "a number that there is not is taken",
        "api/exchange/showing.py",
        "(stands != epoch or (events is not None and starting_after >= events))",
        "stands != epoch",
        "dialects",
    ),
    _one(
        "a clean end is any end",
        RULES,
        '    if view.how == "end" and not view.marks:\n',
        "    if False:\n",
        "checker",
    ),
    _one(
        "any other bytes are excused by Redis",
        "tests/chaos/evidence.py",
        "            if self.not_healed(*write) or self.superseded(*write):\n                return True\n",
        "            return True\n",
        "checker",
    ),
    _one(
        "what is void may be whole",
        RULES,
        "    if finished and name != whole.name:\n",
        "    if False:\n",
        "checker",
    ),
    _one(
        "a ping may come before the first event",
        "api/viewing/viewer.py",
        "return self._dialect.heartbeat if begun else sse_frames.COMMENT",
        "return self._dialect.heartbeat",
        "hub",
    ),
    _one(
        "an end that Redis has forgotten is a deletion",
        "api/exchange/showing.py",
        "        raise unavailable()",
        "        raise ProblemError(410, 'gone', 'gone', 'gone')",
        "dialects",
    ),
)


def copied(folder: Path) -> Path:
    """The tree as it stands, without what tools left in it."""
    ignored = shutil.ignore_patterns("__pycache__", "node_modules", ".*")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
    return folder


def mutate(folder: Path, mutant: Mutant) -> None:
    """Apply a mutant's edits to a copy. Raises ValueError where the text is not there, or more than once."""
    for edit in mutant.edits:
        path = folder / edit.file
        text = path.read_text(encoding="utf-8")
        if text.count(edit.old) != 1:
            raise ValueError(f"{mutant.name}: {edit.file} has {text.count(edit.old)} times what is to be replaced")
        path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")


def passes(folder: Path, stage: str) -> bool:
    """Run one stage in a copy. What it prints is kept in the copy; a stage that hangs has not passed.

    Raises ChildProcessError for one that cannot run: it would catch whatever it is given.
    """
    words = STAGES[stage]
    missing = [word for word in words if word.startswith("tests/") and not (folder / word).exists()]
    if missing:
        raise ChildProcessError(f"the stage {stage} names files that are not there: {', '.join(missing)}")
    with (folder / f"{stage.replace(' ', '-')}.log").open("wb") as output:
        process = subprocess.Popen(
            ending_with_parent([sys.executable, *words]),
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder), "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            status = process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
    if status not in (0, 1):  # pytest's and ours where something failed; all else is that nothing was tried
        raise ChildProcessError(f"{stage} ended with status {status}")
    return status == 0


def caught_by(mutant: Mutant, stages: Sequence[str]) -> tuple[str, str] | None:
    """The first stage that fails without the guard, and what failed in it; None where all pass."""
    with tempfile.TemporaryDirectory(prefix="midstream-mutant-") as name:
        folder = copied(Path(name))
        mutate(folder, mutant)
        return next(((stage, said(folder, stage)) for stage in stages if not passes(folder, stage)), None)


def said(folder: Path, stage: str) -> str:
    """Which test failed, or which rules were broken, in a stage that did not pass."""
    output = (folder / f"{stage.replace(' ', '-')}.log").read_text(errors="replace")
    patterns = (r"^(?:FAILED|ERROR) \S*?::(\S+)", r"^(\d+ violations: .*)", r"^(attempts taken .*)")
    found = (match[1] for pattern in patterns if (match := re.search(pattern, output, re.MULTILINE)))
    return next(found, "no answer in time, or no result")


def healthy(stages: Sequence[str]) -> list[str]:
    """The stages that fail although nothing was removed: they would prove nothing."""
    with tempfile.TemporaryDirectory(prefix="midstream-mutant-") as name:
        folder = copied(Path(name))
        return [stage for stage in stages if not passes(folder, stage)]


def main(words: Sequence[str] | None = None) -> int:
    """Try the mutants, all or those named; gives 1 where one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="words that a mutant's name has; all mutants without any")
    parser.add_argument("--own", action="store_true", help="only the stages that a mutant names, not all that follow")
    parser.add_argument("--trust", action="store_true", help="do not run each stage on the healthy tree first")
    asked = parser.parse_args(words)
    chosen = [m for m in MUTANTS if not asked.names or any(name in m.name for name in asked.names)]
    if not asked.trust:
        needed = [s for s in STAGES if not asked.own or any(s in mutant.stages for mutant in chosen)]
        if sick := healthy(needed):
            print(f"these fail with every guard in place, so they would prove nothing: {', '.join(sick)}")
            return 2
    survivors = 0
    for mutant in chosen:
        rest = () if asked.own else tuple(stage for stage in STAGES if stage not in mutant.stages)
        began = time.monotonic()
        caught = caught_by(mutant, (*mutant.stages, *rest))
        survivors += caught is None
        stage, why = caught or ("SURVIVED", "")
        print(f"| {mutant.name} | {stage} | `{why}` | {time.monotonic() - began:.0f} s |", flush=True)
    print(f"{len(chosen)} mutants, {survivors} survived")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
