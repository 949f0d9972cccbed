"""Fit the coefficients that stand in src/pellucid/backends/native/coefficients.py, and print them.

Run it with ``python tools/fit_polynomials.py``; it needs mpmath, which Pellucid itself does not. Each entry is the
polynomial, or the ratio of two, whose largest weighted error over an interval is smallest, found by Remez's
exchange of reference points (E. Ya. Remez, 1934; as told in J.-M. Muller, Elementary Functions: Algorithms and
Implementation, 3rd edition, section 3.5; for ratios, section 3.7) on a grid so fine that the loss is far below a
rounding error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mpmath import mp, mpf

mp.dps = 40
GRID = 1500

Real = Callable[[mpf], mpf]


@dataclass(frozen=True)
class Problem:
    """Approximate ``function`` on [low, high] by P / Q so that the largest |weight (P / Q - function)| is smallest.

    Attributes:
        numerator, denominator: the degrees of P and Q.
        fixed: the first coefficients of P, given rather than fitted.
    Q begins with 1.
    """

    function: Real
    weight: Real
    low: float
    high: float
    numerator: int
    denominator: int = 0
    fixed: tuple[float, ...] = ()


@dataclass(frozen=True)
class Fit:
    """Coefficients from the constant up, and the largest weighted error."""

    numerator: tuple[mpf, ...]
    denominator: tuple[mpf, ...]
    error: mpf


def horner(coefficients: Sequence[mpf], x: mpf) -> mpf:
    """Return the polynomial's value; coefficients from the constant up."""
    total = mpf(0)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def fit(problem: Problem) -> Fit:
    """Return the best approximation of a problem."""
    low, high = mpf(problem.low), mpf(problem.high)
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (i + mpf(1) / 2) / GRID) for i in range(GRID)]
    values = [problem.function(x) for x in grid]
    weights = [problem.weight(x) for x in grid]
    unknowns = problem.numerator + 1 - len(problem.fixed) + problem.denominator
    # The reference points are indices into the grid: one more than unknowns, as the error is one too.
    reference = [round((GRID - 1) * (i + mpf(1) / 2) / (unknowns + 1)) for i in range(unknowns + 1)]
    denominators = [mpf(1)] * GRID
    for _ in range(60):
        numerator, denominator = _solve(problem, grid, values, weights, reference, denominators)
        denominators = [horner(denominator, x) for x in grid]
        errors = [
            w * (horner(numerator, x) / q - v) for x, v, w, q in zip(grid, values, weights, denominators, strict=True)
        ]
        exchanged = _extrema(errors, unknowns + 1)
        largest = max(abs(e) for e in errors)
        level = min(abs(errors[i]) for i in exchanged)
        if largest - level < largest / 1000:
            return Fit(tuple(numerator), tuple(denominator), largest)
        reference = exchanged
    raise ArithmeticError("the exchange did not settle")


def _solve(
    problem: Problem,
    grid: list[mpf],
    values: list[mpf],
    weights: list[mpf],
    reference: list[int],
    denominators: list[mpf],
) -> tuple[list[mpf], list[mpf]]:
    """Solve for coefficients whose weighted errors at the reference points are equal, with alternating signs."""
    fixed = [mpf(c) for c in problem.fixed]
    free = range(len(fixed), problem.numerator + 1)
    rows, right = [], []
    for turn, i in enumerate(reference):
        x, v = grid[i], values[i]
        row = [x**k for k in free] + [-v * x**k for k in range(1, problem.denominator + 1)]
        rows.append([*row, (-1) ** turn * denominators[i] / weights[i]])
        right.append(v - horner(fixed, x))
    solution = list(mp.lu_solve(mp.matrix(rows), mp.matrix(right)))
    count = len(free)
    return fixed + solution[:count], [mpf(1), *solution[count:-1]]


def _extrema(errors: list[mpf], wanted: int) -> list[int]:
    """Return the places of the largest error of each run of one sign, the smallest at the ends dropped."""
    places: list[int] = []
    for i, error in enumerate(errors):
        if places and (errors[places[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[places[-1]]):
                places[-1] = i
        else:
            places.append(i)
    while len(places) > wanted:
        places.pop(0 if abs(errors[places[0]]) < abs(errors[places[-1]]) else -1)
    if len(places) < wanted:
        raise ArithmeticError(f"{len(places)} sign changes where {wanted} were expected")
    return places


REDUCED = float(mp.log(2) / 2) * 1.001  # a little more than half of log 2, as the multiple subtracted is rounded


def exponential(degree: int) -> Problem:
    """e^r = 1 + r + r^2 P(r), relative error, |r| <= log(2) / 2."""
    return Problem(lambda r: (mp.expm1(r) - r) / r**2, lambda r: r**2 * mp.exp(-r), -REDUCED, REDUCED, degree)


def exponential_minus_one(degree: int) -> Problem:
    """e^r - 1 = r + r^2 P(r), relative error, |r| <= log(2) / 2."""
    return Problem(lambda r: (mp.expm1(r) - r) / r**2, lambda r: abs(r**2 / mp.expm1(r)), -REDUCED, REDUCED, degree)


def logarithm(degree: int) -> Problem:
    """log(1 + f) = f - f^2 / 2 + f^3 P(f), relative error, 3/4 <= 1 + f <= 3/2."""
    return Problem(lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3, lambda f: f**3 / mp.log1p(f), -0.25, 0.5, degree)


def logarithm_of_ratio(degree: int) -> Problem:
    """log((1 + s) / (1 - s)) = 2 s + s z P(z), z = s^2, relative error, |s| <= 1/5."""

    def function(z: mpf) -> mpf:
        return (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z

    return Problem(function, lambda z: z * mp.sqrt(z) / (2 * mp.atanh(mp.sqrt(z))), 0.0, 0.04, degree)


def odd_ratio(function: Real, slope: float, limit: float, numerator: int, denominator: int) -> Problem:
    """function(x) = x P(u) / Q(u), u = x^2, relative error, |x| <= limit, exact slope at 0."""

    def ratio(u: mpf) -> mpf:
        return function(mp.sqrt(u)) / mp.sqrt(u)

    return Problem(ratio, lambda u: 1 / ratio(u), 0.0, limit**2, numerator, denominator, (slope,))


def sine(degree: int) -> Problem:
    """sin(r) = r + r u P(u), u = r^2, relative error, |r| <= pi / 4."""

    def function(u: mpf) -> mpf:
        return (mp.sin(mp.sqrt(u)) / mp.sqrt(u) - 1) / u

    return Problem(function, lambda u: u * mp.sqrt(u) / mp.sin(mp.sqrt(u)), 0.0, QUARTER, degree)


def cosine(degree: int) -> Problem:
    """cos(r) = 1 - u / 2 + u^2 P(u), u = r^2, relative error, |r| <= pi / 4."""

    def function(u: mpf) -> mpf:
        return (mp.cos(mp.sqrt(u)) - 1 + u / 2) / u**2

    return Problem(function, lambda u: u**2 / mp.cos(mp.sqrt(u)), 0.0, QUARTER, degree)


QUARTER = float(mp.pi / 4) ** 2 * 1.001

ERF_LIMIT = 3.9  # from 3.832 on, erf rounds to 1 in float32

PROBLEMS: dict[str, Problem] = {
    "EXP_FLOAT32": exponential(4),
    "EXP_FLOAT64": exponential(9),
    "EXPM1_FLOAT32": exponential_minus_one(5),
    "EXPM1_FLOAT64": exponential_minus_one(10),
    "LOG_FLOAT32": logarithm(7),
    "LOG_FLOAT64": logarithm_of_ratio(7),
    "SIN_FLOAT32": sine(2),
    "COS_FLOAT32": cosine(2),
    "SIN_FLOAT64": sine(5),
    "COS_FLOAT64": cosine(5),
    "ERF_FLOAT32": odd_ratio(mp.erf, float(2 / mp.sqrt(mp.pi)), ERF_LIMIT, 5, 5),
}

HEADER = '''"""Coefficients of the approximations in mathematics.py, from the constant up.

Written by tools/fit_polynomials.py, which says what each of them approximates and how it is found.
"""
'''


def literals(name: str, coefficients: Sequence[mpf]) -> str:
    """Return the coefficients as a Python assignment."""
    return f"{name} = (\n" + "".join(f"    {float(c)!r},\n" for c in coefficients) + ")\n"


def main() -> None:
    """Print the file of coefficients."""
    parts = [HEADER, f"ERF_LIMIT = {ERF_LIMIT!r}\n"]
    for name, problem in PROBLEMS.items():
        found = fit(problem)
        comment = f"# Largest relative error of the approximation itself: {mp.nstr(found.error, 2)}.\n"
        text = literals(name + ("_P" if problem.denominator else ""), found.numerator)
        if problem.denominator:
            text += literals(name + "_Q", found.denominator)
        parts.append(comment + text)
    sys.stdout.write("\n".join(parts))


if __name__ == "__main__":
    main()
