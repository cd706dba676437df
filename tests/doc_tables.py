"""The tables of networks in README.md, docs/reproduce.md and docs/choose.md say what configs/imagenet, pycls's published costs
(tests/golden/designs.json) and docs/PERFORMANCE.md say.

Usage: doc_tables.py SOURCE_DIR [--print]     --print writes the tables as they should be
"""

import json
import pathlib
import re
import sys

SOURCES = ["pycls", "mmcls", "mmcls-converted", "timm", "torchvision-v1", "torchvision-v2", "timm-tv2"]
CPUS = {"Zen 5": "Zen 5", "Zen 4": "Zen 4", "Sapphire Rapids": "Xeon"}  # as docs/PERFORMANCE.md has them, and in a narrow head
VARIANT = "regnet_x_400mf"  # torchvision's, which is no network of pycls's table


def published(root: pathlib.Path, key: str) -> dict[tuple[str, str], str]:
    """Per cent by network and source, with as many digits as the source publishes."""
    rows = {(path.stem, path.parent.name): json.loads(path.read_text()) for path in (root / "configs/imagenet").glob("*/*.json")}
    digits = dict.fromkeys(SOURCES, 2)
    for (_, source), row in rows.items():
        digits[source] = max(digits[source], *(len(str(row[number]).partition(".")[2]) for number in ("top1", "top5")))
    return {place: f"{row[key]:.{digits[place[1]]}f}" for place, row in rows.items()}


def latencies(root: pathlib.Path, cpu: str) -> dict[str, str]:
    """Milliseconds by network: regnet's column of the first table of batch 1, two threads."""
    text = (root / "docs/PERFORMANCE.md").read_text()
    part = text.split(f"## Two cores of {cpu}\n", 1)[1].split("### Batch 1, two threads\n", 1)[1].split("\n### ", 1)[0]
    return dict(re.findall(r"^\| (regnetx_\S+) \| 2 \| 1 \| ([\d.]+) \|", part, re.M))


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1)] + rows
    return "".join("| " + " | ".join(line) + " |\n" for line in lines).replace("|  |", "| |").replace("|  |", "| |")


def zoo(root: pathlib.Path) -> list[dict]:
    return json.loads((root / "tests/golden/designs.json").read_text())["zoo"]


def short(name: str) -> str:
    return name.removeprefix("regnetx_").upper()


def readme_table(root: pathlib.Path) -> str:
    top1, top5, ms = published(root, "top1"), published(root, "top5"), {cpu: latencies(root, cpu) for cpu in CPUS}
    rows = []
    for network in zoo(root):
        name = network["name"]
        accuracies = [f"{top1[name, source]}/{top5[name, source]}" if (name, source) in top1 else "" for source in SOURCES[:3]]
        rows.append([short(name), f"{network['params'] / 1e6:.2f}", f"{network['macs'] / 1e9:.3f}", *accuracies, *(ms[cpu][name] for cpu in CPUS)])
    return table(["RegNetX", "Params (M)", "MACs (G)", "pycls", "mmcls, own", "mmcls, from pycls", *(f"{cpu} (ms)" for cpu in CPUS.values())], rows)


def accuracy_table(root: pathlib.Path, key: str) -> str:
    accuracy, names = published(root, key), [network["name"] for network in zoo(root)]
    names.insert(names.index("regnetx_400mf") + 1, VARIANT)
    rows = [[f"`{name}`", *(accuracy.get((name, source), "") for source in SOURCES)] for name in names]
    return table([{"top1": "Top-1", "top5": "Top-5"}[key], *(f"`{source}`" for source in SOURCES)], rows)


def choice_table(root: pathlib.Path) -> str:
    """The network with the highest pycls top-1 within a latency."""
    accuracy = {name: float(text) for (name, source), text in published(root, "top1").items() if source == "pycls"}
    rows = []
    for limit in (2, 5, 10, 20, 50, 100):
        row = [f"{limit} ms"]
        for cpu in CPUS:
            ms = latencies(root, cpu)
            best = max((name for name in ms if float(ms[name]) <= limit), key=accuracy.__getitem__, default=None)
            row.append(f"{short(best)}, {accuracy[best]:.1f}%" if best else "")
        rows.append(row)
    return table(["at most", *(f"two cores of {cpu}" for cpu in CPUS)], rows)


def expected_tables(root: pathlib.Path) -> list[tuple[str, str]]:
    return [("README.md", readme_table(root)), ("docs/reproduce.md", accuracy_table(root, "top1")), ("docs/reproduce.md", accuracy_table(root, "top5")),
            ("docs/choose.md", choice_table(root))]


def main() -> int:
    root = pathlib.Path(sys.argv[1]).resolve()
    wrong = 0
    for document, expected in expected_tables(root):
        if "--print" in sys.argv:
            print(expected)
            continue
        text = (root / document).read_text()
        if expected in text:  # as a whole: no row more, none in another place
            continue
        wrong += 1
        missing = [line for line in expected.splitlines() if line not in text.splitlines()]
        print(f"{document}: a table is not what doc_tables.py --print writes; it lacks", *missing or ["nothing, but has more"], sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
