"""`python -m nas_steps.why CONFIG`: what a run would compute anew, why, and at what cost."""
