"""How long does ``import skmm`` take, against ``import sklearn``? Ratio of process times."""

import resource
import subprocess
import sys

import numpy as np
from _common import RESULTS

PAIRS = 11


def process_time(statement):
    """Processor seconds of a fresh interpreter that runs one statement."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    """Prints and writes the ratio; the start of the interpreter is in both."""
    process_time("import skmm"), process_time("import sklearn")  # compiled files and disk cache
    ratios = [process_time("import skmm") / process_time("import sklearn") for _ in range(PAIRS)]
    no_torch = "import sys, skmm; assert not {'torch', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", no_torch], check=True)
    low, median, high = np.percentile(ratios, [25, 50, 75])
    spread = f"quartiles {low:.2f} to {high:.2f}, {PAIRS} pairs"
    line = f"import skmm / import sklearn: {median:.2f} ({spread}); no torch\n"
    (RESULTS / "speed_import.txt").write_text(line, encoding="utf-8")
    print(line, end="")


if __name__ == "__main__":
    main()
