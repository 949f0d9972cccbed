"""docs/benchmarks.md, written anew from the results."""

from __future__ import annotations

from collections.abc import Sequence

from . import kernel_table, results, xla_table
from .kernel_table import KernelRow
from .results import Results
from .rounds import CORES
from .summary import Row, Verdict
from .table import FLOOR_HEADINGS, by_task, headings_of, markdown, notes, task_cells, verdict_cells

SHORTFALLS = """\
## Where a floor is not met, and why

The arithmetic below is of 2 cores of Zen 4: a multiply-add of 16 floats a cycle and core at about 3.7 GHz, 235 GFLOP/s
together, and 40 GB/s of memory. On 2 cores of Zen 3, without AVX-512, it is 200 GFLOP/s and 30 GB/s.

- **Seven networks, 60x PyTorch.** A pass takes 17,000 hyperbolic tangents, 2,125 vectors. Each needs about 15
  multiply-adds and a division forward, and 8 multiply-adds backward: 12 to 14 cycles on two pipes. With the softmax
  of 1,400 pairs that is 5.3 to 6.0 µs on two cores of Zen 3 that do nothing else, where 8.8 µs were measured at best;
  on Zen 4 a pass takes 6.3 to 6.6, and the floor is met by little.
- **Memory, cold.** A process that finds its programs on the disk does not load LLVM: on Zen 4 it takes 19 MiB for the
  3072 network (its weights are 10), 57 for the MNIST CNN (with Adam's moments 37, and the arena 13) and 108 for the
  CIFAR CNN, which is the lower end of the ranges. The first one, which compiles, takes up to 80 more, most of which are
  pages of LLVM's library, mapped from its file; the system has them back when it needs the room.
- **NetworkClassifier on MNIST** meets its floor by no margin. A fit has 3,000 steps of 784-100-10 at batch 200, of 64
  million operations each, which take 0.83 s at the peak of two cores. scikit-learn, whose products are those of a BLAS,
  takes 3.4 to 4.8 s, so that dense products would not be 5x even at the peak. 81% of the pixels are 0: products pass
  over those steps at which two rows have nothing else, and do 29% of the work forward and 22% of it for the weights'
  gradient. A fit takes 0.7 to 0.8 s: of a step's 0.22 ms the product forward, with reading a batch from memory, 0.08,
  the gradient with Adam's update 0.11. Both wait for weights from the second cache more than for arithmetic.
- **Model.fit on the MNIST CNN** meets its floor by no margin. Measured are 60 steps, 1.3 s, of which a fit spends 18 ms
  beside its steps, 1.4%: most of it to copy weights and moments, 40 MB, before each block of about a second, for the
  case that they become no numbers. The rest of the range is the machine's: the same steps, run in turns by a fit and by
  hand, are within 1% of each other in the median, and within 30% in single pairs.
- **On XLA: two moons 2-50-2.** A pass takes 1 to 1.7 µs of 23 longer than by hand, in one call of JAX as in many, so
  that it is not what Pellucid does between calls. Neither the precision asked for, nor 64-bit counters, nor donated
  parameters, nor the formulas make the difference: each was tried. The cause is not known.
- **On XLA: binary addition.** It is beside the faster way by hand, which writes the places out, as Pellucid does, and
  not beside a scan in a scan, as one writes it first. What is left is half a microsecond a sample. Rows are picked by
  their numbers here, where the program by hand scans over them; whether this is the difference was not tried.
- **On XLA: the CIFAR CNN.** Drawing dropout's random numbers, which are the same on every backend, is about a tenth of
  the step's CPU time: 544 ms of both cores together, 474 without it, 522 by hand (before they were drawn once instead
  of wherever they are read: 532 and 512 since). Rounds differ by more than that, so that its floor is met by no margin.
"""

METHOD = """\
## How it is measured

- Every runner is a small program in `benchmarks/peers/`, started in a process of its own. Rounds alternate (A B C ...
  A B C ...), so that a slow minute of the machine meets all alike. A process warms up, then trains from fresh weights
  until it has measured long enough, and reports the median of its runs; the tables show the median of the rounds and
  their range.
- Ratios are taken within a round. On a shared machine they hold better than times do.
- Before times are compared, losses are: after 100 passes (20 steps of softmax regression in the order of the rows)
  within 0.01% of a float64 yardstick, at the end within 5% of the median of all (of the sweep's networks half: the
  one with 4 hidden units ends in a cycle of two, and rounding decides where). Whoever disagrees is shown and not
  compared.
- Two moons: `make_moons(200, noise=0.20)`, full batch, tanh, softmax, rate 0.01 on the summed cross-entropy, L2 0.01
  on the weights, float32. No runner computes the loss while it is timed; all update every parameter in every pass.
- The C loop is `benchmarks/peers/moons.c`, compiled with `gcc -O3 -march=native -ffast-math` for each size; its tanh
  and exponential are vectorised by glibc's libmvec.
- The sweep trains networks of 1, 2, 3, 4, 5, 20 and 50 hidden units. C trains one network a thread on two threads,
  NumPy all seven as one block-diagonal network. The others have several ways: all in one function or one network a
  thread (Pellucid), one network a thread or one padded batch (JAX), block-diagonal or one padded batch (PyTorch).
- Where a runner has several ways (of the sweep; PyTorch's layouts and optimisers; Keras with oneDNN and without), each
  is tried once before the first round, and the fastest runs in all rounds; it is named below the table.
- The networks train on real images, kept as bytes and scaled in the step, by shuffled minibatches with dropout; every
  gather and scaling is counted. PyTorch is eager, JAX and Keras compile a step. All have the same starting weights, and
  after 3 steps without dropout the loss of all lies within 0.01% of a float64 yardstick's (`benchmarks/yardstick.py`).
- Memory is the largest resident size from after importing and loading data to the end of the timed steps, less the
  size at its beginning. Compiling is in it.
- Training to a goal counts compiling and whole epochs until 98.5% of MNIST's test images are right; importing,
  loading and judging are left out. The recipe of 3 epochs counts the same; it is judged once, at its end.
- `Model.fit` and the bare compiled step of the same network run in one process, in turns.
- Compile time goes from the network's expressions to the compiled step: the first step less the second.
- A single kernel runs in one process in Pellucid and in PyTorch, in turns; right before and after each run the limit
  of the machine is measured (multiply-adds in registers, or copies in memory), 30 ms after the threads before it had
  their last work, and the share is taken of the higher one. The arrays of the fused Adam are 51 MB, some of which the
  last cache keeps from step to step, so that it goes beyond copies in memory.
- Softmax regression counts shuffling and gathering the minibatches. JAX's loop is one call an epoch.
- scikit-learn's MLPClassifier has one logistic output where the others have a softmax over two, so on two moons it
  does slightly less work and is not checked; on softmax regression it trains the same model as all.
- Binary addition is learnt one sample at a time, and each runner also keeps what the network gives for a sample before
  it learns from it. NumPy's gradient is by hand, place by place. JAX's loop is timed as one writes it first, a scan
  over places in a scan over samples, and in the fastest of four ways: with the places unrolled or not, and with the
  products with the inputs taken out of the loop over places or not. After 200 samples the loss of all lies within 0.01%
  of the yardstick's. All have the same weights and samples; what is learnt on 20 seeds is judged once, and with it what
  was given in float64.
- The LSTM layer and the transformer block take the same random inputs each step, and the loss is the mean squared error
  of all outputs; a step is forward, backward and plain gradient descent. After 3 steps the loss of all lies within
  0.01% of a float64 yardstick's (`benchmarks/lstm.py`, `benchmarks/transformer.py`). PyTorch's are `nn.LSTM` and
  `scaled_dot_product_attention`, Keras's its LSTM layer.
- The character models are `examples/character_lstm.py` and `examples/character_transformer.py` as they stand, on two
  threads. Their time is that of the whole program, with what it says and writes as it learns. The last tenth of the
  text is held out; the LSTM's loss there is that of text read in 32 places, from each of them on.
- Reading a folder goes from its path to one array of bytes, listing it included, with the files in the system's cache.
  Starting other processes is in the time. The memory is that of the process that asks; each other one has 19 MiB.
  Pillow's loop finds its paths by a glob, and decodes without resizing.
- Import and start are timed inside a fresh process, the interpreter's own start left out. "Cold" begins with an empty
  disk cache; making the data is left out, importing NumPy is not.
"""


def page(
    rows: Sequence[Row],
    verdicts: Sequence[Verdict],
    kernels: Sequence[KernelRow],
    found: Results,
    pictures: Sequence[str],
) -> str:
    """The whole page."""
    tasks = list(found["takings"])
    versions = ", ".join(f"{name} {version}" for name, version in results.versions(found, tasks).items())
    where = results.machines(found, tasks)
    origins = {found["takings"][task]["data"]: None for task in tasks if found["takings"][task]["data"]}
    parts = [
        "# Benchmarks",
        f"`{found['command']}` wrote this page.",
        "\n".join(
            [
                *(f"- {words} ({CORES} cores used at most): {', '.join(keys)}" for words, keys in where.items()),
                f"- Versions: {versions}",
                *(f"- Data: {origin}" for origin in origins),
            ]
        ),
        "## Floors",
        markdown(FLOOR_HEADINGS, verdict_cells(verdicts)),
        "## Results",
    ]
    if "benchmarks.png" in pictures:
        parts.append("![Time of every runner in every task, on logarithmic axes](benchmarks.png)")
    for title, group in by_task([row for row in rows if not row.task.beside]).items():
        if group[0].task.kind != "kernels":
            parts += [f"### {title}", markdown(headings_of(group), task_cells(group)), *notes(group)]
    parts += xla_table.parts([row for row in rows if row.task.beside], verdicts)
    return "\n\n".join([*parts, *kernel_parts(kernels, "roofline.png" in pictures), SHORTFALLS, METHOD])


def kernel_parts(kernels: Sequence[KernelRow], drawn: bool) -> list[str]:
    """The section on single kernels."""
    if not kernels:
        return []
    picture = ["![The roofline: each kernel under the limits of the machine](roofline.png)"] if drawn else []
    said = [f"{row.name}: {row.note}" for row in kernels if row.note]
    return ["## Single kernels", *picture, markdown(kernel_table.HEADINGS, kernel_table.cells(kernels)), *said]
