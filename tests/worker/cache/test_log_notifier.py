"""Who follows a log is woken by each publication, over one subscription however many follow it."""

from __future__ import annotations

import pytest

from shared.storage.keys import GenerationKeys
from shared.storage.subscriber import Listener, Subscriber
from worker.cache.log_notifier import LogNotifier


class Channels:
    """The subscriptions that there are."""

    def __init__(self) -> None:
        self.listeners: dict[str, Listener] = {}
        self.begun = 0

    def subscribe(self, channel: str, listener: Listener) -> None:
        assert channel not in self.listeners
        self.listeners[channel] = listener
        self.begun += 1

    def unsubscribe(self, channel: str, listener: Listener) -> None:
        assert self.listeners.pop(channel) is listener

    def publish(self, generation_id: str) -> None:
        self.listeners[GenerationKeys(generation_id).channel].published(b"a delta")


@pytest.fixture
def channels() -> Channels:
    return Channels()


@pytest.fixture
def notifier(channels: Channels) -> LogNotifier:
    subscriber: Subscriber = channels  # type: ignore[assignment]
    return LogNotifier(subscriber)


def test_a_publication_wakes_all_who_follow_that_log(channels: Channels, notifier: LogNotifier) -> None:
    with notifier.of("gen_a") as first, notifier.of("gen_a") as second, notifier.of("gen_b") as other:
        assert not first.is_set()
        channels.publish("gen_a")
        assert (first.is_set(), second.is_set(), other.is_set()) == (True, True, False)
        first.clear()
        channels.publish("gen_a")
        assert first.is_set()


def test_a_subscription_that_begins_anew_may_have_missed_some(channels: Channels, notifier: LogNotifier) -> None:
    with notifier.of("gen_a") as news:
        channels.listeners[GenerationKeys("gen_a").channel].subscribed()
        assert news.is_set()


def test_one_subscription_serves_all_and_ends_with_the_last(channels: Channels, notifier: LogNotifier) -> None:
    with notifier.of("gen_a"):
        with notifier.of("gen_a"):
            assert channels.begun == 1
        assert list(channels.listeners) == [GenerationKeys("gen_a").channel]
        channels.publish("gen_a")
    assert channels.listeners == {}
    with notifier.of("gen_a"):
        assert channels.begun == 2


def test_who_left_by_an_error_leaves_nothing(channels: Channels, notifier: LogNotifier) -> None:
    with pytest.raises(LookupError), notifier.of("gen_a"):
        raise LookupError
    assert channels.listeners == {}
