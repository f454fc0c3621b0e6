"""Prepare the pretrained weights that networks start from."""

from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from nas_steps.facts import NORMALISATIONS, WEIGHTS_PACKAGES
from nas_steps.models.hand_designed import build_baseline
from nas_steps.models.mobile.network import MobileNetwork
from nas_steps.models.mobile.slicing import sort_channels
from nas_steps.models.pretrained import SPACE
from nas_steps.pretrained.settings import WeightsSettings
from nas_steps.pretrained.sources import Source, as_network, has_torchvision, load, read_file, read_package
from nas_steps.pretrained.sources import read_torchvision as torchvisions
from nas_steps.provenance.files import atomic, write_json
from nas_steps.provenance.fingerprint import file_hash
from nas_steps.provenance.task import Task
from nas_steps.spaces.baselines import load_family, parse_baseline
from nas_steps.spaces.mobile.architectures import MobileArchitecture, is_mobile, parse_mobile

#: side at which hand-designed networks keep all their strides, and the classes of ImageNet
SIDE, CLASSES = 224, 1000


def main(task: Task) -> None:
    """Write the tensors of each network, and what they are."""
    settings = task.read_settings(WeightsSettings)
    named = settings.source in WEIGHTS_PACKAGES
    source = read_package(settings.source) if named else torchvisions(settings.network) if task.path is None else None
    if source is None:
        source = Source(read_file(task.path), "", "")
    network = MobileNetwork(whole(settings.network), inputs=3, classes=classes_of(source.state))
    what = f"those in {task.path}" if task.path is not None else f"those of {settings.source}"
    as_network(source.state, network, what)
    tensors = {} if named or task.path is not None else baselines(settings)
    if not is_mobile(settings.network):
        tensors |= prefixed(settings.network, network.state_dict() if named else source.state)
    sort_channels(network, settings.importance)  # type: ignore[arg-type]
    tensors |= prefixed(SPACE, network.state_dict())
    with atomic(task.output("source")) as temporary:
        temporary.write_bytes(save(tensors))
    mean_std = NORMALISATIONS.get(settings.normalisation)
    names = sorted({name.partition("/")[0] for name in tensors})
    facts: dict[str, Any] = {
        "source": settings.source,
        "url": source.url,
        "licence": source.licence or None,
        "content": settings.version or settings.weights_content,
        "importance": settings.importance,
        "normalisation": {"name": settings.normalisation}
        | ({} if mean_std is None else {"mean": list(mean_std[0]), "std": list(mean_std[1])}),
        "networks": {name: str(whole(settings.network)) if name == SPACE else name for name in names},
        "tensors": len(tensors),
        "sha256": file_hash(task.output("source")),
    }
    write_json(task.output("facts"), facts)
    print(f"{len(tensors)} tensors of {', '.join(names)} from {settings.source}", flush=True)


def whole(name: str) -> MobileArchitecture:
    """Return the pretrained network as a mobile architecture, with all its strides."""
    if is_mobile(name):
        return parse_mobile(name)
    spelled = load_family(name).spelled
    assert spelled is not None  # only such networks have slices
    return spelled(parse_baseline(name))


def classes_of(state: dict[str, Tensor] | Any) -> int:
    """Return the number of classes that weights tell apart: the outputs of the last matrix."""
    classes = [len(tensor) for name, tensor in state.items() if tensor.ndim == 2 and name.endswith("weight")]
    return classes[-1] if classes and classes[-1] else CLASSES


def baselines(settings: WeightsSettings) -> dict[str, Tensor]:
    """Return torchvision's weights of the hand-designed networks that it has them of."""
    found: dict[str, Tensor] = {}
    for name in sorted({parse_baseline(one).base for one in settings.baselines} - {settings.network}):
        if not has_torchvision(name):
            print(f"{name} starts from nothing: torchvision has no weights of it", flush=True)
            continue
        state = torchvisions(name).state
        model = build_baseline(name, inputs=3, classes=CLASSES, side=SIDE)
        load(state, model, f"those of torchvision's {name}")
        found |= prefixed(name, model.state_dict())
    return found


def prefixed(network: str, state: Any) -> dict[str, Tensor]:
    """Put the name of a network before the names of its tensors."""
    return {f"{network}/{name}": torch.clone(tensor).contiguous() for name, tensor in state.items()}
