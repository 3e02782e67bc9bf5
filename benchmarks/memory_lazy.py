"""Does the memory of training grow with a data set that lies in a file? A small set and a large one.

The images are flattened rows of a memory map, so that the tables of the spine can take them.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from _common import RESULTS

SIZES = (2_000, 20_000)
WIDTH = 64 * 64
TRAIN = """
import sys, threading, time
import numpy as np
from skmm import ModalityDict
from skmm.fusion import MMDynamicsClassifier

def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))

peak = [0]
def watch():
    while True:
        peak[0] = max(peak[0], anonymous())
        time.sleep(0.005)

def fit(n):
    images = np.load(sys.argv[1], mmap_mode="r")[:n]
    y = np.arange(n) % 2
    model = MMDynamicsClassifier(16, feature_gate="diagonal", max_epochs=1, batch_size=64, random_state=0)
    model.fit(ModalityDict({"image": images}), y)

fit(200)  # everything imported and allocated
start = anonymous()
threading.Thread(target=watch, daemon=True).start()
fit(int(sys.argv[2]))
print((peak[0] - start) / 1024)
"""


def main():
    """Prints and writes the growth of anonymous memory for each size."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(max(SIZES), WIDTH))
        rng = np.random.default_rng(0)
        for start in range(0, len(images), 1000):
            images[start : start + 1000] = rng.normal(size=(1000, WIDTH))
        images.flush()
        lines = []
        for n in SIZES:
            command = [sys.executable, "-c", TRAIN, str(path), str(n)]
            grown = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            size = n * WIDTH * 4 / 2**20
            lines.append(f"{n} images ({size:.0f} MiB on disk): {grown:.0f} MiB more anonymous memory\n")
    (RESULTS / "memory_lazy.txt").write_text("".join(lines), encoding="utf-8")
    print("".join(lines), end="")


if __name__ == "__main__":
    main()
