"""One config in several sizes: `size` names the entry of `sizes` that is laid over it."""

from collections.abc import Mapping
from typing import Any

from nas_steps.config.section import laid_over

SIZE, SIZES = "size", "sizes"


def sized(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config with the entry of `sizes` that `size` names laid over it, and without these two keys.

    Sections are merged key by key; any other value, a list too, replaces the one below. Raises ValueError if there is
    no such entry.
    """
    config = {key: value for key, value in raw.items() if key not in (SIZE, SIZES)}
    size, sizes = raw.get(SIZE), raw.get(SIZES)
    if sizes is None:
        if size is not None:
            raise ValueError(f"size: given {size!r}, but there are no sizes to choose from; leave it out, or add sizes")
        return config
    if not isinstance(sizes, Mapping) or not sizes:
        raise ValueError(f"sizes: given {sizes!r}, but keys of the config by name are expected, as `cpu: {{seed: 1}}`")
    known = ", ".join(map(str, sizes))
    if size is None:
        raise ValueError(f"size: not given, but there are sizes; name one of {known}, in the file or by --config size=")
    found = {str(key): value for key, value in sizes.items()}
    if str(size) not in found:
        raise ValueError(f"size: there is no size {size!r} (known: {known})")
    over = {} if found[str(size)] is None else found[str(size)]
    if not isinstance(over, Mapping):
        raise ValueError(f"sizes.{size}: keys and values are expected here, given {over!r}")
    for key in (SIZE, SIZES):
        if key in over:
            raise ValueError(f"sizes.{size}.{key}: a size cannot have sizes; leave it out")
    return dict(laid_over(config, dict(over)))
