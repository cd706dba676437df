"""Holds "regnet manual" to what the command itself says. Usage: man_page.py COMMAND SOURCE_DIR

The page names every subcommand and option that --help names, each where it belongs, is the same bytes wherever it is written, names every variable that the
code reads, and shows examples whose options exist. mandoc and groff find nothing wrong with it; without either that part is skipped with exit code 77."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

NO_DATE = 'missing date, using "": TH'  # a date would have to come from a clock


def output(*arguments: str, **environment: str) -> str:
    return subprocess.run(arguments, check=True, capture_output=True, text=True, env={**os.environ, **environment}).stdout


def plain(roff: str) -> str:
    text = re.sub(r"\\f[BIR]", "", roff).replace("\\&", "").replace("\\-", "-")
    return text.replace("\\(aq", "'").replace("\\(dq", '"').replace("\\(ti", "~")


def sections(page: str) -> dict[str, str]:
    """The text below each heading, with a full subcommand or the name of a section for its key."""
    parts = re.split(r"^\.S[HS] (.*)$", page, flags=re.M)
    return {plain(name): plain(text) for name, text in zip(parts[1::2], parts[2::2])}


def helps(command: str) -> dict[str, list[str]]:
    """What --help names: for each subcommand its options and arguments."""
    found: dict[str, list[str]] = {}

    def read(path: tuple[str, ...]) -> None:
        text = output(command, *path, "--help")
        found[" ".join(("regnet", *path))] = re.findall(r"^  (-\S+)", text.split("Subcommands:")[0], re.M)
        arguments = text.split("Positionals:")[1].split("Options:")[0] if "Positionals:" in text else ""
        found[" ".join(("regnet", *path))] += re.findall(r"^  (\w+) ", arguments, re.M)
        for name in re.findall(r"^  (\w+) ", text.split("Subcommands:")[1], re.M) if "Subcommands:" in text else []:
            read((*path, name))

    read(())
    return found


def missing_names(page: str, command: str) -> list[str]:
    of, found = sections(page), []
    everything = helps(command)
    if len(everything) < 20:
        return [f"only {len(everything)} subcommands in --help: is it read rightly?"]
    for name, options in everything.items():
        text = of.get("OPTIONS" if name == "regnet" else name)
        if text is None:
            found.append(f"{name}: not in the page")
            continue
        for group in re.findall(r"([A-Z]+ OPTIONS)", text):  # "Has also the NETWORK OPTIONS below."
            text += of[group]
        tags = {word.strip(",.") for tag in re.findall(r"^\.TP\n(.*)$", text, re.M) for word in re.split(r" |(?<=\w)(?=\.\.\.)", tag)}
        found += [f"{name}: no {one}" for option in options for one in option.split(",") if one not in tags and one not in ("-h", "--help")]
    found += [f"OPTIONS: no {one}" for one in ("-h", "--help") if one not in of["OPTIONS"]]
    return found + [f"{name}: not in --help" for name in of if name.startswith("regnet ") and name not in everything]


def differences(page: str, command: str) -> list[str]:
    here = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(here)})
    elsewhere = output(command, "manual", HOME="/nowhere", XDG_CACHE_HOME="/cache", COLUMNS="40", TZ="Asia/Tokyo", LC_ALL="C", REGNET_MAX_ISA="portable")
    os.sched_setaffinity(0, here)
    return [] if page == elsewhere else ["another environment gives another page"]


def unnamed_variables(page: str, source: pathlib.Path) -> list[str]:
    files = [file for folder in ("src", "include", "tools/regnet") for file in (source / folder).rglob("*.[chi]*p*")]
    readers = [file for file in files if "getenv" in file.read_text()]
    names = {name for file in readers for name in re.findall(r'(?<!type_name\()"([A-Z][A-Z_]+)"', file.read_text())}
    if not {"REGNET_MAX_ISA", "HOME"} <= names:
        return [f"found only {sorted(names)} below {source}: is this the source folder?"]
    return [f"ENVIRONMENT: no {name}" for name in names if not re.search(rf"\b{name}\b", sections(page)["ENVIRONMENT"])]


def wrong_examples(page: str, command: str) -> list[str]:
    of = helps(command)
    lines = re.findall(r"^regnet .*$", sections(page)["EXAMPLES"], re.M)
    found = [] if len(lines) > 5 else [f"only {len(lines)} examples"]
    for line in lines:
        name = max((name for name in of if f"{line} ".startswith(f"{name} ")), key=len)
        known = {one for option in of[name] for one in option.split(",")}
        found += [f"{line}: {name} has no {option}" for option in re.findall(r"(?<= )--?[a-z][\w-]*", line) if option not in known]
    return found


def lint(page: str) -> tuple[list[str], int]:
    """What the formatters complain of, and how many of them there are."""
    found, formatters = [], 0
    for arguments in (["mandoc", "-Tlint", "-Wwarning"], ["groff", "-man", "-ww", "-Tutf8", "-z"]):
        if shutil.which(arguments[0]) is None:
            print(f"not checked by {arguments[0]}, which is not installed")
            continue
        formatters += 1
        result = subprocess.run(arguments, input=page, capture_output=True, text=True)
        found += [line for line in (result.stdout + result.stderr).splitlines() if not line.endswith(NO_DATE)]
    return found, formatters


def main() -> int:
    command, source = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    page = output(command, "manual")
    complaints, formatters = lint(page)
    found = missing_names(page, command) + differences(page, command) + unnamed_variables(page, source) + wrong_examples(page, command) + complaints
    found += [f"names the folder {source}"] if str(source) in page else []
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0 if formatters else 77


if __name__ == "__main__":
    sys.exit(main())
