"""Local response normalisation, which Caffe's networks have: the library's, but not waiting for memory."""

import torch
from torch import nn
from torch.nn.functional import pad

_TYPES = torch.float32, torch.bfloat16


class LocalResponseNorm(nn.LocalResponseNorm):
    """Each response divided by a power of its neighbours' squares: the library's numbers, sooner.

    On the processor one image at a time: its maps stay in a near cache over the dozen steps. The library
    takes each step of a whole batch, and the average over channels in a single thread. The steps are the
    same; a power may differ in its last bit, since PyTorch computes single ones apart from several at once,
    and which are single depends on the size of what it is given and on the number of threads. bfloat16 is
    computed in float32. On another device, where gradients are asked for, and for a compiler, which does such
    things itself, this is the library's.
    """

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """maps (n, C, H, W) -> the same shape."""
        traced = (torch.is_grad_enabled() and maps.requires_grad) or torch.compiler.is_compiling()
        if maps.ndim != 4 or not maps.is_cpu or maps.dtype not in _TYPES or traced:
            return super().forward(maps)
        normed = torch.empty_like(maps)
        for i in range(len(maps)):
            image = maps[i : i + 1].float()
            torch.div(image, self._divisors(image), out=normed[i : i + 1])
        return normed

    def _divisors(self, image):
        """What the responses (1, C, H, W) of an image are divided by, each step in the library's order."""
        channels = image.shape[1]
        squares = pad(image * image, (0, 0, 0, 0, self.size // 2, (self.size - 1) // 2))
        total = squares[:, :channels].clone()
        for shift in range(1, self.size):
            total += squares[:, shift : shift + channels]
        return total.div_(self.size).mul_(self.alpha).add_(self.k).pow_(self.beta)
