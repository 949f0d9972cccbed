"""Pellucid beside a C loop, NumPy, PyTorch, JAX and scikit-learn: `python -m benchmarks` runs and writes everything.

moons.py and softmax.py say what is computed; peers/ holds one small program for each way of computing it; tasks.py says
who runs in which comparison and which floors Pellucid must reach; rounds.py runs them, each in a process of its own, in
alternation; summary.py makes medians and ratios of what they report, and refuses to compare what does not agree.
"""
