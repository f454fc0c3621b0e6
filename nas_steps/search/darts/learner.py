"""One step of a differentiable search: alphas learn from validation images, then weights from training images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.strategies import Gradient
from nas_steps.data.batches import DeviceImages
from nas_steps.metrics import ACCURACY
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.provenance.kinds import of_kind
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.darts.discretise import entropy, most_likely
from nas_steps.search.darts.perturbation import Projection
from nas_steps.training.batch_norms import same_statistics
from nas_steps.training.checkpoint import State
from nas_steps.training.distributed import world
from nas_steps.training.graphs import Replays
from nas_steps.training.loop import Batch, Learner, Row, judge
from nas_steps.training.micro_batches import Loss, MicroBatches
from nas_steps.training.supervised import cosine

ALPHA_BETAS = (0.5, 0.999)  # Liu et al. 2019, section A.1.1
#: by this the learning rate of the weights is divided during a selection by perturbation (the authors' code)
TUNING = 10

#: what a part of a step returns: a batch's summed loss and hits, or nothing
Sums = tuple[Tensor, ...]
#: (architecture, score, name of the score)
Candidate = tuple[str, float, str]
#: by kind of cell: the weights (edges, operations) of a mix, as plain numbers
Weights = Mapping[str, Sequence[Sequence[float]]]


class DartsLearner(Learner):
    """DARTS (Liu et al. 2019, algorithm 1); `fit` calls it. The family overrides methods of the first half.

    `draw` draws once a batch, from an own generator, so that processes draw alike; micro-batches compute the mix."""

    #: whether alphas are learnt by gradients
    learns_alphas = True
    #: whether edges have weights of their own if K is larger than 1 (Xu et al. 2020, section 3.2)
    weighs_edges = True
    #: of the alphas' Adam
    alpha_betas = ALPHA_BETAS
    #: whether what a step launches depends on no value: a GPU can replay it
    replayable = True

    def __init__(self, supernet: Supernet, settings: Gradient, seed: int = 0) -> None:
        self.supernet, self.settings, self.seed = supernet, settings, seed
        self.valid: Iterator[Batch] = iter(())
        self.epoch, self.batch = 1, 0
        self.generator = torch.Generator()
        #: 0 in the first epoch, 1 in the last
        self.progress = 0.0
        #: what a selection by perturbation has decided, during one
        self.projection: Projection | None = None
        #: by which mixes and candidates are judged
        self.metric = ACCURACY
        #: architectures that were drawn and scored in the end
        self.drawn = 0
        self.micro_batches = MicroBatches(supernet)
        self.weights, self.alphas = supernet.weights(), supernet.architecture()
        self.device = self.alphas[0].device
        cuda = self.device.type == "cuda"
        #: the weights' learning rate, which a recorded step reads on the GPU
        self.rate: Tensor | float = torch.tensor(settings.learning_rate, device=self.device) if cuda else 0.0
        fused: dict[str, Any] = {"fused": True} if cuda else {}
        self.weight_optimizer = torch.optim.SGD(
            self.weights,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            **fused,
        )
        self.alpha_optimizer = torch.optim.Adam(
            self.alphas,
            lr=settings.alpha_learning_rate,
            betas=self.alpha_betas,
            weight_decay=settings.alpha_weight_decay,
            capturable=cuda,
            **fused,
        )
        #: the recorded steps, on a GPU
        self.replays = Replays(self.device, self.generators()) if cuda and self.can_replay() else None
        optimizers = {"weight_optimizer": self.weight_optimizer, "alpha_optimizer": self.alpha_optimizer}
        self.stateful = {"supernet": supernet, **optimizers}

    # -------------------------------------------------------------------------------- of each kind

    @staticmethod
    def k(_settings: Gradient) -> int:
        """K: 1/K of the channels go through the operations (Xu et al. 2020)."""
        return 1

    def draw(self) -> Any:
        """Draw the random part of a mix."""
        return None

    def generators(self) -> list[torch.Generator]:
        """Return the generators on the device that mixes draw from."""
        return []

    def seeded(self, drawn: Any) -> Any:
        """Set `generators` by what was drawn; return the tensors that a mix needs besides."""
        return drawn

    def kept(self) -> tuple[object, ...]:
        """Return the host's values that a recorded step keeps, the learning rate aside."""
        return ()

    def worked_out(self, drawn: Any, _images: Tensor, _labels: Tensor, _drop: float) -> Any:
        """Return what the mix of a step of the weights makes of the random part, given the batch."""
        return drawn

    def mix(self, _drawn: Any) -> Mix:
        """The mix of a step of the alphas, differentiable in them: their softmax (Liu et al. 2019, equation 2)."""
        return Mix(self.supernet.probabilities())

    def mix_for_weights(self, drawn: Any) -> Mix:
        """The mix of a step of the weights."""
        return self.mix(drawn)

    def expected(self) -> Mix:
        """The mix without noise, which is made discrete."""
        return self.mix(None)

    def entropy(self, mix: Weights) -> float:
        """Return how undecided an expected mix is, in nats: the space's `largest_entropy` if its alphas are equal."""
        return sum(map(entropy, mix.values())) / len(mix)

    def reported(self) -> Mix:
        """The mix whose loss and accuracy are the supernet's, of those that a batch trains."""
        return self.expected()

    def facts(self, _mix: Weights) -> Row:
        """Return what `reason_to_stop` wants to know of an epoch beyond the rows of every kind; `mix` is expected."""
        return {}

    def regulariser(self) -> Tensor | None:
        """A term of the alphas' loss."""
        return None

    def alpha_gradients(self, _train: Batch, valid: Batch, drawn: Any, drop: float) -> None:
        """Set the alphas' gradients: those of the validation loss (first order)."""
        learn_only(self.alphas, frozen=self.weights)
        loss = self.loss_of(lambda: self.mix(drawn), drop, regularised=True)
        self.micro_batches.backward(self.alphas, *valid, loss)

    def warms_up(self) -> bool:
        """Whether only the weights learn in this epoch."""
        return self.epoch <= self.settings.warmup_epochs

    def reason_to_stop(self, _rows: Sequence[Row]) -> str:
        """Return why the search ends after these epochs, by the rows alone; empty if it goes on."""
        return ""

    def chosen_epoch(self, rows: Sequence[Row]) -> int:
        """Return the place of the row whose alphas become candidates."""
        return len(rows) - 1

    def candidates(self, mix: Weights, _valid: DeviceImages, _seed: int) -> list[Candidate]:
        """Return the architectures that the search hands on, best first."""
        return self.most_likely(mix)

    # ----------------------------------------------------------------------------------------------- of all kinds

    def judge(self, valid: DeviceImages, *, fresh: bool = False) -> Callable[[Mix], float]:
        """Return the function that judges a mix by `metric` on validation images."""
        return lambda mix: accuracy(self.supernet, mix, valid, fresh=fresh, metric=self.metric)[1]

    def begin(self, epoch: int, batch: int, valid: Iterator[Batch]) -> None:
        """Go on with batch `batch` (from 0) of `epoch` (from 1); alphas learn from `valid`."""
        self.epoch, self.batch, self.valid = epoch, batch, valid

    def reseed(self, epoch: int, batch: int) -> None:
        """Make the next draw depend on the seed, the epoch and the batch alone."""
        self.generator.manual_seed(derive_seed(self.seed, epoch, batch))
        self.progress = min((epoch - 1) / max(self.settings.epochs - 1, 1), 1.0)

    def take(self, alphas: Weights) -> None:
        """Set the alphas to those of an earlier epoch."""
        with torch.no_grad():
            for kind, rows in alphas.items():
                self.supernet.alphas[kind].copy_(torch.tensor(rows))

    def tune(self, projection: Projection) -> None:
        """Learn on under what `projection` decides, as in the last epoch, with new momentum and a low learning rate."""
        self.projection = projection
        self.stateful = {**self.stateful, "projection": projection}
        self.weight_optimizer.state.clear()

    def restore(self, state: State) -> None:
        super().restore(state)
        if self.replays is not None:
            self.replays.forget()

    def can_replay(self) -> bool:
        """Whether a GPU may replay the steps. Drop path, whose probability changes at each, is drawn by the host."""
        settings = self.settings
        return settings.graphs and self.replayable and settings.drop_path == 0 and world().size == 1

    def __call__(self, images: Tensor, labels: Tensor, done: float) -> tuple[Tensor, Tensor]:
        self.supernet.train()
        valid = next(self.valid)
        rate = cosine(self.settings.learning_rate, done, floor=self.settings.learning_rate_min)
        if self.projection is not None:
            rate, done = self.settings.learning_rate / TUNING, 1.0
        drop = self.settings.drop_path * done
        self.rate = self.rate.fill_(rate) if isinstance(self.rate, Tensor) else rate
        for group in self.weight_optimizer.param_groups:
            group["lr"] = self.rate
        self.reseed(self.epoch, self.batch)
        self.batch += 1
        learns = self.learns_alphas and not self.warms_up()
        if learns:
            self._run(self._alpha_step, (images, labels), valid, learns, drop)
        loss, hits = self._run(self._weight_step, (images, labels), valid, learns, drop)
        return loss, hits

    def _run(self, part: Callable[..., Sums], train: Batch, valid: Batch, learns: bool, drop: float) -> Sums:
        """Draw, and do a part of a step, by a replay if there are any."""
        drawn, replays = self.draw(), self.replays
        usual = len(train[1]) == len(valid[1]) == self.settings.batch_size and self.micro_batches.count == 1
        if replays is not None and usual and not replays.off:
            key = (learns, 0 if self.projection is None else self.projection.decisions, *self.kept())
            given = (*train, *valid, self.seeded(drawn))
            done = replays.run(part.__name__, lambda *some: part(*some, drop), given, key)
            if done is not None:
                return done
        return part(*train, *valid, drawn, drop)

    def _alpha_step(
        self, images: Tensor, labels: Tensor, valid: Tensor, its_labels: Tensor, drawn: Any, drop: float
    ) -> Sums:
        self.alpha_gradients((images, labels), (valid, its_labels), drawn, drop)
        self.alpha_optimizer.step()
        return ()

    def _weight_step(
        self, images: Tensor, labels: Tensor, _valid: Tensor, _its_labels: Tensor, drawn: Any, drop: float
    ) -> Sums:
        worked_out = self.worked_out(drawn, images, labels, drop)
        learn_only(self.weights, frozen=self.alphas)
        return self.learn_weights(images, labels, lambda: self.mix_for_weights(worked_out), drop)

    def learn_weights(
        self, images: Tensor, labels: Tensor, mix: Callable[[], Mix], drop: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Do one step of the weights under a mix; return the batch's summed loss and hits."""
        sums = self.micro_batches.backward(self.weights, images, labels, self.loss_of(mix, drop))
        nn.utils.clip_grad_norm_(self.weights, self.settings.gradient_clip)
        self.weight_optimizer.step()
        return sums

    def loss_of(self, mix: Callable[[], Mix], drop: float, *, regularised: bool = False) -> Loss:
        def loss(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            # the mix is not computed in 16 bits: alphas that are nearly alike differ
            given = mix() if self.projection is None else self.projection.apply(mix())
            if self.settings.precision == "bfloat16":
                # a recording must not read casts that were cached before it
                with torch.autocast(images.device.type, torch.bfloat16, cache_enabled=False):
                    logits = self.supernet(images, given, drop)
            else:
                logits = self.supernet(images, given, drop)
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            mean = total = F.cross_entropy(logits, labels)
            if regularised and (more := self.regulariser()) is not None:
                total = mean + more
            return total, mean, (logits.detach().argmax(1) == labels).sum()

        return loss

    def most_likely(self, mix: Weights) -> list[Candidate]:
        likely = most_likely(self.supernet.space, mix, self.settings.candidates)
        return [(str(architecture), score, "alpha_likelihood") for architecture, score in likely]


def learner_of(kind: str) -> type[DartsLearner]:
    return of_kind("nas_steps.search.darts.kinds", kind).Learner


def shuffled(data: DeviceImages, settings: Gradient, seed: int, start: int = 0) -> Iterator[Batch]:
    """Return shuffled, augmented batches of one pass over `data`, from number `start` on."""
    return data.batches(settings.batch_size, augment=settings.augment, shuffle=True, seed=seed, start=start)


def endless(data: DeviceImages, settings: Gradient, seed: int, start: int) -> Iterator[Batch]:
    """Yield shuffled, augmented batches without end, from number `start` on; each pass has its own seed."""
    turn, start = divmod(start, data.steps(settings.batch_size, shuffle=True))
    while True:
        turn += 1
        yield from shuffled(data, settings, derive_seed(seed, "turn", turn), start)
        start = 0


def learn_only(parameters: list[nn.Parameter], *, frozen: list[nn.Parameter]) -> None:
    """Compute the gradients of `parameters` and not those of `frozen`."""
    for parameter in parameters:
        parameter.requires_grad_(True)
    for parameter in frozen:
        parameter.requires_grad_(False)


def accuracy(
    supernet: Supernet, mix: Mix, data: DeviceImages, *, fresh: bool = False, metric: str = ACCURACY
) -> tuple[float, float]:
    """Return mean loss and accuracy, or the other metric, of a supernet under a mix; the supernet is as before.

    `fresh` norms by the statistics of the images at hand: the running ones do not fit a mix of a few operations
    (Bender et al. 2018, section 3.3)."""

    def logits(images: Tensor) -> Tensor:
        # a single image, the last of many, has no statistics of its own if its side has come down to 1
        supernet.train(fresh and len(images) > 1)
        return supernet(images, mix)

    # several processes share the batches out, and each batch has statistics of its own
    with same_statistics(supernet):
        judged = judge(supernet, data, metric, logits)
    return judged.loss, judged.value
