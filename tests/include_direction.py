"""Holds the line of travel of HACKING.md: which folder may include which. Usage: include_direction.py SOURCE_DIR"""

import pathlib
import re
import sys

# base is known to all; a folder may include itself.
MAY_INCLUDE = {
    "base": set(),
    "design": {"design"},
    "graph": {"design", "graph"},
    "weights": {"weights"},
    "plan": {"graph", "weights", "plan"},
    "image": {"image"},
    "eval": {"plan", "image", "eval"},
    "": {"design", "graph", "weights", "plan", "image", ""},  # model.hpp, regnet.hpp, version.hpp
}
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', re.M)


def station(path: str) -> str:
    """The folder of a path below include/regnet or src; "" for the facade."""
    return path.split("/")[0] if "/" in path else ""


def faults(root: pathlib.Path) -> list[str]:
    found = []
    files = [(p, p.relative_to(root / "include/regnet")) for p in (root / "include/regnet").rglob("*.hpp")]
    files += [(p, p.relative_to(root / "src")) for p in (root / "src").rglob("*.[ch]pp")]
    if len(files) < 20:
        return [f"only {len(files)} files below {root}: is this the source folder?"]
    for path, relative in files:
        here = station(relative.as_posix())
        allowed = MAY_INCLUDE[here] | {"base"}
        if path.name == "bind.hpp" and here == "weights":
            allowed |= {"graph"}
        public = "include/regnet" in path.as_posix()
        for name in INCLUDE.findall(path.read_text()):
            where = f"{path.relative_to(root)}: includes {name}"
            if name.startswith("regnet/") or name.split("/")[0] in MAY_INCLUDE and "/" in name:
                target = station(name.removeprefix("regnet/"))
                if target not in allowed:
                    found.append(f"{where}, but {here or 'the facade'} may only include {sorted(allowed)}")
            elif "dnnl" in name and not path.as_posix().startswith(f"{root.as_posix()}/src/plan/"):
                found.append(f"{where}: oneDNN is named only in src/plan")
            elif public and re.match(r"Eigen|nlohmann|CLI|jpeglib|png\.h|libdeflate|archive\.h", name):
                found.append(f"{where}: a public header shows no other library")
    return found


def main() -> int:
    found = faults(pathlib.Path(sys.argv[1]).resolve())
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
