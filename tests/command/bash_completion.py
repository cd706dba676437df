"""Presses Tab in a real bash. Usage: bash_completion.py COMMAND

In an interactive bash `regnet` is a function that prints its arguments, so that what a line was completed to is what bash makes of it, quotes included.
Once with the script alone, and once loaded by the package bash-completion, where that is installed."""

import contextlib
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

PACKAGE = pathlib.Path("/usr/share/bash-completion/bash_completion")
TAB, ALL = "\t", "\x1b*"  # one completion, or all of them written out
SETUP = """
bind 'set bell-style none'; bind 'set enable-bracketed-paste off'
regnet() {{ printf '<%s>' "$@"; echo; }}
PS1=''; PROMPT_COMMAND='echo [ready]'
cd '{folder}'
{load}
"""


class Bash:
    def __init__(self, folder: pathlib.Path, load: str, environment: dict[str, str]):
        start = folder.parent / "start"
        start.write_text(SETUP.format(folder=folder, load=load))
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.environ.update(environment, TERM="dumb", LC_ALL="C.UTF-8", INPUTRC="/dev/null", HISTFILE="")
            os.execvp("bash", ["bash", "--noprofile", "--rcfile", str(start), "-i"])
        self.pid = pid
        self.read_until_ready()

    def read_until_ready(self) -> str:
        seen, end = "", time.monotonic() + 60  # far more than it takes; only so that a fault is not waited for for ever
        while not seen.endswith("[ready]\r\n"):
            if not select.select([self.terminal], [], [], max(0.0, end - time.monotonic()))[0]:
                raise RuntimeError(f"expected [ready] from bash, found {seen!r}")
            seen += os.read(self.terminal, 65536).decode()
        return seen

    def complete(self, line: str, key: str = TAB) -> list[str]:
        """The arguments that the line has when `key` and Enter are pressed at its end."""
        os.write(self.terminal, (line + key + "\n").encode())
        answer = self.read_until_ready()
        printed = re.findall(r"^<.*>\r?$", answer, re.M)
        if not printed:
            raise RuntimeError(f"{line!r}: expected arguments, found {answer!r}")
        return printed[-1].rstrip("\r")[1:-1].split("><")

    def close(self) -> None:
        os.write(self.terminal, b"\x15exit\n")
        with contextlib.suppress(OSError):
            while os.read(self.terminal, 65536):
                pass
        os.waitpid(self.pid, 0)


def help_options(command: str, *path: str) -> set[str]:
    text = subprocess.run([command, *path, "--help"], check=True, capture_output=True, text=True).stdout
    return {re.sub(r".*,", "", names) for names in re.findall(r"^  (-\S+)", text, re.M)}


def check(bash: Bash, command: str) -> list[str]:
    found = []

    def expect(line: str, words: list[str], key: str = TAB) -> None:
        completed = bash.complete(line, key)
        if completed != words:
            found.append(f"{line!r}: expected {words}, found {completed}")

    def expect_all(line: str, before: list[str], words: set[str]) -> None:
        completed = bash.complete(line, ALL)
        if completed[: len(before)] != before or set(completed[len(before):]) != words:
            found.append(f"{line!r}: expected {before} and {sorted(words)}, found {completed}")

    expect("regnet ev", ["eval"])
    expect("regnet design sam", ["design", "sample"])
    expect_all("regnet design e", ["design"], {"explain", "edf", "export"})
    expect_all("regnet eval --pre", ["eval"], {"--preset", "--predictions"})
    for path in (["eval"], ["bench"], ["design", "sample"]):
        expect_all(f"regnet {' '.join(path)} --", path, help_options(command, *path))
    # Values: choices, names that the library knows, also after "=" and a short option.
    expect("regnet bench --backend on", ["bench", "--backend", "onednn"])
    expect("regnet bench --backend=on", ["bench", "--backend=onednn"])
    expect_all("regnet bench -o ", ["bench", "-o"], {"md", "csv", "json", "jsonl"})
    expect_all("regnet eval --preset ", ["eval", "--preset"], {"pycls", "mmcls", "torchvision-v1", "torchvision-v2", "timm"})
    expect_all("regnet eval --preset=t", ["eval"], {"--preset=timm", "torchvision-v1", "torchvision-v2"})
    expect("regnet eval --preset timm --config mmcls/regnetx_3", ["eval", "--preset", "timm", "--config", "mmcls/regnetx_3.2gf"])
    expect("regnet info regnetx_400mf regnetx_3.", ["info", "regnetx_400mf", "regnetx_3.2gf"])
    expect("regnet design explain --svg a.svg regnetx_1.", ["design", "explain", "--svg", "a.svg", "regnetx_1.6gf"])
    expect("regnet design explain w0=24,wa=24.48,wm=2.54,d=22,g=16 --o", ["design", "explain", "w0=24,wa=24.48,wm=2.54,d=22,g=16", "--output"])
    expect("regnet design sample --range d=12..28 w0=8..64 --space reg", ["design", "sample", "--range", "d=12..28", "w0=8..64", "--space", "regnet"])
    # Files, with what a person has in their names; folders where only those fit; none where a number stands.
    expect("regnet predict two", ["predict", "two words.png"])
    expect("regnet predict --weights 'two", ["predict", "--weights", "two words.png"])
    expect("regnet predict --weights=two", ["predict", "--weights=two words.png"])
    expect("regnet predict two\\ words.png it", ["predict", "two words.png", "it's $1.png"])
    expect("regnet eval --weights-dir some", ["eval", "--weights-dir", "some folder/"])
    expect("regnet eval --merge two\\ words.png some\\ folder/x", ["eval", "--merge", "two words.png", "some folder/x.csv"])
    expect("regnet design explain two", ["design", "explain", "two words.png"])
    expect("regnet eval --weights-dir two", ["eval", "--weights-dir", "two"])
    expect("regnet bench --streams two", ["bench", "--streams", "two"])
    expect("regnet bench --backend two", ["bench", "--backend", "two"])
    return found


def main() -> int:
    command = sys.argv[1]
    if shutil.which("bash") is None:
        print("skipped: bash is not installed")
        return 77
    try:
        for end in os.openpty():
            os.close(end)
    except OSError as error:
        print(f"skipped: no terminal is to be had ({error})")
        return 77
    script = subprocess.run([command, "manual", "-o", "bash"], check=True, capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory() as temporary:
        root = pathlib.Path(temporary)
        (root / "user/completions").mkdir(parents=True)
        (root / "user/completions/regnet").write_text(script)
        folder = root / "work"
        (folder / "some folder").mkdir(parents=True)
        for name in ("two words.png", "it's $1.png", "some file", "some folder/x.csv"):
            (folder / name).write_text("")
        ways = {"alone": f". '{root}/user/completions/regnet'"}
        if PACKAGE.exists():
            ways["with bash-completion"] = f". {PACKAGE}"
        else:
            print(f"not tried with the package bash-completion, which is not installed ({PACKAGE})")
        found = []
        for way, load in ways.items():
            bash = Bash(folder, load, {"BASH_COMPLETION_USER_DIR": f"{root}/user"})
            found += [f"{way}: {line}" for line in check(bash, command)]
            bash.close()
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
