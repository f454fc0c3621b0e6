"""The report's page: the key `report`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from nas_steps.config.section import LONGEST_ENTRY, NAME, EachOnce, Section, Text
from nas_steps.errors import exact


def _figure(value: list[float]) -> list[float]:
    mean, deviation, searches = value
    if not (0 <= mean <= 100 and deviation >= 0 and searches >= 1 and searches == int(searches)):
        given = ", ".join(map(exact, value))
        wanted = "a mean and a standard deviation in per cent, and a number of searches, as [93.51, 0.13, 3]"
        raise ValueError(f"given [{given}], but wanted are {wanted}")
    return value


#: [mean, standard deviation, searches]
Figure = Annotated[list[float], Field(min_length=3, max_length=3), AfterValidator(_figure)]


class Published(Section):
    """What a paper says of a strategy: means over searches."""

    test: Figure = Field(description="Of the column `report`: mean, standard deviation (both in per cent), searches.")
    valid: Figure | None = Field(None, description="The same of the column `valid`.")
    source: Text = Field(min_length=1, description="Where that stands: paper, version, table.")


class Report(Section):
    mistakes: int = Field(
        12,
        ge=0,
        le=60,
        description="Test images shown: the most confident mistakes of the recommended network. 0: none.",
    )
    published: dict[Annotated[str, Field(pattern=NAME, max_length=LONGEST_ENTRY)], Published] = Field(
        default_factory=dict,
        description="Published figures by strategy, which looked up ones are compared with: do they agree?",
    )
    margin: float = Field(
        2.0, gt=0, le=100, description="Points that a mean may differ from a published one and still agree with it."
    )
    deviations: list[Text] = Field(
        default_factory=list,
        description="In what the searches differ from the published ones; the page says so beside the comparison.",
    )

    attached: Annotated[list[Literal["page", "figures", "tables", "card"]], EachOnce] = Field(
        default=["page", "figures", "tables", "card"],
        exclude=True,
        description="What `snakemake --report` holds: the page, its figures, its tables, the model card of the "
        "recommended network. It makes nothing stale.",
    )

    @model_validator(mode="after")
    def _deviations_are_from_something(self) -> "Report":
        if self.deviations and not self.published:
            raise ValueError("deviations are given, but no published figures; give published, or leave deviations out")
        return self
