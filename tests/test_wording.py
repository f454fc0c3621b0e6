"""Sentences about accuracies in the words of other metrics."""

from __future__ import annotations

import pytest

from nas_steps.facts import NEG_BITS_PER_BYTE
from nas_steps.retraining.recommend import AT_MOST, BY_RANKING, BY_VALID, RULES
from nas_steps.wording import in_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("An accuracy; accuracies of test_accuracy.", "A macro-F1; macro-F1 figures of test_accuracy."),
        ("Accuracy: the most accurate is more accurate.", "Macro-F1: the best is better."),
        ("balanced_accuracy", "balanced_accuracy"),
    ],
)
def test_texts_of_accuracy_speak_of_the_metric(text: str, expected: str) -> None:
    assert in_words(text, "macro_f1") == expected
    assert in_words(text, "accuracy") == text
    assert in_words("balanced accuracy, accuracy", "balanced_accuracy") == "balanced accuracy, balanced accuracy"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("An accuracy, the accuracies; Accuracy.", "Bits per byte, the bits per byte; Bits per byte."),
        ("the most accurate is more accurate", "the best is better"),
        ("the highest mean validation accuracy", "the lowest mean validation bits per byte"),
        ("no network has a validation accuracy", "no network has validation bits per byte"),
        ("1 M multiply-accumulates an image, the fewest MACs", "1 M FLOPs a token, the fewest FLOPs"),
        ("a finite number of test images", "a finite amount of test text"),
        ("500 multiply-accumulates of a context", "500 multiply-accumulates of a context"),
        ("test_accuracy of an image", "test_accuracy of an image"),
    ],
)
def test_texts_of_images_speak_of_language_models(text: str, expected: str) -> None:
    assert in_words(text, NEG_BITS_PER_BYTE) == expected


def test_the_rule_of_the_recommendation_holds_for_bits() -> None:
    rule = in_words(RULES[BY_VALID] + AT_MOST.format(points="0.5"), NEG_BITS_PER_BYTE)
    assert rule == (
        "Of the networks that may be the best, the one with the fewest FLOPs a token. A network may be if the 95 % "
        "interval of its difference to the best validation bits per byte holds 0. It may be at most 0.005 bits per "
        "byte above."
    )
    assert "learnt the validation text, so the ranking's validation bits per byte choose" in in_words(
        RULES[BY_RANKING], NEG_BITS_PER_BYTE
    )
