"""Gradients: fit Gaussians to a picture by gradient descent, in seconds, on the processor.

Needs torch, which the extras "refine" and "cuda" bring.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import simvid
from simvid.rendering.torch_raster import rasterize

COUNT, STEPS = 1500, 200
out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples")
scene = simvid.load_scene("falling_stack", {"duration_s": 0.5, "cameras.front.resolution_px": [160, 120]})
target = torch.from_numpy(simvid.run(scene, out).frames("front").rgb[-1]).float() / 255
height, width = target.shape[:2]

# A camera at the origin, and Gaussians strewn over the plane z = 1 that it sees.
viewmat, K = torch.eye(4), torch.tensor([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]])
torch.manual_seed(0)
spot = torch.rand(COUNT, 2)
pixels = (spot * torch.tensor([width, height])).long()
flat = (spot - 0.5) * torch.tensor([1.0, height / width])
means = torch.cat([flat, 1 + 0.1 * torch.rand(COUNT, 1)], dim=1).requires_grad_()
quats = torch.nn.functional.normalize(torch.randn(COUNT, 4)).requires_grad_()
log_scales = torch.full((COUNT, 3), -4.5).requires_grad_()
logits = torch.zeros(COUNT).requires_grad_()
colours = target[pixels[:, 1], pixels[:, 0]].clone().requires_grad_()

rates = {means: 1e-3, quats: 2e-2, log_scales: 2e-2, logits: 5e-2, colours: 1e-2}


def draw() -> torch.Tensor:
    """The picture [H, W, 3]."""
    scales, opacities = log_scales.exp(), logits.sigmoid()
    view = {"viewmat": viewmat, "K": K, "width": width, "height": height}
    return rasterize(means, quats, scales, opacities, colours, **view).features


optimizer = torch.optim.Adam([{"params": [value], "lr": rate} for value, rate in rates.items()])
losses = []
for step in range(STEPS):
    loss = (draw() - target).abs().mean()
    losses.append(float(loss.detach()))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 40 == 0 or step == STEPS - 1:
        print(f"step {step:3d}: mean absolute error {losses[-1]:.4f}")

both = torch.cat([target, draw().detach().clamp(0, 1)], dim=1)
Image.fromarray(np.asarray(both * 255 + 0.5).astype(np.uint8)).save(out / "fitted.png")
print(f"the picture, and {COUNT} Gaussians fitted to it: {out / 'fitted.png'}")
if losses[-1] > losses[0] / 3:
    sys.exit("the loss did not fall to a third")
