"""Measure training steps of one network at some resolutions; started by `nas_steps.start`, once for each core.

`python -m nas_steps.start.probe ARCHITECTURE DEVICE BATCH SECONDS SIDE...` prints JSON: seconds to import torch, and by
side the seconds of one step.
"""

import json
import sys
import time


def main(architecture: str, device: str, batch: int, seconds: float, sides: list[int]) -> dict[str, object]:
    """Measure for `seconds` at most: a first step for each side that does not count, then as many as there is time."""
    worked = time.process_time()
    import torch
    from torch.nn.functional import cross_entropy

    from nas_steps.config.space import Network
    from nas_steps.models.build import build

    imported = time.process_time() - worked
    torch.set_num_threads(1)
    # what other programs take away meanwhile does not count
    clock = time.process_time if device == "cpu" else time.perf_counter
    found: dict[str, float] = {}
    began = time.perf_counter()
    for side in sides:
        network = build(architecture, Network(), inputs=3, classes=10, side=side).to(device).train()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
        images, labels = torch.rand(batch, 3, side, side, device=device), torch.arange(batch, device=device) % 10
        times: list[float] = []
        share = seconds / len(sides)
        started = time.perf_counter()
        while len(times) < 3 and (len(times) < 2 or time.perf_counter() - started < share):
            before = clock()
            optimizer.zero_grad(set_to_none=True)
            loss = cross_entropy(network(images), labels)
            loss.backward()
            optimizer.step()
            loss.item()  # waits for a GPU
            times.append(clock() - before)
        found[str(side)] = min(times[1:])
        if time.perf_counter() - began > seconds:
            break
    return {"import_seconds": round(imported, 3), "steps": found}


if __name__ == "__main__":
    name, device, batch, seconds, *sides = sys.argv[1:]
    print(json.dumps(main(name, device, int(batch), float(seconds), [int(side) for side in sides])))
