"""Threads that wait for each other: LLVM IR of a word that one posts and others await, and of the barrier.

A step runs on several threads at once, each doing its part of every kernel. Between two kernels of which the second
reads what the first wrote stands a barrier: no thread passes it before all have come, and behind it each can read
what any wrote before. It is a counter and a generation: who comes last begins the next generation, which the
others await (Mellor-Crummey and Scott, *Algorithms for scalable synchronization on shared-memory multiprocessors*, ACM
Transactions on Computer Systems 9(1), 1991, section 3.1, with a number in place of the sense). Their trees pay only
above some dozens of threads.

Waiting goes through three stages. A thread first looks again and again: the others are usually less than a
microsecond away, and nothing is quicker. Then it offers its core to other threads at each look: they may be what it
waits for, where there are fewer cores than threads or another program runs. At last it sleeps, and uses no time at all;
the lowest bit of the word tells whoever posts that someone has to be woken.

What threads share lies `LINE` bytes apart, so that a write to one thing does not take the line of another from those
who look at it. A team begins with

    offset 0        i32: how many threads have arrived at the barrier
    offset LINE     i32: the generation, an even number, and 1 more while someone sleeps

of which zeros are a valid beginning, and what a barrier leaves is one too. What follows belongs to `workers.py`.
"""

from __future__ import annotations

from .target import Target

# Cache lines have 64 or 128 bytes, and some processors fetch those of 64 in pairs.
LINE = 128
BARRIER_BYTES = 2 * LINE

# How often a thread looks before it begins to yield (about 3 microseconds), and how often it yields before it sleeps
# (about 100 microseconds; waking takes 30 to 100). Both were measured with 2 and 7 threads on 2 cores: looking longer
# wastes the core that the others need, and yielding sooner loses it to other programs.
LOOKS = 200
YIELDS = 400

# The number of Linux's futex(2) to each processor, and its operations within one process.
_FUTEX = {"x86_64": 202, "aarch64": 98}
_SLEEP, _WAKE, _EVERYONE = 128, 129, 2**31 - 1


def barrier(target: Target, declarations: dict[str, None]) -> str:
    """Return LLVM IR of three functions, internal to the module that they become part of.

    - ``void @barrier(ptr %team, i64 %threads)``: wait until ``threads`` threads have come. One thread passes at
      once, and needs no team.
    - ``void @post(ptr %word, i32 %new)``: change a word, and with it publish all that was written before.
    - ``void @await(ptr %word, i32 %old)``: wait until a word is no longer ``old``. Words are even.

    Args:
        target: the machine they are for.
        declarations: where the declarations they need are added.

    >>> from pellucid.backends.native.target import host
    >>> "define internal void @barrier(ptr %team, i64 %threads)" in barrier(host(), {})
    True
    """
    sleep, wake = _sleep_and_wake(target, declarations)
    declarations.setdefault("declare i32 @sched_yield()")
    return "\n".join([_BARRIER, _post(wake), _await(_pause(target, declarations), sleep)])


_BARRIER = f"""\
define internal void @barrier(ptr %team, i64 %threads) nounwind {{
entry:
  %alone = icmp eq i64 %threads, 1
  br i1 %alone, label %done, label %arrive
arrive:
  %word = getelementptr inbounds i8, ptr %team, i64 {LINE}
  %read = load atomic i32, ptr %word monotonic, align 4
  %generation = and i32 %read, -2
  %earlier = atomicrmw add ptr %team, i32 1 acq_rel, align 4
  %arrived = add i32 %earlier, 1
  %all = trunc i64 %threads to i32
  %last = icmp eq i32 %arrived, %all
  br i1 %last, label %release, label %wait
release:
  store atomic i32 0, ptr %team monotonic, align 4
  %next = add i32 %generation, 2
  call void @post(ptr %word, i32 %next)
  br label %done
wait:
  call void @await(ptr %word, i32 %generation)
  br label %done
done:
  ret void
}}
"""


def _post(wake: str) -> str:
    return f"""\
define internal void @post(ptr %word, i32 %new) nounwind {{
entry:
  %old = atomicrmw xchg ptr %word, i32 %new acq_rel, align 4
  %asleep = trunc i32 %old to i1
  br i1 %asleep, label %wake, label %done
wake:
  {wake}
  br label %done
done:
  ret void
}}
"""


def _await(pause: str, sleep: str) -> str:
    # A word that is posted between the mark and the sleep is not what the sleep expects, and ends it at once.
    return f"""\
define internal void @await(ptr %word, i32 %old) nounwind {{
entry:
  %marked = or i32 %old, 1
  br label %look
look:
  %looks = phi i32 [0, %entry], [%more, %pause], [%more, %yield], [%looks, %sleep]
  %read = load atomic i32, ptr %word acquire, align 4
  %current = and i32 %read, -2
  %changed = icmp ne i32 %current, %old
  br i1 %changed, label %done, label %wait
wait:
  %more = add i32 %looks, 1
  %soon = icmp ult i32 %looks, {LOOKS}
  br i1 %soon, label %pause, label %later
pause:
  {pause}
  br label %look
later:
  %patient = icmp ult i32 %looks, {LOOKS + YIELDS}
  br i1 %patient, label %yield, label %sleep
yield:
  %yielded = call i32 @sched_yield()
  br label %look
sleep:
  %mark = cmpxchg ptr %word, i32 %old, i32 %marked monotonic monotonic, align 4
  {sleep}
  br label %look
done:
  ret void
}}
"""


def _pause(target: Target, declarations: dict[str, None]) -> str:
    """Return what tells the processor that a loop only waits."""
    if target.triple.startswith("x86_64"):
        declarations.setdefault("declare void @llvm.x86.sse2.pause()")
        return "call void @llvm.x86.sse2.pause()"
    if target.triple.startswith(("aarch64", "arm64")):
        declarations.setdefault("declare void @llvm.aarch64.hint(i32)")
        return "call void @llvm.aarch64.hint(i32 1)"  # YIELD
    return "; this processor has no instruction for that"


def _sleep_and_wake(target: Target, declarations: dict[str, None]) -> tuple[str, str]:
    """Return what sleeps while ``%word`` is ``%marked``, and what wakes those who do."""
    number = _FUTEX.get(target.triple.split("-")[0])
    if number is None or "linux" not in target.triple:
        declarations.setdefault("declare i32 @usleep(i32)")
        return "%slept = call i32 @usleep(i32 1000)", "; who sleeps wakes by itself"
    declarations.setdefault("declare i64 @syscall(i64, ...)")
    call = f"call i64 (i64, ...) @syscall(i64 {number}, ptr %word, i32"
    return f"%slept = {call} {_SLEEP}, i32 %marked, ptr null)", f"%woken = {call} {_WAKE}, i32 {_EVERYONE})"


__all__ = ["BARRIER_BYTES", "LINE", "barrier"]
