"""Does the memory of training grow with a data set that lies in a file? A small set and a large one.

Tables of 4096 columns, and images of 32 x 32 x 3, each as a memory map.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from _common import RESULTS

SIZES = (2_000, 20_000)
CASES = {"table": ((64 * 64,), np.float32), "image": ((32, 32, 3), np.uint8)}
TRAIN = """
import sys, threading, time
import numpy as np
from skmm import ModalityDict
from skmm.fusion import ImageMMDynamics

def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))

peak = [0]
def watch():
    while True:
        peak[0] = max(peak[0], anonymous())
        time.sleep(0.005)

def fit(n):
    values = np.load(sys.argv[1], mmap_mode="r")[:n]
    y = np.arange(n) % 2
    model = ImageMMDynamics(16, feature_gate="diagonal", max_epochs=1, batch_size=64, random_state=0)
    model.fit(ModalityDict({"lazy": values}), y)

fit(200)  # everything imported and allocated
start = anonymous()
threading.Thread(target=watch, daemon=True).start()
fit(int(sys.argv[2]))
print((peak[0] - start) / 1024)
"""


def write(path, shape, dtype):
    """Write random values to a file, a piece at a time."""
    values = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(max(SIZES), *shape))
    rng = np.random.default_rng(0)
    for start in range(0, len(values), 1000):
        values[start : start + 1000] = (
            rng.normal(size=(1000, *shape)) if dtype is np.float32 else rng.integers(256, size=(1000, *shape))
        )
    values.flush()


def main():
    """Prints and writes the growth of anonymous memory for each kind and size."""
    lines = []
    for kind, (shape, dtype) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "values.npy"
            write(path, shape, dtype)
            for n in SIZES:
                command = [sys.executable, "-c", TRAIN, str(path), str(n)]
                grown = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                size = n * int(np.prod(shape)) * np.dtype(dtype).itemsize / 2**20
                lines.append(
                    f"{n} rows of {kind}s ({size:.0f} MiB on disk): {grown:.0f} MiB more anonymous memory\n"
                )
                print(lines[-1], end="", flush=True)
    (RESULTS / "memory_lazy.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
