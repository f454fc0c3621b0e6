"""Sentences of texts, for the tests that measure them."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: words of a sentence; a code span, a number or a name of a file is one
MOST_WORDS = 25
#: what ends a sentence: a full stop, or a colon before a list
ENDS = re.compile(r"(?<=[.!?:])[)\"*]*\s+(?=[^a-z]|`|$)|:\s")
#: full stops that end no sentence
SHORT = (("e.g.", "eg"), ("i.e.", "ie"), (" vs.", " vs"), ("et al.", "et al"), ("...", "…"))


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a plain text of one paragraph, code spans and links as one word each."""
    for before, after in SHORT:
        text = text.replace(before, after)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"``[^`]+``|`[^`]+`", "CODE", text)
    for sentence in ENDS.split(text):
        if sentence and (found := " ".join(sentence.split())):
            yield found


def paragraphs(markdown: str) -> Iterator[str]:
    """Yield the paragraphs, list items and table cells of a page; no code, headings, comments or footnotes."""
    markdown = re.sub(r"^\s*(```|~~~).*?^\s*\1\s*$", "\n", markdown, flags=re.S | re.M)
    markdown = re.sub(r"<!--.*?-->|^---\n.*?^---\n", "", markdown, flags=re.S | re.M)
    block: list[str] = []
    for line in [*markdown.splitlines(), ""]:
        line = line.strip()
        if line.startswith("|"):
            yield from (cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|")))
        starts = re.match(r"([-*+]|\d+\.)\s|#|\||!!!|\?\?\?|>|<", line) is not None
        if (not line or starts) and block:
            yield " ".join(block)
            block = []
        if line and not line.startswith(("#", "|", "<")):
            block.append(re.sub(r"^([-*+]|\d+\.|>)\s+", "", line))


def words(sentence: str) -> int:
    """Return the number of words; signs alone are none."""
    return sum(1 for word in sentence.split() if re.search(r"\w", word))


def long(text: str, most: int = MOST_WORDS) -> list[str]:
    """Return the sentences of one paragraph that have more than `most` words."""
    return [sentence for sentence in sentences(text) if words(sentence) > most]
