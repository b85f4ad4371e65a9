"""The judge of a run: reads its history and knows nothing but the promises.

What a Redis that was killed may have lost is the only excuse there is, and it is narrow: with AOF `everysec` that is
what was acknowledged in the last two seconds before the kill (`LOSS`; Redis puts a write off for up to two seconds
while the one before is being synced), and only where the process that remembered it was struck as well: the worker
that wrote an event, or the API node that accepted a generation. An id never stands for two contents, excuse or not.
A fail-over is no excuse: the run's primary waits for its replica before it hands over. Nor is a clock that jumps, nor
a Redis that refuses.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from shared.log.events import TERMINAL_TYPES, EventId
from tests.chaos import client_rules, conversation_rules
from tests.chaos.continuity import ended, follows, forgotten, is_of
from tests.chaos.dialect_rules import told_wrongly
from tests.chaos.evidence import LATE, LOSS, Evidence
from tests.chaos.history import Post, Reported, Seen, Stored, View, read
from tests.chaos.undisturbed import held_up, lost_by_a_jump, still_refused

UNREAD = 20
"""Violations that are shown in words."""


class Violation(Struct, frozen=True):
    """A promise that was not kept: which rule, for which generation, and what was seen."""

    rule: str
    id: str
    what: str


class Checker:
    """Applies every rule; `violations` and `counts` are the outcome."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self.wrong_viewers: set[str] = set()

    def check(self) -> list[Violation]:
        """Apply all rules."""
        for rule in (
            self._one_content,
            self._logs,
            self._acceptance,
            self._appends,
            self._claims,
            self._reports,
            self._cancels,
            self._deletes,
            self._viewers,
            self._dialects,
            self._conversations,
            self._clients,
            self._deaths,
            self._undisturbed,
        ):
            rule()
        return self.violations

    def _wrong(self, rule: str, generation_id: str, what: str) -> None:
        self.violations.append(Violation(rule, generation_id, what))

    def _deaths(self) -> None:
        """No process ends by itself."""
        for died in self.evidence.died:
            self._wrong("died", died.process, f"ended with status {died.status}")

    def _undisturbed(self) -> None:
        """A fault does nothing to those whom it does not strike."""
        for generation_id, what in lost_by_a_jump(self.evidence):
            self._wrong("clock", generation_id, what)
        for generation_id, what in held_up(self.evidence):
            self._wrong("flow", generation_id, what)
        for key, what in still_refused(self.evidence):
            self._wrong("refused", key, what)

    def _one_content(self) -> None:
        """An event id means the same type and bytes for ever, whoever saw it."""
        contents: dict[tuple[str, str], tuple[str, str]] = {}
        for generation_id, seen in self._all_seen():
            if not seen.id:
                continue
            known = contents.setdefault((generation_id, seen.id), (seen.type, seen.hash))
            if known != (seen.type, seen.hash):
                self._wrong("content", generation_id, f"{seen.id} is {known} and also {(seen.type, seen.hash)}")
        self.counts["events"] = len(contents)

    def _all_seen(self) -> Iterable[tuple[str, Seen]]:
        for dumps in self.evidence.stored.values():
            for dump in dumps:
                for seen in dump.events:
                    yield dump.id, seen
        for append in self.evidence.appends:
            for offset, (type, digest) in enumerate(append.events):
                yield append.id, Seen(str(EventId(append.token, append.first + offset)), type, digest)
        for views in self.evidence.viewers.values():
            for view in views:
                for seen in view.events:
                    yield view.id, seen
        yield from self.evidence.seen_in_conversations()

    def _logs(self) -> None:
        """Dense ids, growing tokens, one terminal event at the end, and a sealed log stays as it is."""
        for generation_id, dumps in self.evidence.stored.items():
            before: Stored | None = None
            for dump in dumps:
                if dump.state is None:
                    continue
                if before is not None:
                    self._grown(before, dump)
                before = dump
            if before is not None:
                self._log(generation_id, before)

    def _grown(self, before: Stored, after: Stored) -> None:
        sealed = bool(before.seal)
        kept = after.events[: len(before.events)] == before.events
        if (not kept or (sealed and len(after.events) > len(before.events))) and not self.evidence.killed(
            before.at - LATE, after.at
        ):
            self._wrong("rewritten", after.id, "what the log held is not there any more, or a sealed log grew")

    def _log(self, generation_id: str, dump: Stored) -> None:
        previous = EventId(0, -1)
        for seen in dump.events:
            event_id = EventId.parse(seen.id)
            if not follows(previous, event_id):
                self._wrong("dense", generation_id, f"the log has {event_id} after {previous}")
            if event_id.seq == 0 and seen.type != "attempt" and seen.type not in TERMINAL_TYPES:
                self._wrong("dense", generation_id, f"{event_id} begins an attempt with {seen.type}")
            previous = event_id
        ends = [seen for seen in dump.events if seen.type in TERMINAL_TYPES]
        if len(ends) > 1 or (ends and ends[0] != dump.events[-1]):
            self._wrong("terminal", generation_id, f"the log has {len(ends)} terminal events, or more after the first")
        elif ends and (dump.seal, dump.state) != (ends[0].id, ends[0].type):
            self._wrong("terminal", generation_id, f"ends with {ends[0][:2]}, sealed is {(dump.state, dump.seal)}")
        elif dump.seal and not ends:
            self._wrong("terminal", generation_id, "is sealed without a terminal event")

    def _acceptance(self) -> None:
        """Every 202 ends, with the answer that was asked for; a key means one generation; refusals are honest."""
        keys: dict[str, str] = {}
        for post in self.evidence.posts:
            told = post.dialect != "native" and (post.id is not None or post.status == -1)
            if post.id is not None and not told and keys.setdefault(post.key, post.id) != post.id:
                self._wrong("key", post.id, f"the idempotency key of {keys[post.key]} gave another generation")
            refused = post.status not in (202, 503, None) or (post.status == 503 and not post.retry_after)
            reads_on = post.status == 200 and post.id is not None  # in the answer to the POST
            if refused and not told and not reads_on:
                self._wrong("status", post.id or post.key, f"a POST was answered {post.status}")
        accepted = self.evidence.accepted
        self.counts["generations"] = len(accepted)
        for generation_id, post in accepted.items():
            if generation_id not in self.evidence.deletes:
                self._ended(generation_id, post)
        for generation_id, dumps in self.evidence.stored.items():
            last = dumps[-1]
            if generation_id not in accepted and last.state is not None and not last.seal:
                self._wrong("ended", generation_id, f"was never answered, and stays {last.state}")

    def _ended(self, generation_id: str, post: Post) -> None:
        log = self.evidence.log(generation_id)
        if not log or log[-1].type not in TERMINAL_TYPES:
            # What the queue has lost is found again in the log's Redis.
            if not log and self.evidence.lost_with_its_node(generation_id, post):
                self.counts["lost with both its node and Redis"] += 1
                return
            self.counts["not ended"] += 1
            self._wrong("ended", generation_id, f"was accepted, and its log ends with {log[-1:]}")
            return
        self.counts[log[-1].type] += 1
        text = next(dump.text for dump in reversed(self.evidence.stored[generation_id]) if dump.state is not None)
        if log[-1].type == "completed" and post.text and text != post.text:
            self._wrong("text", generation_id, "is completed, and says something else than the provider")

    def _appends(self) -> None:
        """Once a later attempt has claimed, an older one adds nothing; what the log took, it has."""
        held = {
            generation_id: {seen.id for seen in self.evidence.log(generation_id)}
            for generation_id in self.evidence.stored
        }
        for append in self.evidence.appends:
            later = [
                c for c in self.evidence.claims.get(append.id, ()) if c.token > append.token and c.at < append.sent
            ]
            if later:
                self.counts["zombie appends"] += 1
            if append.outcome != "OK":
                self.counts["refused appends"] += 1
                continue
            # A claim that Redis has forgotten fences nobody. Its token is the moment in which it was made.
            binding = [
                claim for claim in later if not self.evidence.killed(self.evidence.claimed(claim) - 0.1, append.at)
            ]
            if binding:
                self.counts["zombie appends accepted"] += 1
                self._wrong(
                    "superseded", append.id, f"{append.worker} wrote as {append.token} after {binding[0].token}"
                )
            last = str(EventId(append.token, append.first + len(append.events) - 1))
            if append.id in self.evidence.deletes or append.id not in held or last in held[append.id]:
                continue
            write = append.id, append.token, append.sent, append.at
            if not self.evidence.not_healed(*write) and not self.evidence.superseded(*write):
                self._wrong("kept", append.id, f"{last} was taken, and is not in the log")

    def _claims(self) -> None:
        """A token is given once, and between a claim and its first event nobody else writes."""
        for generation_id, claims in self.evidence.claims.items():
            tokens = Counter(claim.token for claim in claims)
            for token, times in tokens.items():
                if times > 1:
                    self._wrong("token", generation_id, f"{token} was given {times} times")
            log = [seen.id for seen in self.evidence.log(generation_id)]
            for claim in claims:
                first = f"{claim.token}-0"
                if first not in log or self.evidence.away(self.evidence.claimed(claim) - LOSS, claim.at + LATE):
                    continue
                before = log[log.index(first) - 1] if log.index(first) else "0-0"
                if before != claim.last:
                    self._wrong(
                        "superseded", generation_id, f"{claim.token} claimed at {claim.last}, then came {before}"
                    )

    def _reports(self) -> None:
        """What the API says in the end is what the log says."""
        for report in self.evidence.reported:
            log = self.evidence.log(report.id)
            expired = report.status in self._when_expired(report) and self.evidence.stored[report.id][-1].state is None
            # What Redis has forgotten, it is told again a moment later.
            forgotten = self.evidence.away(report.at - LATE, report.at + LOSS)
            if report.id in self.evidence.deletes or not log or expired or forgotten:
                continue
            if (report.status, report.state, report.last) != (200, log[-1].type, log[-1].id):
                self._wrong("report", report.id, f"the API says {report}, the log {log[-1]}")

    def _when_expired(self, report: Reported) -> tuple[int, ...]:
        assert self.evidence.setup is not None
        log = self.evidence.log(report.id)
        began = self.evidence.began(report.id, EventId.parse(log[-1].id).token, report.at) if log else 0.0
        return (404, 410) if report.at > began + self.evidence.setup.known else (410,)

    def _cancels(self) -> None:
        """The end that a cancel was told is the end that the log has, and nothing is cancelled that is watched."""
        asked = {cancel.id for cancel in self.evidence.cancels}
        for generation_id in self.evidence.stored.keys() - asked:
            log = self.evidence.log(generation_id)
            if log and log[-1].type == "cancelled":
                self._wrong("cancel", generation_id, "was cancelled, although nobody asked and it had viewers")
        for cancel in self.evidence.cancels:
            log = self.evidence.log(cancel.id)
            if cancel.status not in (200, 202, 503, 404, 410, None):
                self._wrong("status", cancel.id, f"a cancel was answered {cancel.status}")
            if cancel.state not in TERMINAL_TYPES or not log or cancel.id in self.evidence.deletes:
                continue
            if log[-1].type != cancel.state and not self.evidence.forgotten(cancel.sent, cancel.at):
                self._wrong("cancel", cancel.id, f"was told to be {cancel.state}, and the log ends {log[-1].type}")

    def _deletes(self) -> None:
        """What was deleted is gone."""
        for generation_id, deletes in self.evidence.deletes.items():
            done = [delete for delete in deletes if delete.status == 204]
            if not done or not (dumps := self.evidence.stored.get(generation_id)):
                continue
            if dumps[-1].state is not None and not self.evidence.forgotten(done[0].sent, done[-1].at):
                self._wrong("deleted", generation_id, "was deleted, and is still there")

    def _viewers(self) -> None:
        """Every viewer saw every event once and in order, to the end."""
        for views in self.evidence.viewers.values():
            self.counts["viewers"] += 1
            self.counts["reconnects"] += len(views) - 1
            before = len(self.violations)
            self._viewer(views)
            if len(self.violations) > before:
                self.wrong_viewers.add(views[0].viewer)

    def _dialects(self) -> None:
        """Every client of a dialect put together the uncut stream, or was told honestly why not."""
        for views in self.evidence.dialect_viewers.values():
            self.counts[f"viewers in {views[0].dialect}"] += 1
            self.counts["reconnects in a dialect"] += len(views) - 1
            self.counts["epochs refused"] += sum(view.code == "superseded" for view in views)
        for rule, generation_id, what in told_wrongly(self.evidence):
            self._wrong(rule, generation_id, what)

    def _conversations(self) -> None:
        """Every follower of a conversation saw the same turns in the same order, each event once."""
        self.counts["conversations"] = len(self.evidence.turns)
        self.counts["turns"] = sum(len(turns.held) for turns in self.evidence.turns.values())
        for views in self.evidence.conversation_viewers.values():
            self.counts["followers"] += 1
            self.counts["reconnects of followers"] += len(views) - 1
            told = Counter(event.type for view in views for event in view.events)
            self.counts["told beside another turn"] += told["begun"]
            self.counts["resets of followers"] += told["reset"]
        for rule, id, what in conversation_rules.told_wrongly(self.evidence):
            self._wrong(rule, id, what)

    def _clients(self) -> None:
        """What clients add up to is what was said."""
        self.counts["generations that clients added up"] = len(self.evidence.folded)
        self.counts["conversations that clients had open"] = len(self.evidence.pages)
        for rule, id, what in client_rules.added_up_wrongly(self.evidence):
            self._wrong(rule, id, what)

    def _viewer(self, views: list[View]) -> None:
        seen: list[Seen] = []
        for view in views:
            self._status(view)
            if view.status != 200:
                continue
            if not view.cursor or view.invented:
                seen = []
            else:
                position = next((i for i, event in enumerate(seen) if event.id == view.cursor), None)
                assert position is not None, f"{view.viewer} resumed after an event that it had not seen"
                seen = seen[: position + 1]
            self._connection(view, seen)
        self._whole(views, seen)

    def _status(self, view: View) -> None:
        if view.status in (200, None):
            return
        asked = [delete.sent for delete in self.evidence.deletes.get(view.id, ())]
        if view.status in (404, 410):
            # Without a DELETE: until it is restored, a record that Redis has lost is unknown.
            post = self.evidence.accepted.get(view.id)
            lost = (
                post is not None and not self.evidence.log(view.id) and self.evidence.lost_with_its_node(view.id, post)
            )
            killed = self.evidence.away(view.at - LATE, view.at)
            if not lost and not killed and not any(sent <= view.at for sent in asked):
                self._wrong("status", view.id, f"{view.viewer} was told {view.status} of a generation that is there")
        elif view.status == 204:
            log = self.evidence.log(view.id)
            cursor = EventId.parse(view.cursor) if view.cursor else EventId(0, 0)
            if not asked and (not log or cursor < EventId.parse(log[-1].id)):
                self._wrong("complete", view.id, f"{view.viewer} was told at {view.cursor} that there is no more")
        else:
            self._wrong("status", view.id, f"{view.viewer} was told {view.status}, which no viewer resumes after")

    def _connection(self, view: View, seen: list[Seen]) -> None:
        known = {event.id for event in seen}
        for event in view.events:
            if event.type == "reset":
                self._reset(view, seen, event)
                seen.clear()
                known.clear()
            if not event.id:
                continue
            previous = EventId.parse(seen[-1].id) if seen else EventId(0, -1)
            following = EventId.parse(event.id)
            if seen and seen[-1].type in TERMINAL_TYPES:
                self._wrong("terminal", view.id, f"{view.viewer} saw {event.id} after the end")
            if not follows(previous, following):
                kind = "duplicated" if event.id in known else "reordered" if following < previous else "lost"
                self.counts[kind] += 1
                self._wrong(kind, view.id, f"{view.viewer} saw {event.id} after {previous}")
            seen.append(event)
            known.add(event.id)

    def _reset(self, view: View, seen: list[Seen], reset: Seen) -> None:
        self.counts["resets"] += 1
        if view.invented and not seen:
            return
        # What a Redis has lost may be shown again, by an API node that has not yet heard that it is no more.
        since = self.evidence.first_seen(view.id, seen[-1].id, seen[-1].at) if seen else view.sent
        if not self.evidence.killed(since - LATE, reset.at):
            self._wrong("reset", view.id, f"{view.viewer} was reset after {seen[-1].id if seen else view.cursor!r}")

    def _whole(self, views: list[View], seen: list[Seen]) -> None:
        last = views[-1]
        if last.how == "hung":
            self._wrong("hung", last.id, f"{last.viewer} heard nothing more after {seen[-1].id if seen else 'nothing'}")
        if last.id in self.evidence.deletes:
            return
        log = self.evidence.log(last.id)
        if is_of(seen, log):
            return
        if forgotten(self.evidence, last.id, seen, log):
            self.counts["told what a killed Redis forgot"] += 1
            return
        due, had = log if ended(seen) else log[: len(seen)], {event.id for event in seen}
        missing = sum(event.id not in had for event in due)
        self.counts["lost"] += missing
        self._wrong(
            "complete", last.id, f"{last.viewer} had {len(seen)} events, of the log's {len(log)} it misses {missing}"
        )


def say(violations: list[Violation]) -> str:
    """The first violations in words, and how many there are of each rule."""
    lines = [f"  {violation.rule}: {violation.id}: {violation.what}" for violation in violations[:UNREAD]]
    rules = Counter(violation.rule for violation in violations)
    return "\n".join([f"{len(violations)} violations: {dict(rules)}", *lines])


def main() -> None:
    """Judge the history in a folder: `python -m tests.chaos.checker FOLDER`."""
    checker = Checker(Evidence(read(Path(sys.argv[1]))))
    violations = checker.check()
    print(say(violations) if violations else "every promise was kept")
    print(dict(checker.counts))
    sys.exit(bool(violations))


if __name__ == "__main__":
    main()
