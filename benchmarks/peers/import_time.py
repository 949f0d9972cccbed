"""How long `import MODULE` takes in a fresh process that has imported nothing but what Python itself starts with."""

import sys
import time

if __name__ == "__main__":
    module = sys.argv[sys.argv.index("--module") + 1]
    begin = time.perf_counter()
    try:
        __import__(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        print('{"missing": "not installed"}')
    else:
        seconds = time.perf_counter() - begin
        print(f'{{"seconds": {seconds}, "runs": 1, "early": [], "final": [], "comparable": false}}')
