"""SDARTS-ADV (Chen & Hsieh 2020, section 3.2)."""

import torch
from torch import Tensor, nn

from nas_steps.config.strategies import SdartsAdv
from nas_steps.search.darts.learner import learn_only
from nas_steps.search.darts.sdarts import SdartsLearner
from nas_steps.training.batch_norms import same_statistics

#: of projected gradient ascent: the radius can be crossed 2.5 times (Madry et al. 2018, section B)
REACH = 2.5


class Learner(SdartsLearner):
    """The disturbance is the worst that projected gradient ascent finds."""

    settings: SdartsAdv

    def draw_for_weights(self, images: Tensor, labels: Tensor, drop: float) -> dict[str, Tensor]:
        """The disturbance that makes the training loss largest, by steps along the signs of its gradient."""
        disturbances = {kind: nn.Parameter(torch.zeros_like(alphas)) for kind, alphas in self.supernet.alphas.items()}
        learn_only([], frozen=[*self.weights, *self.alphas])
        loss = self.loss_of(lambda: self.mix_for_weights(disturbances), drop)
        with same_statistics(self.supernet):
            for _ in range(self.settings.steps):
                self.micro_batches.backward(list(disturbances.values()), images, labels, loss)
                with torch.no_grad():
                    for disturbance in disturbances.values():
                        assert disturbance.grad is not None
                        disturbance.add_(disturbance.grad.sign(), alpha=REACH * self.radius / self.settings.steps)
                        disturbance.clamp_(-self.radius, self.radius)
        return {kind: disturbance.detach() for kind, disturbance in disturbances.items()}
