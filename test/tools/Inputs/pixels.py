"""pixels.py IN.png OUT.npy: an 8x8 picture of examples/digits as f32 1x1x8x8."""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "examples"))
from demo import read_png

np.save(sys.argv[2], read_png(pathlib.Path(sys.argv[1]))[None, None].astype(np.float32) / 255)
