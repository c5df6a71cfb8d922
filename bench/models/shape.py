"""The dimensions of an encoder, from its configuration alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """An encoder's layers, their width, the width of their feed-forward part, and its vocabulary."""

    depth: int
    width: int
    inner: int
    vocabulary: int

    @property
    def layer(self) -> int:
        """Parameters of a layer."""
        return 4 * self.width**2 + 2 * self.width * self.inner

    @property
    def parameters(self) -> int:
        return self.vocabulary * self.width + self.depth * self.layer
