"""A header in, the same header with its comments as Doxygen knows them out, line for line, so that warnings name the right places.

Usage: comments.py HEADER     Doxygen calls it as its INPUT_FILTER

The headers' comments are plain (// and, in C, /* */), for people who read the source. What they mean here:
- a comment above a declaration is about it and about what follows it without an empty line or another comment;
- a comment at the end of a line is about what is declared there, and goes on in comments right below that begin in its column;
- a field, an enumerator or a destructor without a comment is what its name and type say; a function or a type without one is what Doxygen warns of;
- the first comment is about the file, and about the type it names ("Plan: bound weights in, ..."), if that has no comment of its own.
Comments within functions stay as they are. Of Doxygen's commands only \\param, \\return and the like are left; other signs mean themselves.
"""

import re
import sys

COMMAND = r"(?:t?param|returns?|throws?|see|since|deprecated)\b"
TYPE = re.compile(r"(?:template ?<.*> ?)?(?:typedef )?(?:class|struct|enum(?: class)?)\b[^()=]*$")
WORD = re.compile(r"\b(?:enum class|enum|class|struct) (?:REGNET_API )?(\w+)")
OPEN = re.compile(r'^(?:inline )?namespace\b|^extern "C"')
SEVERAL = re.compile(r"([\w:]+(?:<[^;=]*>)? )(\w+(?: = [\w:<>.(){}-]+)?(?:, \w+(?: = [\w:<>.(){}-]+)?)+);")
NOTHING = "&zwnj;"  # a comment that nobody sees
TOKEN = re.compile(r"""//.*|/\*.*?\*/|/\*.*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'|[(){};,]|[^\s(){};,"'/]+|\S""")


def escaped(text: str) -> str:
    """Signs that Doxygen or Markdown would take for commands, without those in backticks, which are code."""
    parts = re.split(r"(`[^`]+`)", text)
    parts[::2] = [re.sub(rf"\\(?!{COMMAND})|[@<>#%&$]", r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)


def plain(lines: list[str]) -> str:
    """The text of a comment; an empty line ends a paragraph."""
    stripped = [re.sub(r"^(//+<?|/\*+<?|\*(?!/))|\*/$", "", line.strip()).removesuffix("*/").strip() for line in lines]
    return "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in "\n".join(stripped).strip().split("\n\n"))


class Statement:
    def __init__(self, line: int, column: int, above: str, scope: str):
        self.line, self.column, self.above, self.beside = line, column, above, ""
        self.words: list[str] = []
        self.is_member = scope in ("enum", "type")

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def comment(self) -> str:
        """What Doxygen is told; nothing where it shall warn."""
        if self.text.startswith("~"):  # what is said of the constructor above does not hold here
            self.above = ""
        if self.beside or self.above:
            return "<p>".join(escaped(part).replace("\n\n", "<p>") for part in (self.beside, self.above) if part)
        if self.text.endswith("= default"):
            return "As the members have it."
        if self.text.endswith("= delete"):
            return "Not to be had."
        is_field = self.is_member and "(" not in self.text.partition(" = ")[0] and not re.match(r"(?:using|typedef|class|struct|enum)\b", self.text)
        return NOTHING if is_field or self.text.startswith("~") else ""


class Filter:
    def __init__(self, lines: list[str]):
        self.lines = lines
        self.out = list(lines)
        self.statements: list[Statement] = []  # that want a comment
        self.types: list[Statement] = []  # around the place that is looked at
        self.last: Statement | None = None  # that ended
        self.scopes = ["open"]  # open: a namespace or the file; type: a class; enum; body: of a function, or a value in braces
        self.parentheses = 0
        self.now: Statement | None = None
        self.above, self.shared = "", ""  # the comment just read; the one that holds until an empty line
        self.beside_at = -1  # column of a comment at the end of the line before

    def start(self, line: int, column: int) -> None:
        self.shared = self.above or self.shared
        self.now, self.above = Statement(line, column, self.shared, self.scopes[-1]), ""

    def end(self) -> None:
        if self.now and self.scopes[-1] != "body":
            self.statements.append(self.now)
            self.last = self.now
        self.now = None

    def token(self, token: str, line: int, column: int) -> None:
        scope = self.scopes[-1]
        if token == "{":
            text = self.now.text if self.now else ""
            declares = scope in ("open", "type") and self.parentheses == 0
            if declares and (OPEN.match(text) or TYPE.match(text)):
                self.statements.append(self.now)
                if TYPE.match(text):
                    self.types.append(self.now)
                    self.last, self.shared = self.now, ""
                self.scopes.append("enum" if re.search(r"\benum\b", text) else "type" if TYPE.match(text) else "open")
                self.now = None
            else:
                self.scopes.append("body")
        elif token == "}":
            closed = self.scopes.pop()
            if closed == "enum":
                self.end()
            # After a function's body the next declaration begins; after a type, or a value in braces, a semicolon or a name is still to come.
            if closed == "body" and self.scopes[-1] != "body" and self.now and "(" in self.now.words and self.now.words[-1] != "=" and not self.parentheses:
                self.end()
            elif closed in ("enum", "type"):
                self.last, self.shared = self.types.pop(), ""
                self.now = Statement(line, column, "", "")
                self.now.words.append("}")
        elif scope == "body":
            return
        elif token in (";", ",") and not self.parentheses and (token == ";" or scope == "enum"):
            if self.now and self.now.words[0] == "}":
                self.now = None
            self.end()
        else:
            self.parentheses += (token == "(") - (token == ")")
            if self.now is None:
                self.start(line, column)
            self.now.words.append(token)
            if self.now.words in (["public", ":"], ["public:"], ["private:"], ["protected:"]):
                self.now, self.shared = None, ""

    def beside(self, comment: list[str]) -> None:
        """A comment at the end of a line belongs to the last declaration that begins, goes on or ends there."""
        if comment[0].startswith("// namespace "):
            return
        about = self.now if self.now and self.now.words[0] != "}" else self.last
        if about:
            about.beside = (about.beside + " " + plain(comment)).strip()

    def code(self, number: int, line: str) -> None:
        for match in TOKEN.finditer(line):
            if match.group().startswith(("//", "/*")):
                if self.scopes[-1] != "body":
                    self.beside([match.group()])
                    self.beside_at = match.start()
                    self.out[number] = line[: match.start()].rstrip()
            else:
                self.token(match.group(), number, match.start())

    def run(self) -> list[str]:
        number, first = 0, True
        file_text = ""
        while number < len(self.lines):
            line = self.lines[number]
            stripped = line.strip()
            in_body = self.scopes[-1] == "body"
            if not stripped:
                self.above = self.shared = ""
                self.beside_at = -1
            elif stripped.startswith(("//", "/*")) and not in_body:
                end = number + 1
                if stripped.startswith("/*"):
                    while "*/" not in self.lines[end - 1]:
                        end += 1
                else:
                    while end < len(self.lines) and self.lines[end].strip().startswith("//"):
                        end += 1
                comment = self.lines[number:end]
                self.out[number:end] = [""] * (end - number)
                if first:
                    file_text = plain(comment)
                elif line.index(stripped) == self.beside_at:
                    self.beside(comment)
                else:
                    self.above = plain(comment)
                number, first = end, False
                continue
            elif stripped.startswith("#"):
                if re.match(r"#define REGNET_\w*(API|_H)\b", stripped):
                    self.out[number] = ""
                while self.lines[number].endswith("\\"):
                    number += 1
            else:
                self.beside_at = -1
                self.code(number, line)
            number += 1
        self.comment(file_text)
        return self.out

    def comment(self, file_text: str) -> None:
        names, _, about = file_text.partition(": ")
        about = about[:1].upper() + about[1:]
        for statement in reversed(self.statements):
            type_name = WORD.search(statement.text)
            if type_name and type_name[1] in names.split(" and ") and not statement.above and not statement.text.startswith("friend"):
                statement.above = about
            if text := statement.comment():
                line = self.out[statement.line]
                declared = line[statement.column :]
                # Doxygen gives a comment to the first of several names only.
                if several := SEVERAL.fullmatch(declared):
                    declared = f"; /** {text} */ ".join(several[1] + name for name in several[2].split(", ")) + ";"
                self.out[statement.line] = f"{line[:statement.column]}/** {text} */ {declared}"
        if about:
            self.out[0], self.out[1] = "/** \\file", escaped(about).replace("\n\n", "<p>") + " */ " + self.out[1]


with open(sys.argv[1], encoding="utf-8") as file:
    print("\n".join(Filter(file.read().splitlines()).run()))
