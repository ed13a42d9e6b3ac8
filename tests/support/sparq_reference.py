"""SPARQ written a second time, slowly and from the paper: bit strings and exact fractions, no table, no shift."""

from fractions import Fraction


def bits_of(x: int) -> str:
    return format(x, "08b")


def reference_window(x: int, bits: int, shifts: tuple[int, ...], rounding: bool, overflow: str) -> int:
    """Figure 1: among the allowed windows [high:low], the lowest one above which every bit of x is zero."""
    text = bits_of(x)
    allowed = [(shift + bits - 1, shift) for shift in sorted(shifts)]
    position = next(place for place, (high, _) in enumerate(allowed) if set(text[: 7 - high]) <= {"0"})
    high, low = allowed[position]
    kept = int(text[7 - high : 8 - low], 2)
    if not rounding:
        return kept * 2**low
    rounded = round(Fraction(x, 2**low))  # Python rounds fractions half to even
    if rounded < 2**bits:
        return rounded * 2**low
    carried = 2 ** (high + 1)
    if overflow == "carry" and position + 1 < len(allowed):
        in_next = Fraction(carried, 2 ** allowed[position + 1][1])
        if in_next.denominator == 1:
            return carried
    return (2**bits - 1) * 2**low


def reference_pair(
    x: int, y: int, bits: int, shifts: tuple[int, ...], rounding: bool, overflow: str
) -> tuple[int, int]:
    """Eq. 2, with the wide windows of 6 and 4 bits that section 5.3 gives a lone value of 3 and 2 bits."""

    def alone(value: int) -> int:
        if bits >= 4:
            return value
        return reference_window(value, 2 * bits, tuple(range(9 - 2 * bits)), True, overflow)

    if y == 0:
        return alone(x), 0
    if x == 0:
        return 0, alone(y)
    first, second = (reference_window(value, bits, shifts, rounding, overflow) for value in (x, y))
    return first, second


def minifloat(x: int, mantissa_bits: int) -> int:
    """The nearest number of an unsigned minifloat with E3 and `mantissa_bits` that an 8-bit integer can be.

    Ties go to the even significand; above the largest number at most 255 it saturates.
    """
    top = 8 - (mantissa_bits + 1)
    numbers: dict[int, int] = {m: m for m in range(2**mantissa_bits)}  # subnormal: exponent field 0
    for exponent in range(1, 8):
        if exponent - 1 > top:
            break
        for m in range(2**mantissa_bits):
            numbers[(2**mantissa_bits + m) * 2 ** (exponent - 1)] = m
    return min(numbers, key=lambda number: (abs(number - x), numbers[number] % 2))
