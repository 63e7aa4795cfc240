"""What `import keras_nlp` costs over `import keras`: the median of several fresh processes, in seconds.

Usage: KERAS_BACKEND=jax python tools/bench/imports.py [PROCESSES]
"""

import statistics
import subprocess
import sys

CODE = """
import time
begin = time.perf_counter()
import keras
middle = time.perf_counter()
import keras_nlp
print(middle - begin, time.perf_counter() - middle)
"""


def measure():
    output = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    return [float(x) for x in output.split("\n")[-2].split()]


if __name__ == "__main__":
    rows = [measure() for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)]
    keras, ours = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"import keras {keras:.2f} s, import keras_nlp {ours:.2f} s more")
