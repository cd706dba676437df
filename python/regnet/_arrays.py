"""What the functions take, for type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Union

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from PIL.Image import Image as PillowImage

    class SupportsDLPack(Protocol):
        """An array of another library, such as a PyTorch tensor."""

        def __dlpack__(self, *, stream: Any = ...) -> Any: ...

    Floats = Union[NDArray[numpy.float32], SupportsDLPack]
    Image = Union[NDArray[numpy.uint8], PillowImage, bytes]
