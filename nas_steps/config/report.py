"""The report's page: the key `report`."""

from pydantic import Field

from nas_steps.config.section import Section


class Report(Section):
    mistakes: int = Field(
        12,
        ge=0,
        le=60,
        description="Test images shown: the most confident mistakes of the recommended network. 0: none.",
    )
