"""The dimensions of an encoder, from its configuration alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """An encoder's layers, their width, the width of their feed-forward part, and its vocabulary.

    maps: matrices of the feed-forward part, three where it has a gate. runs: how often each layer runs in a row."""

    depth: int
    width: int
    inner: int
    vocabulary: int
    maps: int = 2
    runs: int = 1

    @property
    def layer(self) -> int:
        """Parameters of a layer."""
        return 4 * self.width**2 + self.maps * self.width * self.inner

    @property
    def parameters(self) -> int:
        return self.vocabulary * self.width + self.depth * self.layer
