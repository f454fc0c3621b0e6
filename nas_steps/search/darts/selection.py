"""Select an architecture by perturbation, with a supernet that learns on between the decisions (Wang et al. 2021)."""

from collections.abc import Iterator

import torch

from nas_steps.data.batches import DeviceImages
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.darts.learner import Candidate, DartsLearner, endless, shuffled
from nas_steps.search.darts.perturbation import Projection, choices_alone
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.distributed import world
from nas_steps.training.loop import Batch, fit
from nas_steps.training.progress import Progress


def select(
    learner: DartsLearner,
    train: DeviceImages,
    valid: DeviceImages,
    *,
    seed: int,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
) -> Candidate:
    """Return the selected architecture and its accuracy in the supernet.

    Mixes are judged by the statistics of the batches at hand, as the authors' code does. Between two rounds of
    decisions weights and alphas learn for `selection_epochs`. Raises DivergedError if a loss is no number."""
    supernet, settings = learner.supernet, learner.settings
    projection = Projection(supernet, seed)
    learner.tune(projection)
    judged = learner.judge(valid, fresh=True)

    def decide(number: int) -> None:
        torch.manual_seed(derive_seed(seed, "decision", number))  # noise is drawn while judging, too
        with torch.no_grad():
            told = projection.decide(number, learner.expected(), judged)
        if world().writes:
            print(f"selection {number + 1} of {projection.rounds}: {', '.join(told)}", flush=True)

    def batches(epoch: int, start: int) -> Iterator[Batch]:
        number, later = divmod(epoch - 1, settings.selection_epochs)
        if start == 0 and later == 0:
            decide(number)
        # numbers that no epoch of the search had
        draws = endless(valid, settings, derive_seed(seed, "selection alpha batches", epoch), start)
        learner.begin(settings.epochs + epoch, start, draws)
        return shuffled(train, settings, derive_seed(seed, "selection batches", epoch), start)

    with choices_alone(supernet):
        last = projection.rounds - 1
        if settings.selection_epochs:
            epochs = last * settings.selection_epochs
            progress.extend(epochs)
            fit(
                learner,
                batches,
                epochs=epochs,
                images=len(train),
                seed=derive_seed(seed, "selection"),
                end_of_epoch=lambda _: {},
                progress=progress,
                checkpoint=checkpoint,
            )
            decide(last)
        else:
            for number in range(projection.rounds):
                decide(number)
        best = projection.architecture()
        learner.projection = None
        return str(best), judged(supernet.discrete(best)), "perturbation"
