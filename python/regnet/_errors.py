"""What regnet raises."""

from __future__ import annotations


class Error(Exception):
    """What went wrong, in one line: where, what, what was expected and what was found.

    `code` is for programs: "invalid_argument", "not_found", "io", "bad_format", "unsupported", "mismatch" or "numeric".
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[Error], tuple[str, str]]:
        return type(self), (str(self), self.code)  # without it, a worker process could not hand the code to its parent


class ArgumentError(Error, ValueError):
    """An Error of code "invalid_argument": a value that cannot be used, such as an array of another shape."""


class MissingFileError(Error, FileNotFoundError):
    """An Error of code "not_found": there is no checkpoint at the path. A preset or model that does not exist is a plain Error."""
