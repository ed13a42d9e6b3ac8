"""Units that only move elements of a stream: buffers, converters of width, copies."""

from __future__ import annotations

from typing import Final, Literal

from finn_transforms.cost.library import bits_of, counter, is_power_of_two, memory_terms, mux_luts, skid
from finn_transforms.cost.memory import ram
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import COUNTED, Term
from finn_transforms.cost.timing import Family

FIFO: Final = "fifo"
WIDTH_CONVERTER: Final = "width_converter"
DUPLICATE: Final = "duplicate"
CONCAT: Final = "concat"
SPLIT: Final = "split"
UPSAMPLE: Final = "upsample"
PIXEL_PADDING: Final = "pixel_padding"


def fifo_structure(
    width: int, words: int, memory: Literal["registers", "shift", "distributed", "block"], family: Family = "xcup"
) -> Structure:
    """Return the structure of a buffer of beats.

    Args:
        width: bits of a beat.
        words: words of the memory behind the output register.
        memory: what holds them; two registers need no words.
        family: part family.
    """
    if memory == "registers":
        return Structure(kind=FIFO, terms=tuple(skid(width)), ff={"bit": 2 * width, "fifo": 1}, delay={"fifo": 1})
    bits = bits_of(words)
    if memory == "shift":
        taps = -(-words // 32)
        terms = [
            Term(COUNTED, width * taps, "buffer", "srl"),
            Term("tap_choice", width * mux_luts(taps), "buffer"),
            Term("oldest_bit", bits + 1, "control"),
            Term("shift_handshake", 1, "control"),
        ]
        return Structure(
            kind=FIFO, terms=tuple(terms), ff={"bit": width, "fifo": 1, "pointer": bits + 1},
            delay={"fifo": 1, "bit": bits, "banks": bits_of(taps)},
        )  # fmt: skip
    held = ram(words, width, in_blocks=memory == "block", family=family)
    return Structure(
        kind=FIFO,
        terms=(
            *memory_terms(held, width),
            *counter(words, "ring"),
            *counter(words, "ring"),
            Term("compare", bits, "control"),
            Term("handshake", 1, "control"),
        ),
        ff={"bit": width if memory == "distributed" else 0, "fifo": 1, "pointer": 2 * (bits + 1)},
        delay={"fifo": 1, "bit": bits, "banks": bits_of(held.banks)},
        bram18=held.bram18,
        stored_bits=words * width if memory == "block" else 0,
    )


def width_converter_structure(width_in: int, width_out: int, common: int) -> Structure:
    """Return the structure of a converter: a shift register that widens, a multiplexer that narrows, or both.

    Args:
        width_in: bits of a beat that comes in.
        width_out: bits of a beat that goes out.
        common: bits after which beats of both sizes end.
    """
    widen, narrow = common // width_in, common // width_out
    terms: list[Term] = []
    ff: dict[str, float] = {"converter": 1, "bit": 0}
    if widen > 1:
        terms += [Term("widen", 1, "control"), *counter(widen)]
        ff["bit"] += common
        ff["counter"] = bits_of(widen)
    if narrow > 1:
        terms += [
            Term("narrow", 1, "control"),
            *counter(narrow),
            # Synthesis builds multiplexers of a few inputs well, of 9 not.
            Term(f"select_{min(4, bits_of(narrow))}", width_out * mux_luts(narrow), "buffer"),
        ]
        ff["bit"] += width_out
        ff["counter"] = ff.get("counter", 0) + bits_of(narrow)
    if widen > 1 and narrow > 1:
        terms.append(Term("both", 1, "control"))
        ff["bit"] += common
    return Structure(
        kind=WIDTH_CONVERTER,
        terms=tuple(terms),
        ff=ff,
        delay={"converter": 1, "select": bits_of(narrow), "counter": bits_of(max(widen, narrow))},
    )


def duplicate_structure(width: int, copies: int) -> Structure:
    """Return the structure of copies of a stream: one register, a valid bit per copy."""
    if copies == 2:
        terms = [Term("two_copies", 1, "control")]
    else:
        terms = [Term("copy", copies, "control"), Term("all_taken", max(0, copies - 4), "control")]
    return Structure(
        kind=DUPLICATE,
        terms=tuple(terms),
        ff={"bit": width, "copy": copies},
        delay={"duplicate": 1, "copies": bits_of(copies)},
    )


def concat_structure(width: int, lengths: tuple[int, ...]) -> Structure:
    """Return the structure of streams that take turns in one register.

    Args:
        width: bits of a beat.
        lengths: beats of each stream in its turn.
    """
    terms = [*_turns(lengths), Term(COUNTED, width * mux_luts(len(lengths)), "buffer")]
    return Structure(
        kind=CONCAT, terms=tuple(terms), ff={"bit": width, "turn": _turn_bits(lengths), "unit": 1},
        delay={"unit": 1, "readers": bits_of(width + 1), "turn": bits_of(max(lengths))},
    )  # fmt: skip


def split_structure(width: int, lengths: tuple[int, ...]) -> Structure:
    """Return the structure of a stream whose beats go to others in turn; arguments as `concat_structure`."""
    terms = _turns(lengths)
    return Structure(
        kind=SPLIT, terms=tuple(terms), ff={"bit": width, "turn": _turn_bits(lengths), "unit": 1},
        delay={"unit": 1, "readers": bits_of(width + 1), "turn": bits_of(max(lengths))},
    )  # fmt: skip


def _turns(lengths: tuple[int, ...]) -> list[Term]:
    """Return the terms of ``bfx_turns`` and of the handshakes.

    Constants: ``streams_2`` to ``streams_4`` by how many take turns, ``streams`` per stream of more; ``single_beats``
    where a turn is one beat; ``steps_1`` to ``steps_3`` by the bits of a turn's counter, ``step`` per bit of a longer
    one; ``turn_end_1`` to ``turn_end_3`` for every other length of a turn.
    """
    count, steps = len(lengths), bits_of(max(lengths))
    terms = [Term(f"streams_{count}", 1, "control") if count <= 4 else Term("streams", count, "control")]
    if not steps:
        terms.append(Term("single_beats", 1, "control"))
    else:
        short = min(steps, 3)
        terms += [
            Term(f"steps_{short}", 1, "control"),
            Term("step", steps - short, "control"),
            Term(f"turn_end_{short}", len(set(lengths)) - 1, "control"),
        ]
    return terms


def _turn_bits(lengths: tuple[int, ...]) -> int:
    return bits_of(max(lengths)) + bits_of(len(lengths))


def upsample_structure(width: int, loops: tuple[int, int, int, int], *, in_blocks: bool, family: Family) -> Structure:
    """Return the structure of repeated pixels and lines.

    Args:
        width: bits of a beat.
        loops: beats of a pixel, pixels that are held, how often they are sent, and each of them in a row.
        in_blocks: whether the memory is block RAM.
        family: part family.
    """
    words = loops[0] * loops[1]
    memory = ram(words, width, in_blocks=in_blocks, family=family)
    bits = bits_of(words)
    counters = [term for states in loops for term in counter(states)]
    terms = [
        *memory_terms(memory, width),
        *counters,
        *counter(words, "ring"),
        Term("place", bits, "control"),
        Term("upsample", 1, "control"),
    ]
    return Structure(
        kind=UPSAMPLE, terms=tuple(terms), ff={"bit": 0 if in_blocks else width, "place": 3 * bits, "unit": 1},
        delay={"unit": 1, "place": bits}, bram18=memory.bram18, stored_bits=words * width if in_blocks else 0,
    )  # fmt: skip


def upsample_loops(folds: int, line: int, factors: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the loops of `upsample_structure`: where no line is repeated, two pixels are held, of whatever line.

    Args:
        folds: beats of a pixel.
        line: pixels of a line.
        factors: repetitions of a line and of a pixel.
    """
    down, across = factors
    return (folds, line, down, across) if down > 1 and line > 1 else (folds, 2, 1, down * across)


def pixel_padding_structure(width: int, folds: int, image: tuple[int, int], stride: tuple[int, int]) -> Structure:
    """Return the structure of zeros between pixels.

    Args:
        width: bits of a beat.
        folds: beats of a pixel.
        image: lines and pixels of a line that come in.
        stride: from a pixel to the next one in what goes out.
    """
    terms = [Term("pixel_padding", 1, "control"), *counter(folds, "fold")]
    for axis, size, each in zip(("line", "pixel"), image, stride, strict=True):
        # Where no zeros come between, places need not be counted.
        if each > 1:
            terms += [
                Term(axis, 1, "control"),
                Term(f"{axis}_bit", bits_of(size), "control"),
                Term(f"{axis}_return", not is_power_of_two(size), "control"),
                Term(f"{axis}_phase", not is_power_of_two(each), "control"),
            ]
    state = sum(bits_of(states) for states in (folds, *image, *stride))
    return Structure(
        kind=PIXEL_PADDING, terms=tuple(terms), ff={"bit": width, "state": state, "unit": 1},
        delay={"unit": 1, "state": state},
    )  # fmt: skip
