"""What tests share is made once, however its arguments are spelt."""

from __future__ import annotations

from once import once


def test_equal_arguments_make_one_thing_however_they_are_given() -> None:
    @once
    def made(name: str, seed: int = 0, **more: int) -> list[object]:
        return [name, seed, more]

    first = made("a")
    assert made("a", 0) is made(name="a") is made(seed=0, name="a") is first
    assert made("a", 1) is not first
    assert made("a", x=1, y=2) is made("a", y=2, x=1)
    assert made("a", x=1) is not made("a", x=2)
