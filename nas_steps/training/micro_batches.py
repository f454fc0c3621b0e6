"""Batches that do not fit into memory are learnt in parts whose gradients are summed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nas_steps.errors import UserError
from nas_steps.models.single import single_values_in_words
from nas_steps.training.distributed import world

#: (images, labels) -> (what is differentiated, loss to report: both means over the images; number of correct answers)
Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]

#: what torch says of memory that it did not get on a CPU, where it raises a plain RuntimeError
_MESSAGES = ("can't allocate memory", "not enough memory", "bad_alloc", "out of memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _MESSAGES)


class Parts:
    """How many parts a batch of `model` is learnt in: one, and twice as many each time that memory runs out.

    Gradients are those of the whole batch, but for batch norms, which then see a part at a time.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.count = 1
        # whether a batch has been learnt in this many parts; until then a failure must leave no trace in the statistics
        self._proven = False

    def backward(
        self, parameters: list[nn.Parameter], images: Tensor, labels: Tensor, loss: Loss
    ) -> tuple[Tensor, Tensor]:
        """Set the gradients of `parameters` to those of the mean loss of a batch.

        Returns the summed loss and the number of correct answers. Raises UserError where not even two images fit.
        Where several processes train, each learns its share of the batch and all get the same gradients and sums.
        """
        all_of_us = world()
        first, last = all_of_us.share(len(labels))
        mine, their = images[first:last], labels[first:last]
        while True:
            kept = None if self._proven else self._keep(images.device)
            try:
                found = self._backward(parameters, mine, their, len(labels), loss)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                message = str(error).strip().splitlines()[0] if str(error).strip() else "no memory left"
            else:
                self._proven = True
                all_of_us.sum_gradients(parameters)
                if all_of_us.together:
                    return found
                total, hits = all_of_us.sum(*found)
                return total, hits
            # here and not above, where the error would hold the failed pass's tensors
            for parameter in parameters:
                parameter.grad = None
            if kept is not None:
                self._put_back(kept, images.device)
            if images.device.type == "cuda":
                torch.cuda.empty_cache()
            if all_of_us.size > 1:
                # the others wait for this process in the middle of their pass, and cannot be told
                raise UserError(
                    f"out of memory with {len(their)} images in each of {all_of_us.size} processes ({message}); "
                    "make batch_size smaller or processes more"
                )
            if self.count * 4 > len(labels):
                raise UserError(
                    f"out of memory with {len(labels) // self._of(len(labels))} images at once ({message}); "
                    "give the job more memory, or search smaller networks (channels, cells) or images"
                )
            self.count, self._proven = 2 * self.count, False
            print(f"out of memory: batches are learnt in {self.count} parts from now on ({message})", flush=True)

    def _of(self, images: int) -> int:
        """In how many parts a batch is learnt: the last one of an epoch may be small, and a batch norm needs two images
        in each."""
        return min(self.count, max(1, images // 2))

    def _backward(
        self, parameters: list[nn.Parameter], images: Tensor, labels: Tensor, whole: int, loss: Loss
    ) -> tuple[Tensor, Tensor]:
        for parameter in parameters:
            parameter.grad = None
        losses, hits = [], []
        count = self._of(len(labels))
        for some, their in zip(images.tensor_split(count), labels.tensor_split(count), strict=True):
            with single_values_in_words():
                total, reported, correct = loss(some, their)
            (total * (len(their) / whole)).backward()
            losses.append(reported.detach() * len(their))
            hits.append(correct)
        return torch.stack(losses).sum(), torch.stack(hits).sum()

    def _keep(self, device: torch.device) -> tuple[list[Tensor], Tensor, Tensor | None]:
        buffers = [buffer.clone() for buffer in self.model.buffers()]
        return buffers, torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def _put_back(self, kept: tuple[list[Tensor], Tensor, Tensor | None], device: torch.device) -> None:
        buffers, random, cuda = kept
        for buffer, old in zip(self.model.buffers(), buffers, strict=True):
            buffer.copy_(old)
        torch.set_rng_state(random)
        if cuda is not None:
            torch.cuda.set_rng_state(cuda, device)
