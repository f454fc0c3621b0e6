"""Say sentences about accuracies, which are written once, in the words of another metric.

For language models they speak of bits per byte, of which fewer are better, of FLOPs and of text instead of images.
"""

import re

from nas_steps.facts import ACCURACY, NEG_BITS_PER_BYTE
from nas_steps.metrics import WORDS

#: pattern and replacement, in the order in which they are applied
_PHRASES: tuple[tuple[str, str], ...] = (
    (r"\bmultiply-accumulates \(MACs\)", "FLOPs"),
    (r"\bmultiply-accumulates an image\b", "FLOPs a token"),
    (r"\bmultiply-accumulates(?! of a context)\b", "FLOPs a token"),
    (r"\btraining MACs per image\b", "training FLOPs"),
    (r"\bMACs\b", "FLOPs"),
    # the better figure is the lower one
    (r"\bhighest (mean )?validation accuracy\b", r"lowest \1validation bits per byte"),
    (r"\ba validation accuracy\b", "validation bits per byte"),
    (r"\bno accuracy above the sample's best\b", "no bits per byte below the sample's best"),
    (r"\bat or above the median accuracy\b", "at or below the median bits per byte"),
    (r"\bmore accurate\b", "better"),
    (r"\bMore accurate\b", "Better"),
    (r"\bmost accurate\b", "best"),
    (r"\bMost accurate\b", "Best"),
    (r"\b(?:An accuracy|Accuracy|Accuracies)(?![\w-])", "Bits per byte"),
    (r"\b(?:an )?accurac(?:y|ies)(?![\w-])", "bits per byte"),
    (r"\bnumber of (training|validation|test) images\b", r"amount of \1 text"),
    (r"\b(training|validation|test) images?\b", r"\1 text"),
)
_COMPILED = tuple((re.compile(pattern), new) for pattern, new in _PHRASES)
#: a tolerance, which `retraining.recommend` tells in percentage points
_BELOW = re.compile(r"\bat most ([\d.]+) points below\b")


def of_text(text: str) -> str:
    """Return a text about image classifiers in the words of language models."""
    text = _BELOW.sub(lambda found: f"at most {float(found[1]) / 100:g} bits per byte above", text)
    for pattern, new in _COMPILED:
        text = pattern.sub(new, text)
    return text


def in_words(text: str, metric: str) -> str:
    """Return a text that speaks of accuracy in the words of another metric."""
    if metric == ACCURACY:
        return text
    if metric == NEG_BITS_PER_BYTE:
        return of_text(text)
    one = WORDS[metric]
    several = "balanced accuracies" if metric == "balanced_accuracy" else "macro-F1 figures"
    text = re.sub(r"\b([Aa])n (?=accurac)", r"\1 ", text)
    text = re.sub(r"\b([Mm])ore accurate\b", lambda found: "Better" if found[1] == "M" else "better", text)
    text = re.sub(r"\b([Mm])ost accurate\b", lambda found: "Best" if found[1] == "M" else "best", text)
    for old, new in (("accuracy", one), ("accuracies", several)):
        text = re.sub(rf"(?<![\w-])(?<!balanced ){old}(?![\w-])", new, text)
        text = re.sub(rf"(?<![\w-]){old.capitalize()}(?![\w-])", new[0].upper() + new[1:], text)
    return text
