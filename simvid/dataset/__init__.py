"""Training data as it lies on disk: folders of clips, of pairs, of mapped arrays, streamed in windows of frames.

data = simvid.dataset.open("pairs")
for sample in data.split("train").stream(window=8, arrays=("coarse", "target", "depth")):
    ...
"""

from simvid.dataset.reader import DataSet, Sample, open

__all__ = ["DataSet", "Sample", "open"]
