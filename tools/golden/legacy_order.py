"""Makes legacy (non-zip) torch files reproducible: storages are keyed by memory addresses, which differ on every run."""

import collections
import io
import pickle
import struct
from typing import Any

ELEMENT_BYTES = {"FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2, "BFloat16Storage": 2, "LongStorage": 8}


class _Ignored:
    """Stands for whatever a pickle builds besides storages."""

    def __init__(self, *_arguments: Any) -> None:
        """Forgets its arguments."""

    def __setstate__(self, _state: Any) -> None:
        """Forgets its state."""


class _Outline(pickle.Unpickler):
    """Reads only which storages an object pickle names, in order of appearance; calls nothing that it names."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.element_bytes: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Returns the real OrderedDict, a storage's element size, or a stand-in for anything else."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        return ELEMENT_BYTES.get(name, _Ignored)

    def persistent_load(self, pid: tuple[Any, ...]) -> None:
        """Notes the key and element size of one storage."""
        self.element_bytes.setdefault(pid[2], pid[1])


def _unicode(text: str, protocol: int) -> bytes:
    """Returns the pickle opcode for a short text: BINUNICODE, from protocol 4 on SHORT_BINUNICODE."""
    return (b"X" + struct.pack("<I", len(text)) if protocol < 4 else b"\x8c" + bytes([len(text)])) + text.encode()


def _reframed(body: bytes, old_size: int) -> bytes:
    """Returns a protocol 4 pickle with its only frame corrected for a size that has changed."""
    head = 2 + 9  # PROTO, FRAME
    if body[2:head] != b"\x95" + struct.pack("<Q", old_size - head):
        raise ValueError("not one frame")
    return body[:2] + b"\x95" + struct.pack("<Q", len(body) - head) + body[head:]


def with_stable_keys(data: bytes) -> bytes:
    """Returns the same file with its storages keyed and ordered by first appearance."""
    stream = io.BytesIO(data)
    for _ in range(3):  # magic number, protocol version, sys_info
        pickle.load(stream)
    start = stream.tell()
    outline = _Outline(stream)
    outline.load()
    middle = stream.tell()
    listed = pickle.load(stream)
    sections = {}
    for key in listed:
        (count,) = struct.unpack("<q", data[stream.tell():stream.tell() + 8])
        sections[key] = stream.read(8 + count * outline.element_bytes[key])
    if stream.read(1):
        raise ValueError("bytes left over after the last storage")

    stable = {key: str(94000000000000 + 64 * i) for i, key in enumerate(outline.element_bytes)}
    body, protocol = data[start:middle], data[start + 1]
    for key, new in stable.items():
        body = body.replace(_unicode(key, protocol), _unicode(new, protocol))
    if protocol >= 4:
        body = _reframed(body, middle - start)
    keys = pickle.dumps(list(stable.values()), protocol=protocol)
    return data[:start] + body + keys + b"".join(sections[key] for key in stable)
