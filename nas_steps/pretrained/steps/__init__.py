"""The declaration of the step that prepares pretrained weights."""

from nas_steps.config import derive
from nas_steps.config.reads import SPACE
from nas_steps.provenance.step import FAMILY, Reads, Step, steps
from nas_steps.provenance.versions import TRAINS

STEPS = steps(
    "nas_steps.pretrained",
    Step(
        "weights",
        "Prepare the pretrained weights that networks start from.",
        when=("trains", "pretrains"),
        packages=TRAINS,
        kinds=FAMILY,
        takes={"path?": "the user's file of weights"},
        options={"family?": "the family of the pretrained network"},
        reads={
            **SPACE,
            "source": Reads("weights.source", derive.weights_source),
            "version": Reads("weights.source", derive.weights_version),
            "weights_content": "",
            "importance": "weights.importance",
            "normalisation": Reads("weights.normalisation", derive.normalised_by),
            "network": Reads("weights.source", derive.pretrained_network),
            "baselines": Reads("retrain.baselines", derive.pretrained_baselines),
        },
        writes={
            "source": (
                "weights/source.safetensors",
                "`<network>/<tensor>`: the network that the space's architectures are slices of (`space`, channels "
                "sorted by importance), and hand-designed ones by their names",
            ),
            "facts": (
                "weights/source.json",
                "source, url, licence, content (version or fingerprint), importance, normalisation (name, mean, std), "
                "networks (their architectures), tensors, sha256",
            ),
        },
    ),
)
