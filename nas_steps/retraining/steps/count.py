"""Count hand-designed networks: their parameters and multiply-accumulates as JSON."""

from collections.abc import Sequence

from nas_steps.provenance.files import write_json
from nas_steps.provenance.task import parser
from nas_steps.retraining.fitting import measure

MODULE = "nas_steps.retraining count"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--names", nargs="+", required=True, help="such as mobilenet_v2_x0.5")
    options.add_argument("--inputs", type=int, required=True, help="channels of the images")
    options.add_argument("--classes", type=int, required=True)
    options.add_argument("--side", type=int, required=True, help="side of the images in pixels")
    options.add_argument("--output", required=True, help="file")
    given = options.parse_args(arguments)
    counted = measure(given.inputs, given.classes, given.side)
    found = {name: dict(zip(("parameters", "macs"), counted(name), strict=True)) for name in given.names}
    write_json(given.output, found)
