"""The XLA backend: a step as one JAX program, on a CPU, a GPU or several devices.

library.py      JAX itself, loaded late, with one clear message where it is not to be had
placement.py    which devices a program runs on, and what each of them holds
arithmetic.py   the builder of native bodies on traced values: random numbers are the same on every backend
windows.py      convolutions and pooling
attention.py    attention
products.py     products of stacks of matrices as single ones
lower.py        expressions to JAX, node by node
picking.py      rows of a batch picked by the host, where arrays are larger than a device or spread over hosts
program.py      one step, or many in a loop: how it is traced, compiled and run
executable.py   what a call runs; parameters, which stay on the device between calls
"""
