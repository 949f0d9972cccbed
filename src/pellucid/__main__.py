"""`python -m pellucid`: the command line, in the Python that is asked."""

from .cli.main import main

if __name__ == "__main__":  # a process that is spawned for a part of the work imports this file as well
    main()
