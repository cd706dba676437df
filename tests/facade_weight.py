"""The one header that applications include must be quick to compile. Seconds differ from machine to machine, so what the compiler reads is counted: beside the standard headers whose types are in the interface,
and of regnet's own text.

Usage: facade_weight.py COMPILER SOURCE_DIR
"""

import re
import subprocess
import sys

IN_THE_INTERFACE = "filesystem functional iostream map memory optional span string variant vector"
MOST_BESIDE_STANDARD = 1.35
MOST_OWN_BYTES = 80_000


def preprocessed(compiler: str, source: str, *flags: str) -> str:
    return subprocess.run([compiler, "-std=c++20", "-E", "-x", "c++", *flags, "-"], input=source, text=True, capture_output=True, check=True).stdout


def own_bytes(text: str) -> int:
    """Bytes that come from headers of regnet, told by the line markers."""
    total, own = 0, False
    for line in text.splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            own = "/regnet/" in marker[1]
        elif own:
            total += len(line) + 1
    return total


def main() -> int:
    compiler, source = sys.argv[1:]
    facade = preprocessed(compiler, "#include <iostream>\n#include <regnet/regnet.hpp>\n", f"-I{source}/include")
    standard = preprocessed(compiler, "".join(f"#include <{name}>\n" for name in IN_THE_INTERFACE.split()))
    ratio, own = len(facade) / len(standard), own_bytes(facade)
    print(f"regnet.hpp: {len(facade)} bytes for the compiler, {ratio:.2f} times the standard headers in its interface (at most {MOST_BESIDE_STANDARD}), {own} bytes of its own "
          f"(at most {MOST_OWN_BYTES})")
    return 0 if ratio <= MOST_BESIDE_STANDARD and 0 < own <= MOST_OWN_BYTES else 1


sys.exit(main())
