"""The settings of the papers, by kind of strategy: what `paper: true` puts in the place of the defaults.

A figure is the paper's; the authors' code says what the paper leaves open. A new key is one line here.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, Strict, model_validator

from nas_steps.config.section import Section, laid_over

Keys = dict[str, Any]


@dataclass(frozen=True)
class Paper:
    """The `keys` of a paper's search, and the share of the training images that it validates on (`valid`).

    `network` is the supernet of the paper in words, `source` says where the figures stand.
    """

    source: str
    keys: Keys
    valid: float = 0.5
    network: str = "16 channels, 8 cells"


#: how DARTS trains the weights of its supernet
_WEIGHTS: Keys = {
    "epochs": 50,
    "batch_size": 64,
    "learning_rate": 0.025,
    "learning_rate_min": 0.001,
    "momentum": 0.9,
    "weight_decay": 3e-4,
    "gradient_clip": 5.0,
    "drop_path": 0.0,
    "augment": {"flip": True, "crop": 4},
}
#: and how its alphas learn
_DARTS: Keys = _WEIGHTS | {
    "alpha_learning_rate": 3e-4,
    "alpha_weight_decay": 1e-3,
    "warmup_epochs": 0,
    "selection": "argmax",
    # of DARTS-PT (Wang et al. 2021; ruocwang/darts-pt, --proj_intv 5): without effect unless selection is perturbation
    "selection_epochs": 5,
}
_SDARTS: Keys = _DARTS | {"radius": 0.3, "radius_min": 0.03}
_OF_DARTS = "Liu et al. 2019, section 3.1.1 and appendix A.1.1; quark0/darts, cnn/train_search.py"
_OF_SDARTS = "Chen & Hsieh 2020, section 5; xiangning-chen/SmoothDARTS, sota/cnn/train_search.py"

PAPERS: dict[str, Paper] = {
    "darts": Paper(_OF_DARTS, _DARTS),
    "darts_second_order": Paper(_OF_DARTS, _DARTS | {"hessian": "finite_difference"}),
    "darts_plus": Paper(
        "Liang et al. 2019, section 3.3, whose search is that of DARTS but for its end",
        _DARTS | {"stop_skips": 2, "stop_stable": 10, "stop_lead": 0.0},
    ),
    "early_stop_eigenvalue": Paper(
        "Zela et al. 2020, section 4.3; automl/RobustDARTS, src/search/args.py",
        _DARTS | {"window": 5, "ratio": 0.75, "burn_in": 10},
    ),
    "fair_darts": Paper(
        "Chu et al. 2020, section 5; xiaomi-automl/FairDARTS, fairdarts/train_search.py",
        _DARTS
        | {
            "batch_size": 128,
            "learning_rate": 0.005,
            "alpha_learning_rate": 3e-3,
            "zero_one_weight": 10.0,
            "threshold": 0.85,
        },
    ),
    "sdarts_rs": Paper(_OF_SDARTS, _SDARTS),
    "sdarts_adv": Paper(f"{_OF_SDARTS} and attacker/perturb.py", _SDARTS | {"steps": 7}),
    "pc_darts": Paper(
        "Xu et al. 2020, section 4.2; yuhuixu1993/PC-DARTS, train_search.py",
        _DARTS
        | {
            "batch_size": 256,
            "learning_rate": 0.1,
            "learning_rate_min": 0.0,
            "alpha_learning_rate": 6e-4,
            "warmup_epochs": 15,
            "parts": 4,
        },
    ),
    "gdas": Paper(
        "D-X-Y/AutoDL-Projects, configs/search-opts/GDAS-NASNet-CIFAR.config and "
        "scripts-search/NASNet-space-search-by-GDAS.sh (the authors' code)",
        _DARTS
        | {
            "epochs": 250,
            "batch_size": 256,
            "weight_decay": 5e-4,
            "temperature": 10.0,
            "temperature_min": 0.1,
        },
    ),
    "setn": Paper(
        "D-X-Y/AutoDL-Projects, exps/NAS-Bench-201-algos/SETN.py and configs/nas-benchmark/algos/SETN.config (the "
        "authors' code for NAS-Bench-201; it does not limit the gradient's norm)",
        _DARTS | {"epochs": 250, "weight_decay": 5e-4, "gradient_clip": 1000.0, "evaluations": 100},
        network="16 channels, 5 cells a stage",
    ),
    "drnas": Paper(
        "Chen et al. 2021, section 4.2; xiangning-chen/DrNAS, DARTS-space/train_search.py (the regulariser of its "
        "code is the weight decay of the alphas)",
        _DARTS
        | {
            "learning_rate": 0.1,
            "learning_rate_min": 0.0,
            "alpha_learning_rate": 6e-4,
            "warmup_epochs": 10,
            "divergence_weight": 0.0,
            "stages": [{"epochs": 25, "parts": 6}, {"epochs": 25, "parts": 4, "operations": 4}],
        },
        network="36 channels, 20 cells",
    ),
    "rsws": Paper(
        "Li & Talwalkar 2020, section 4.2; liamcli/randomNAS_release, benchmarks/cnn/darts/darts_wrapper_discrete.py, "
        "with --epochs 150 --grad_clip 1 --init_channels 24",
        _WEIGHTS | {"epochs": 150, "gradient_clip": 1.0, "warmup_epochs": 0, "evaluations": 1000},
        network="24 channels, 8 cells",
    ),
    "enas": Paper(
        "Pham et al. 2018, sections 2.2 and 3.2; melodyguan/enas, src/cifar10/main.py (momentum, clipping, decay of "
        "the baseline, architectures in the end)",
        {
            "epochs": 310,
            "batch_size": 128,
            "optimizer": "sgd",
            "learning_rate": 0.05,
            "momentum": 0.9,
            "weight_decay": 1e-4,
            "warmup_epochs": 0,
            "label_smoothing": 0.0,
            "gradient_clip": 5.0,
            "precision": "float32",
            "augment": {"flip": True, "crop": 4},
            "hidden": 100,
            "controller_learning_rate": 3.5e-4,
            "controller_steps": 2000,
            "controller_batch": 1,
            "reward_images": 128,
            "baseline_decay": 0.99,
            "entropy_weight": 0.1,
            "evaluations": 10,
        },
        valid=0.1,
        network="20 channels, 8 cells",
    ),
}


class OfPaper(Section):
    """A strategy whose paper's settings can be asked for; keys that are given beside `paper` win."""

    # settings hold what it comes to: who spells a paper out has the same results as who names it
    paper: Annotated[bool, Strict()] = Field(
        False,
        exclude=True,
        description="Whether keys that are left out have the paper's values, which stand beside each kind. Defaults "
        "are for short searches. `data.valid` must be given, too.",
    )

    @model_validator(mode="before")
    @classmethod
    def _as_in_the_paper(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("paper") is not True:
            return value
        return laid_over(PAPERS[cls.model_fields["kind"].default].keys, value)
