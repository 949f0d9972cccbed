"""One program for each way of computing a task: `python -m benchmarks.peers.NAME` prints one line of JSON."""
