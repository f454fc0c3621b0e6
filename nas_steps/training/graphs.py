"""CUDA graphs: the launches of a step are recorded once and replayed in later steps (docs.pytorch.org, "CUDA graphs").

A step of a supernet is thousands of small kernels, and a host launches them more slowly than a GPU computes them. A
replay is one launch. It repeats the recorded kernels on the recorded addresses, so shapes must not change, inputs are
copied to tensors that stay, and no value may be read by the host in between."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

#: calls before the recording: optimisers make their buffers in them, libraries choose their kernels
WARM_UP = 3

#: takes tensors, or dicts and tuples of them, and returns tensors
Part = Callable[..., tuple[Tensor, ...]]


class RecordingError(RuntimeError):
    """A part cannot be recorded. None of it was computed."""


class Recorded:
    """One part of a step. A GPU records it; other devices call it on the same tensors that stay."""

    def __init__(self, part: Part, inputs: Sequence[Any], replays: "Replays") -> None:
        self.part, self.replays = part, replays
        self.inputs: list[Any] = _copy(list(inputs))
        self.calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._outputs: tuple[Tensor, ...] = ()

    def __call__(self, inputs: Sequence[Any]) -> tuple[Tensor, ...]:
        _put(self.inputs, list(inputs))
        outputs = self._run()
        self.calls += 1
        # the next replay writes over them
        return tuple(one.clone() for one in outputs)

    @property
    def recorded(self) -> bool:
        return self._graph is not None

    def _run(self) -> tuple[Tensor, ...]:
        if self.replays.device.type != "cuda":
            return self.part(*self.inputs)
        if self.calls < WARM_UP:
            return self._beside()
        if self._graph is None:
            self._record()
        assert self._graph is not None
        self._graph.replay()
        return self._outputs

    def _beside(self) -> tuple[Tensor, ...]:
        """Run on the stream of the recording, so that the libraries' workspaces of that stream are there."""
        stream, usual = self.replays.stream, torch.cuda.current_stream(self.replays.device)
        assert stream is not None
        stream.wait_stream(usual)
        with torch.cuda.stream(stream):
            outputs = self.part(*self.inputs)
        usual.wait_stream(stream)
        return outputs

    def _record(self) -> None:
        graph = torch.cuda.CUDAGraph()
        for generator in self.replays.generators:
            graph.register_generator_state(generator)
        # threads that read images ahead allocate meanwhile, so other threads are not watched
        replays = self.replays
        try:
            with torch.cuda.graph(graph, pool=replays.pool, stream=replays.stream, capture_error_mode="thread_local"):
                self._outputs = self.part(*self.inputs)
        except RuntimeError as error:
            raise RecordingError(str(error).strip().splitlines()[0]) from error
        self._graph = graph


class Replays:
    """The recorded parts of a learner's step on `device`.

    `generators` are those that the parts draw from, besides the default one."""

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator] = ()) -> None:
        self.device, self.generators = device, tuple(generators)
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        #: parts run one after the other, so one can use the memory of another
        self.pool: Any = None
        self.parts: dict[str, Recorded] = {}
        self._key: Hashable = None
        #: whether the recording has failed
        self.off = False

    def run(self, name: str, part: Part, inputs: Sequence[Any], key: Hashable) -> tuple[Tensor, ...] | None:
        """Run a part on inputs of the same shapes as before; return None if it cannot be recorded, and was not run.

        `key` holds the host's values that a recording keeps; another one begins anew."""
        if key != self._key or not self.parts:
            self.forget()
            self._key = key
        if name not in self.parts:
            self.parts[name] = Recorded(part, inputs, self)
        try:
            return self.parts[name](inputs)
        except RecordingError as error:
            print(f"steps are not recorded as CUDA graphs from now on, which is slower: {error}", flush=True)
        self.forget()
        self.off = True
        return None

    @property
    def recorded(self) -> bool:
        """Whether all parts are replayed."""
        return bool(self.parts) and all(part.recorded for part in self.parts.values())

    def forget(self) -> None:
        """Drop the recordings: the tensors that they read are replaced."""
        self.parts, self._key = {}, None
        if self.device.type == "cuda":
            self.pool = torch.cuda.graph_pool_handle()


def _copy(given: Any) -> Any:
    if isinstance(given, Tensor):
        return given.clone()
    if isinstance(given, dict):
        return {name: _copy(one) for name, one in given.items()}
    return [_copy(one) for one in given] if isinstance(given, list | tuple) else given


def _put(kept: Any, given: Any) -> None:
    """Copy tensors to those that stay. Raises ValueError if anything else has changed."""
    if isinstance(given, Tensor):
        if given.shape != kept.shape or given.dtype != kept.dtype:
            raise ValueError(f"{given.dtype} {tuple(given.shape)} was recorded as {kept.dtype} {tuple(kept.shape)}")
        kept.copy_(given)
    elif isinstance(given, dict):
        if given.keys() != kept.keys():
            raise ValueError(f"{sorted(given)} was recorded as {sorted(kept)}")
        for name, one in given.items():
            _put(kept[name], one)
    elif isinstance(given, list | tuple):
        for one, other in zip(kept, given, strict=True):
            _put(one, other)
    elif given != kept:
        raise ValueError(f"{given!r} was recorded as {kept!r}")
