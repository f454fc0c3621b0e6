"""The settings of the export."""

from nas_steps.config.export import Export
from nas_steps.config.recipe import Recipe
from nas_steps.config.space import FilledSpace
from nas_steps.provenance.settings import Settings


class ExportSettings(Settings):
    """How networks are exported and checked. `licence` is that of a file of pretrained weights."""

    seed: int
    space: FilledSpace
    export: Export
    licence: str | None = None


class NetworkExportSettings(ExportSettings):
    """The same, and the recipe that model cards name."""

    recipe: Recipe
