"""Which line of a TOML text says what.

`tomllib` gives values without their lines. This walks text that `tomllib` has accepted, and so
need not judge it; where it cannot follow, a place has no line of its own and takes its parent's.
Source: TOML v1.0.0.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping

Path = tuple[str | int, ...]

_STRING = r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\''
_TOKEN = re.compile(
    rf"(?P<string>{_STRING})|(?P<comment>#[^\n]*)|(?P<newline>\n)|(?P<space>[ \t\r]+)"
    r"|(?P<mark>[\[\]{}=,.])|(?P<bare>[^\s\[\]{}=,.\"'#]+)|(?P<other>.)",
    re.DOTALL,
)


class LineIndex:
    """Lines (from 1) of keys, tables and list items of one TOML text."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._last: dict[Path, int] = {}  # highest index of each [[array of tables]]
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._tokens = [
            (kind, match.group(), self._line(match.start()))
            for match in _TOKEN.finditer(text)
            if (kind := match.lastgroup or "") not in ("space", "comment")
        ]
        self._walk()

    def of(self, path: Path) -> int | None:
        """The line of `path`, else of the nearest part around it; None when there is none."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return None

    def known(self) -> Mapping[Path, int]:
        """Every place that has a line of its own."""
        return self._lines

    def _line(self, offset: int) -> int:
        return bisect_right(self._starts, offset)

    def _walk(self) -> None:
        table: Path = ()
        for statement in self._statements():
            if statement[0][:2] == ("mark", "["):
                table = self._header(statement)
            else:
                self._pair(table, statement)

    def _statements(self) -> Iterator[list[tuple[str, str, int]]]:
        """Token runs, each one header or one `key = value` that may span lines."""
        run: list[tuple[str, str, int]] = []
        depth = 0
        for token in self._tokens:
            if token[0] == "newline":
                if run and depth == 0:
                    yield run
                    run = []
                continue
            if token[0] == "mark":
                depth += (token[1] in "[{") - (token[1] in "]}")
            run.append(token)
        if run:
            yield run

    def _header(self, tokens: list[tuple[str, str, int]]) -> Path:
        array = [text for _, text, _ in tokens[:2]] == ["[", "["]
        keys = [_plain(kind, text) for kind, text, _ in tokens if kind != "mark"]
        path = self._resolve(keys[:-1]) + tuple(keys[-1:])
        if array:
            self._last[path] = self._last.get(path, -1) + 1
            self._lines.setdefault(path, tokens[0][2])
            path += (self._last[path],)
        self._lines[path] = tokens[0][2]
        return path

    def _resolve(self, keys: list[str]) -> Path:
        path: Path = ()
        for key in keys:
            path += (key,)
            if path in self._last:
                path += (self._last[path],)
        return path

    def _pair(self, table: Path, tokens: list[tuple[str, str, int]]) -> None:
        path, rest = self._key(table, tokens)
        self._items(path, rest)

    def _key(
        self, table: Path, tokens: list[tuple[str, str, int]]
    ) -> tuple[Path, list[tuple[str, str, int]]]:
        path = table
        for place, (kind, text, line) in enumerate(tokens):
            if (kind, text) == ("mark", "="):
                return path, tokens[place + 1 :]
            if kind != "mark":
                path += (_plain(kind, text),)
                self._lines.setdefault(path, line)
        return path, []

    def _items(self, path: Path, tokens: list[tuple[str, str, int]]) -> None:
        """Lines of the items of a list; deeper places take the line of their item."""
        if [token[1] for token in tokens[:1]] != ["["]:
            return
        depth, place, fresh = 0, 0, True
        for kind, text, line in tokens:
            if depth == 1 and fresh and text not in ("]", ","):
                self._lines[(*path, place)] = line
                fresh = False
            if kind == "mark" and text in "[]{}":
                depth += 1 if text in "[{" else -1
            elif kind == "mark" and text == "," and depth == 1:
                place, fresh = place + 1, True


def _plain(kind: str, text: str) -> str:
    """A key without its quotes. Keys with escapes keep them: they then take their table's line."""
    return text[1:-1] if kind == "string" else text
