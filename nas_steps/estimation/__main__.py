"""Score one shard of proposed architectures, by the estimator that is named."""

from nas_steps.provenance.steps import dispatch

STEPS = ("short_training", "extrapolation", "zero_cost", "screen")

if __name__ == "__main__":
    dispatch("nas_steps.estimation", STEPS)
