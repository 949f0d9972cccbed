"""The smallest program: an expression, its value and its gradient."""

import pellucid as pc


def main() -> None:
    x = pc.variable("x", (2,))
    W = pc.parameter([0.2, 0.7], name="W")
    y = (x * W).sum()
    f = pc.function([x], y)

    print("f(x)         =", y)
    print("f([1, 1])    =", f([1, 1]))
    print("its gradient =", pc.gradient(y, W))


if __name__ == "__main__":
    main()
