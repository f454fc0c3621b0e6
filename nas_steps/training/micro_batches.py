"""Gradient accumulation: a batch that does not fit into memory is split into micro-batches."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from nas_steps.errors import UserError
from nas_steps.models.share import sharing
from nas_steps.models.single import single_values_in_words
from nas_steps.training.batch_norms import put_back, statistics
from nas_steps.training.distributed import world
from nas_steps.training.gradients import GradientSums

#: (images, labels) -> (loss to differentiate, loss to report, both means over the images; number of correct answers)
Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]

#: messages of the plain RuntimeError that torch raises on a CPU
_MESSAGES = ("can't allocate memory", "not enough memory", "bad_alloc", "out of memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that no memory was left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _MESSAGES)


class MicroBatches:
    """Split the batches of `model` into `count` micro-batches: 1, doubled whenever memory runs out.

    The gradients are those of the whole batch, but batch norms see one micro-batch at a time."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.count = model, 1
        # whether a batch has been learnt in this many; until then a failure must leave no trace in the statistics
        self._proven = False

    def backward(
        self,
        parameters: list[nn.Parameter],
        images: Tensor,
        labels: Tensor,
        loss: Loss,
        *,
        summed: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Set the gradients of `parameters` to those of a batch's mean loss; return its summed loss and hits.

        Several processes learn a share each and get equal gradients; if not `summed`, `add_up` sums them later. Raises
        UserError if two images do not fit."""
        processes = world()
        share = processes.share(len(labels))
        mine, their = (images, labels) if share is None else (images[share.rows], labels[share.rows])
        while True:
            kept = None if self._proven else (statistics(self.model), random_state())
            try:
                with sharing(share):
                    if share is None or not summed:
                        sums = self._backward(parameters, mine, their, len(labels), loss)
                    else:
                        # all learn their share at once: a bucket is full for good
                        assert self.count == 1
                        with GradientSums(parameters) as gradients:
                            sums = self._backward(parameters, mine, their, len(labels), loss)
                        total, hits = gradients.finish(*sums)
                        sums = total, hits
            except (RuntimeError, MemoryError) as error:
                # a recording as a CUDA graph must end before memory can be freed
                recording = torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()
                if not out_of_memory(error) or recording:
                    raise
                message = str(error).strip().splitlines()[0] if str(error).strip() else "no memory left"
            else:
                self._proven = True
                return sums
            # here and not above, where the error would hold the failed pass's tensors
            for parameter in parameters:
                parameter.grad = None
            if kept is not None:
                put_back(self.model, kept[0])
                set_random_state(kept[1])
            if images.device.type == "cuda":
                torch.cuda.empty_cache()
            if processes.size > 1:
                # the others wait for this process in the middle of their pass, and cannot be informed
                raise UserError(
                    f"out of memory with {len(their)} images in each of {processes.size} processes ({message}); "
                    "make batch_size smaller or processes more"
                )
            if self.count * 4 > len(labels):
                raise UserError(
                    f"out of memory with {len(labels) // self._count_of(len(labels))} images at once ({message}); "
                    "give the job more memory, or search smaller networks (channels, cells) or images"
                )
            self.count, self._proven = 2 * self.count, False
            print(f"out of memory: batches are learnt in {self.count} parts from now on ({message})", flush=True)

    @torch.no_grad()
    def add_up(self, parameters: Iterable[nn.Parameter], images: int, *scalars: Tensor) -> list[Tensor]:
        """Sum the gradients and numbers of passes over one batch of `images` that were not `summed`, in one go."""
        if world().share(images) is None:
            return list(scalars)
        gradients = GradientSums([])
        for parameter in parameters:
            gradients.add(parameter)
        return gradients.finish(*scalars)

    @torch.no_grad()
    def forward(self, images: Tensor, labels: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
        """Return a batch's summed loss and hits, without gradients; the batch is split as that of `backward`."""
        return self.backward([], images, labels, loss)

    def _count_of(self, images: int) -> int:
        """The number of micro-batches of `images` images, two in each for batch norms."""
        return min(self.count, max(1, images // 2))

    def _backward(
        self, parameters: list[nn.Parameter], images: Tensor, labels: Tensor, whole: int, loss: Loss
    ) -> tuple[Tensor, Tensor]:
        for parameter in parameters:
            parameter.grad = None
        losses, hits = [], []
        count = self._count_of(len(labels))
        for some, their in zip(images.tensor_split(count), labels.tensor_split(count), strict=True):
            with single_values_in_words():
                total, reported, correct = loss(some, their)
            if total.requires_grad:
                (total * (len(their) / whole)).backward()
            elif torch.is_grad_enabled():
                # a drawn architecture whose edges to the output are all `none` reads none of the parameters
                for parameter in parameters:
                    parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            losses.append(reported.detach() * len(their))
            hits.append(correct)
        return torch.stack(losses).sum(), torch.stack(hits).sum()


def random_state() -> dict[str, Tensor | None]:
    """Return the states of torch's random number generators: `cpu`, and `cuda` if it is in use."""
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["cpu"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
