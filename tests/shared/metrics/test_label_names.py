"""The values of a label are bounded, whoever makes names up."""

from __future__ import annotations

from shared.metrics.label_names import MAX_CHARS, OTHER, LabelNames


def test_the_first_names_have_labels_and_all_others_share_one() -> None:
    names = LabelNames(2, ["known"])
    assert [names.admit(name) for name in ("a", "b", "c", "a", "known")] == ["a", "b", OTHER, "a", "known"]


def test_a_name_that_was_not_admitted_has_no_label_and_takes_no_room() -> None:
    names = LabelNames(1)
    assert names.value("a") == OTHER
    assert names.admit("b") == "b"
    assert names.value("b") == "b"
    assert names.admit("a") == OTHER


def test_a_long_name_is_cut() -> None:
    names = LabelNames(1)
    assert names.admit("a" * 10_000) == "a" * MAX_CHARS == names.value("a" * 5_000)
