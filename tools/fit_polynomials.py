"""Fit the coefficients that stand in src/pellucid/backends/native/coefficients.py, and print them.

Run it with ``python tools/fit_polynomials.py``; it needs mpmath, which Pellucid itself does not. Each entry is the
polynomial, or the ratio of two, whose largest weighted error over an interval is smallest, found by Remez's
exchange of reference points (E. Ya. Remez, 1934; as told in J.-M. Muller, Elementary Functions: Algorithms and
Implementation, 3rd edition, section 3.5; for ratios, section 3.7) on a grid so fine that the loss is far below a
rounding error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

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
    reference = [round((GRID - 1) * (mpf(1) - mp.cos(mp.pi * (i + mpf(1) / 2) / (unknowns + 1))) / 2) for i in range(unknowns + 1)]
    reference = [round((GRID - 1) * (i + mpf(1) / 2) / (unknowns + 1)) for i in range(unknowns + 1)]
    denominators = [mpf(1)] * GRID
    for _ in range(60):
        numerator, denominator = _solve(problem, grid, values, weights, reference, denominators)
        denominators = [horner(denominator, x) for x in grid]
        errors = [w * (horner(numerator, x) / q - v) for x, v, w, q in zip(grid, values, weights, denominators)]
        exchanged = _extrema(errors, unknowns + 1)
        largest = max(abs(e) for e in errors)
        level = min(abs(errors[i]) for i in exchanged)
        if largest - level < largest / 1000:
            return Fit(tuple(numerator), tuple(denominator), largest)
        reference = exchanged
    raise ArithmeticError("the exchange did not settle")


def _solve(problem, grid, values, weights, reference, denominators):  # type: ignore[no-untyped-def]
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


HALF_LOG_2 = float(mp.log(2) / 2)


def exponential(degree: int) -> Problem:
    """e^r = 1 + r + r^2 P(r), relative error, |r| <= log(2) / 2 and a little."""
    bound = HALF_LOG_2 * 1.001
    return Problem(
        lambda r: (mp.expm1(r) - r) / r**2, lambda r: r**2 * mp.exp(-r), -bound, bound, degree
    )


def exponential_minus_one(degree: int) -> Problem:
    """e^r - 1 = r + r^2 P(r), relative error."""
    bound = HALF_LOG_2 * 1.001
    return Problem(lambda r: (mp.expm1(r) - r) / r**2, lambda r: r**2 / mp.expm1(r) * mp.sign(r), -bound, bound, degree)


def logarithm(degree: int) -> Problem:
    """log(1 + f) = f - f^2 / 2 + f^3 P(f), relative error, sqrt(1/2) <= 1 + f <= sqrt(2)."""
    return Problem(
        lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3,
        lambda f: f**3 / mp.log1p(f),
        float(mp.sqrt(0.5)) - 1,
        float(mp.sqrt(2)) - 1,
        degree,
    )


def logarithm_of_ratio(degree: int) -> Problem:
    """log((1 + s) / (1 - s)) = 2 s + s z P(z), z = s^2, relative error, |s| <= (sqrt(2) - 1) / (sqrt(2) + 1)."""
    bound = float(((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2)
    return Problem(
        lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z,
        lambda z: z * mp.sqrt(z) / (2 * mp.atanh(mp.sqrt(z))),
        0.0,
        bound,
        degree,
    )


def hyperbolic_tangent(numerator: int, denominator: int, limit: float) -> Problem:
    """tanh(x) = x P(u) / Q(u), u = x^2, P(0) = Q(0) = 1, relative error, |x| <= limit."""
    def ratio(u: mpf) -> mpf:
        return mp.tanh(mp.sqrt(u)) / mp.sqrt(u)

    return Problem(ratio, lambda u: 1 / ratio(u), 0.0, limit**2, numerator, denominator, (1.0,))
