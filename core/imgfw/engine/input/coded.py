"""Images on their way to the device as the JPEG files that they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imgfw.engine.input.splits import BadSample


@dataclass(frozen=True, slots=True)
class CodedImage:
    """A file that was judged by its header and is yet to be decoded.

    Attributes:
        content: the file, an upright JPEG of three channels.
        pixels: of the image, height times width.
        name: what names it to its owner.
    """

    content: bytes
    pixels: int
    name: str


@dataclass(frozen=True, slots=True)
class CodedImages:
    """The coded images of a batch, in one tensor: of each a worker would send a file descriptor.

    Attributes:
        content: uint8 `[N]`, the files one after the other.
        lengths: of each, in bytes.
        pixels: of each image, height times width.
        positions: where each is in the batch.
        samples: what to say of each if it cannot be decoded, but for the reason.
    """

    content: Tensor
    lengths: list[int]
    pixels: list[int]
    positions: list[int]
    samples: list[BadSample]

    @classmethod
    def packed(
        cls, images: Sequence[CodedImage], positions: list[int], samples: Sequence[BadSample]
    ) -> CodedImages:
        """Pack images, of which there is at least one."""
        content = torch.frombuffer(bytearray().join(image.content for image in images), dtype=torch.uint8)
        return cls(
            content,
            [len(image.content) for image in images],
            [image.pixels for image in images],
            positions,
            [
                dataclasses.replace(sample, source=image.name)
                for image, sample in zip(images, samples, strict=True)
            ],
        )

    def files(self) -> list[Tensor]:
        """Each file: uint8 `[n]`."""
        return list(torch.split(self.content, self.lengths))
