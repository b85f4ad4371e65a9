"""Every name in Redis: keys and channels. docs/architecture.md says what is under each.

Those of one generation share the hash tag `{ID}`, and so one cluster slot: one script may touch them. No script touches
these and others.
"""

import hashlib
from datetime import date

SECRET_KEY = "midstream:secret"
QUEUE_KEY = "midstream:queue"
LEASES_KEY = "midstream:queue:leases"
WAKE_KEY = "midstream:queue:wake"
LEASED_KEY = "midstream:queue:leased"
LINE_OWNERS_KEY = "midstream:queue:owners"
LINES_KEY = "midstream:queue:lines"
FINISHED_KEY = "midstream:queue:finished"
TIME_KEY = "midstream:queue:time"
WORKERS_KEY = "midstream:workers"
PLACES_KEY = "midstream:workers:places"
FAILURES_KEY = "midstream:failures"
ANSWERS_KEY = "midstream:answers"
ACTIVITY_KEY = "midstream:activity"
LEASE_KEY = "midstream:lease"
PENDING_KEY = "midstream:pending"
DEADLINES_KEY = "midstream:deadlines"
UNWATCHED_KEY = "midstream:unwatched"
OWNERS_KEY = "midstream:owners"
COUNTED_KEY = "midstream:usage:counted"
USAGE_OWNERS_KEY = "midstream:usage:owners"
KEYS_KEY = "midstream:keys"
RECOVERY_KEY = "midstream:recovery"
SYNC_MARK_KEY = "midstream:synced"
"""Written last: an append-only file is in order, so where this is on disk, all before it is."""
PROBE_KEY = "midstream:probe"
"""Written to see whether Redis takes writes again."""
INTERRUPTS_CHANNEL = "midstream:interrupts"
"""A channel that tells workers which generations to look at at once, as they were cancelled or deleted."""
VIEWERS_CHANNEL = "midstream:viewers"
"""A channel that tells API nodes whose viewers are to be counted, as a viewer wants to know how many there are."""


class GenerationKeys:
    """The keys of one generation."""

    def __init__(self, generation_id: str) -> None:
        self.record = f"midstream:{{{generation_id}}}:record"
        self.log = self.channel = f"midstream:{{{generation_id}}}:log"
        """The log, and the channel of its name where the append script publishes what it wrote."""
        self.tombstone = f"midstream:{{{generation_id}}}:tombstone"
        self.packing = f"midstream:{{{generation_id}}}:packing"
        self.viewers = f"midstream:{{{generation_id}}}:viewers"


class ConversationKeys:
    """The keys of one conversation, by a digest of its owner and name, which may hold any character."""

    def __init__(self, owner: str, conversation: str) -> None:
        named = f"{len(owner)}:{owner}{conversation}".encode()
        digest = hashlib.sha256(named).hexdigest()[:32]
        self.about = self.channel = f"midstream:{{{digest}}}:conversation"
        """What is known of it, and the channel of its name where its new generations are told."""
        self.generations = f"midstream:{{{digest}}}:generations"
        self.tombstone = f"midstream:{{{digest}}}:ended"
        self.buried = f"midstream:{{{digest}}}:buried"


def job_key(generation_id: str) -> str:
    """Returns the key of arq's job: `arq.constants.job_key_prefix`."""
    return f"arq:job:{generation_id}"


def retry_key(generation_id: str) -> str:
    """Returns the key of arq's count of tries: `arq.constants.retry_key_prefix`."""
    return f"arq:retry:{generation_id}"


def line_key(owner: str) -> str:
    """Returns the key of the ids that wait in an owner's line."""
    return f"midstream:queue:line:{owner}"


def running_key(owner: str) -> str:
    """Returns the key of the ids of an owner that are leased."""
    return f"midstream:queue:running:{owner}"


def owner_key(owner: str) -> str:
    """Returns the key of the index of an owner's generations."""
    return f"midstream:owner:{owner}"


def conversations_key(owner: str) -> str:
    """Returns the key of the index of an owner's conversations."""
    return f"midstream:conversations:{owner}"


def owner_viewers_key(owner: str) -> str:
    """Returns the key of the streams that an owner has open at each API node."""
    return f"midstream:viewers:{owner}"


def announced_key(owner: str) -> str:
    """Returns the key of an owner's generations that are announced, and not in its line yet."""
    return f"midstream:queue:announced:{owner}"


def rate_key(owner: str) -> str:
    """Returns the key of how many of an owner's requests of the last minute count still."""
    return f"midstream:rate:{owner}"


def usage_key(owner: str, day: date) -> str:
    """Returns the key of what an owner used on a day (UTC)."""
    return f"midstream:usage:{owner}:{day.isoformat()}"


def cache_key(digest: str) -> str:
    """Returns the key of the generation that answers all requests of this digest."""
    return f"midstream:cache:{digest}"


def askers_key(digest: str) -> str:
    """Returns the key of who asked a request of this digest, so that a retry finds what it is a retry of."""
    return f"midstream:askers:{digest}"


def api_node_key(node: str) -> str:
    """Returns the key that an API node renews while it lives."""
    return f"midstream:api:{node}"


def session_key(digest: str) -> str:
    """Returns the key of a browser's session, by the digest of its cookie."""
    return f"midstream:session:{digest}"


def share_key(share_id: str) -> str:
    """Returns the key of a link to a generation, by the id that is made of its secret."""
    return f"midstream:share:{share_id}"


def stored_key(key_id: str) -> str:
    """Returns the key of what is known of an API key that was made here."""
    return f"midstream:key:{key_id}"


def circuit_key(model: str) -> str:
    """Returns the key that says whether a model, as `provider/model`, fails now."""
    return f"midstream:circuit:{model}"


def provider_key(name: str) -> str:
    """Returns the key of the places of a provider that has a bound of calls."""
    return f"midstream:provider:{name}"


def provider_waiting_key(name: str) -> str:
    """Returns the key of those among them that wait for one."""
    return f"midstream:waiting:{name}"


def task_key(task: str) -> str:
    """Returns the key that one worker holds while it does a task that one worker is enough for."""
    return f"midstream:alone:{task}"
