"""The text of language models: the key `data` with a source of text. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from nas_steps.config.data import Data
from nas_steps.config.section import Fraction, PathText, Positive, Section, Text
from nas_steps.errors import exact
from nas_steps.facts import BPE, BYTES, vocabulary_of

TextSource = Literal["stdlib", "text"]
TEXT_SOURCES: tuple[str, ...] = get_args(TextSource)
#: the start of a document, 256 bytes and one pair of them
SMALLEST_BPE = 258


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class TextData(Section):
    """The text that a language model learns, and how it becomes tokens."""

    source: TextSource = Field(
        "stdlib",
        description="`stdlib` (the sources of Python's own standard library, no download); `text` (a folder of text "
        "files, or a .zip of it).",
    )
    path: PathText | None = Field(None, description="The folder or .zip of `text`.")
    files: Annotated[list[Text], BeforeValidator(_as_list), Field(min_length=1)] = Field(
        ["*.txt"],
        description="Patterns of the names of the files of `text`: `*.md`, or with a slash `poems/*.txt` for the whole "
        "relative name. Each file is a document.",
    )
    tokens: Literal["bytes", "bpe"] = Field(
        "bytes",
        description="`bytes` (a token is a byte); `bpe` (byte pairs that are frequent in the training part; Sennrich "
        "et al. 2016; needs `pip install -e '.[bpe]'`).",
    )
    vocabulary: int | None = Field(
        None,
        ge=SMALLEST_BPE,
        le=2**16,
        description=f"Number of tokens of `bpe`; null: {BPE}. Those of `bytes` are {BYTES}.",
    )
    context: int = Field(
        256, ge=2, le=2**16, description="Tokens that a network sees at once; text is scored in windows of this length."
    )
    valid: Fraction = Field(0.1, description="Share of the bytes for validation if the folder has no such part.")
    test: Fraction = Field(0.1, description="Share of the bytes for the final test if the folder has no such part.")
    max_train: Positive | None = Field(None, description="Bytes of training text to keep, at most (seeded documents).")
    max_valid: Positive | None = Field(None, description="Bytes of validation text to keep, at most.")
    max_test: Positive | None = Field(None, description="Bytes of test text to keep, at most.")

    @model_validator(mode="after")
    def _consistent(self) -> TextData:
        if self.valid + self.test >= 0.95:
            total = exact(self.valid + self.test)
            raise ValueError(f"valid + test is {total}: that leaves less than 5 % to train on; lower one of them")
        if self.source == "stdlib" and self.path is not None:
            raise ValueError(f"source stdlib reads no path, but path is {self.path!r}; set source: text")
        if self.source == "stdlib" and self.files != type(self).model_fields["files"].default:
            raise ValueError(
                f"source stdlib reads Python's own files, but files is {self.files}; set source: text, or leave files "
                "out"
            )
        if self.tokens == "bytes" and self.vocabulary is not None:
            raise ValueError(
                f"tokens is bytes, of which there are {BYTES}, but vocabulary is {self.vocabulary}; set tokens: bpe, "
                "or leave vocabulary out"
            )
        return self


def vocabulary_size(data: TextData) -> int:
    """Return the number of tokens."""
    return vocabulary_of(data.tokens, data.vocabulary)


def _kind(value: Any) -> str:
    source = value.get("source") if isinstance(value, dict) else getattr(value, "source", None)
    return "text" if source in TEXT_SOURCES else "images"


#: images or text, by the source: what the key `data` is for a config that knows both
AnyData = Annotated[Annotated[Data, Tag("images")] | Annotated[TextData, Tag("text")], Discriminator(_kind)]
