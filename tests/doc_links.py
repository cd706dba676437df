"""What the documents name exists: links and their headings, paths of the repository, subcommands and options of the command.

Usage: doc_links.py SOURCE_DIR [REGNET]     without the command, what it knows is not looked at
"""

import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"!?\[(?:[^\[\]]|!?\[[^\]]*\]\([^)]*\))*\]\(([^)\s]+)\)")
HTML_LINK = re.compile(r"""<(?:a|img)\s[^>]*?(?:href|src)=["']([^"']+)["']""")
FENCE = re.compile(r"^ *```.*?^ *```[ \t]*$", re.M | re.S)
INDENTED = re.compile(r"^(?: {4}.*\n)+", re.M)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
PATH = re.compile(r"[\w.+-]+(?:/[\w.+-]+)+/?")
SOURCE = re.compile(r"[\w+-]+\.(?:py|sh|cmake|[ch]pp|inl)")
# "regnet eval --data x", also behind a prompt, variables, a pipe, or another way to the command.
COMMAND = re.compile(r"(?:^|[|&] ?|do ) *(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S+/)?regnet +((?:[^|&#]|(?<! )#)*)")
OPTION = re.compile(r"(?<![\w-])(--?[a-zA-Z][\w-]*)")
SKIPPED = {"build", "__pycache__", ".deps"}
LEAST = {"links": 30, "paths": 80, "commands": 60}  # fewer, and this program has gone blind


def documents(root: pathlib.Path) -> list[pathlib.Path]:
    found = [p.relative_to(root) for p in root.rglob("*.md")]
    return sorted(p for p in found if not any(part in SKIPPED or part.startswith(".") for part in p.parts))


def anchors(text: str) -> set[str]:
    """The names that a Markdown renderer gives to headings."""
    headings = re.findall(r"^#+ +(.+?) *$", FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def link_faults(root: pathlib.Path, document: pathlib.Path, text: str, count: dict[str, int]) -> list[str]:
    prose = SPAN.sub("", FENCE.sub("", text))
    found = []
    for target in LINK.findall(prose) + HTML_LINK.findall(prose):
        if re.match(r"[a-z]+:", target):
            continue
        count["links"] += 1
        name, _, heading = target.partition("#")
        path = root / document.parent / name if name else root / document
        if not path.exists():
            found.append(f"{document}: the link {target} leads nowhere")
        elif heading and heading not in anchors(path.read_text()):
            found.append(f"{document}: {name or document} has no heading #{heading}")
    return found


def path_faults(root: pathlib.Path, document: pathlib.Path, text: str, count: dict[str, int]) -> list[str]:
    """Words in backticks and in blocks are paths when their first part is one of the repository's folders, or of those that headers and sources are named
    from; in backticks a source's name alone is one, too. Words in capitals stand for others."""
    bases = [root, root / document.parent, root / "include", root / "include/regnet", root / "src", root / "tests"]
    folders = {entry.name for base in bases for entry in base.iterdir() if entry.is_dir()} - SKIPPED
    found = []
    blocks, spans = FENCE.findall(text) + INDENTED.findall(FENCE.sub("", text)), SPAN.findall(FENCE.sub("", text))
    for i, code in enumerate(blocks + spans):
        for word in re.findall(r"[^\s'\"=:,;()`]+", code):
            name = word.removeprefix("./").rstrip(".")
            if i >= len(blocks) and SOURCE.fullmatch(name):
                there = any(next((root / folder).rglob(name), None) for folder in ("src", "include", "tools", "tests", "examples", "bench", "cmake"))
            elif PATH.fullmatch(name) and name.split("/")[0] in folders and not re.search(r"\b[A-Z]+\b", pathlib.PurePath(name).stem):
                # A program that is built is named without the ending of its source.
                there = any((base / name).exists() or (base / (name + ".cpp")).exists() for base in bases)
            else:
                continue
            count["paths"] += 1
            if not there:
                found.append(f"{document}: there is no {name}")
    return found


def commands(text: str) -> list[str]:
    """What follows "regnet" wherever the command is shown: in blocks with the lines that continue it, and in backticks."""
    found = []
    for block in FENCE.findall(text) + INDENTED.findall(FENCE.sub("", text)):
        block = re.sub(r"\\\n *", " ", block)
        if "$ " not in block:  # a list of commands: what is indented belongs to the line above; with prompts it is output
            block = re.sub(r"\n +(?=\S)", " ", re.sub(r"^ {4}", "", block, flags=re.M))
        lines = [line.strip() for line in block.splitlines()]
        prompts = any(line.startswith("$ ") for line in lines)
        found += [c for line in lines if not prompts or line.startswith("$ ") for c in COMMAND.findall(line)]
    for span in SPAN.findall(FENCE.sub("", text)):
        found += COMMAND.findall(span)
    return found


class Help:
    """The subcommands and options that the command says it has."""

    def __init__(self, regnet: str):
        self._regnet = regnet
        self._known: dict[tuple[str, ...], tuple[set[str], set[str]]] = {}

    def all_options(self, path: tuple[str, ...] = ()) -> set[str]:
        subcommands, options = self.of(path)
        return options.union(*(self.all_options(path + (name,)) for name in subcommands))

    def of(self, path: tuple[str, ...]) -> tuple[set[str], set[str]]:
        if path not in self._known:
            text = subprocess.run([self._regnet, *path, "--help"], capture_output=True, text=True, check=True).stdout
            options = {name for line in re.findall(r"^  (-[^ ]+)", text, re.M) for name in line.split(",")}
            listed = text.partition("Subcommands:")[2]
            self._known[path] = (set(re.findall(r"^  ([a-z]\w*)", listed, re.M)), options)
        return self._known[path]


def command_faults(document: pathlib.Path, text: str, help_of: Help, count: dict[str, int]) -> list[str]:
    found = []
    for command in commands(text):
        words, path = command.split(), ()
        while words and help_of.of(path)[0] and re.fullmatch(r"[a-z]\w*", words[0]):
            if words[0] not in help_of.of(path)[0]:
                found.append(f"{document}: there is no 'regnet {' '.join(path + (words[0],))}'")
                break
            path += (words.pop(0),)
        else:
            count["commands"] += 1
            unknown = [o for o in OPTION.findall(" ".join(words)) if o not in help_of.of(path)[1] and o not in help_of.of(())[1]]
            found += [f"{document}: 'regnet {' '.join(path)}' has no option {option}" for option in unknown]
    return found


def option_faults(document: pathlib.Path, text: str, known: set[str]) -> list[str]:
    """Options that stand alone in backticks: some subcommand's, a script's or an example's."""
    spans = [span for span in SPAN.findall(FENCE.sub("", text)) if span.startswith("--")]
    options = {option for span in spans for option in OPTION.findall(span)}
    return [f"{document}: neither the command nor a script nor an example has an option {option}" for option in sorted(options - known)]


def main() -> int:
    root = pathlib.Path(sys.argv[1]).resolve()
    help_of = Help(sys.argv[2]) if len(sys.argv) > 2 else None
    found, count = [], dict.fromkeys(LEAST, 0)
    scripts = "".join(p.read_text() for p in (root / "tools").rglob("*") if p.suffix in {".py", ".sh", ".yaml"})
    scripts += "".join(p.read_text() for p in (root / "examples").glob("*.cpp"))
    known = set(OPTION.findall(scripts)) | (help_of.all_options() if help_of else set())
    for document in documents(root):
        text = (root / document).read_text()
        found += link_faults(root, document, text, count) + path_faults(root, document, text, count)
        if help_of:
            found += command_faults(document, text, help_of, count) + option_faults(document, text, known)
    found += [f"only {count[what]} {what} in all documents: is this the source folder?" for what, least in LEAST.items()
              if count[what] < least and (help_of or what != "commands")]
    for line in found:
        print(line, file=sys.stderr)
    print(", ".join(f"{number} {what}" for what, number in count.items()))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
