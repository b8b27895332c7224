"""Files and directories as resources; paths that lead out are refused (RSC-01, RSC-02, S53)."""

from __future__ import annotations

import base64
import os
import socket
import threading
from pathlib import Path
from typing import cast
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anyport import Server
from anyport.errors import LocalProtocolError
from anyport.protocol.revisions import Revision
from anyport.protocol.types.json import JsonObject
from anyport.server.files import DirectoryReader
from tests.requirements import require_linux
from tests.server.judging import EVERY, items, judged, read_one, refusal

SECRET = "canary-4711"


def _tree(folder: Path) -> Path:
    """A directory with something of everything, and a secret beside it."""
    root = folder / "docs"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "readme.md").write_text("# Read me")
    (root / "data.json").write_text('{"a":1}')
    (root / "dot.").write_text("dot")
    (root / "sub" / "a b.txt").write_text("spaced")
    (root / "sub" / "caf\u00e9#1?.txt").write_text("odd name")
    (root / "sub" / "deep" / "x.bin").write_bytes(b"\0\xff")
    (root / "LICENSE").write_text("free")
    (root / "blob").write_bytes(b"\xff\xfe")
    (root / "a.tar.gz").write_bytes(b"\x1f\x8b")
    (root / ".env").write_text(SECRET)
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text(SECRET)
    (folder / "secret.txt").write_text(SECRET)
    (folder / "docs-2").mkdir()
    (folder / "docs-2" / "secret.txt").write_text(SECRET)
    (root / "inside").symlink_to(root / "readme.md")
    (root / "to-sub").symlink_to("sub")
    (root / "out").symlink_to(folder / "secret.txt")
    (root / "out-dir").symlink_to(folder)
    (root / "out-env").symlink_to(".env")
    (root / "loop").symlink_to("loop")
    (root / "gone").symlink_to("nowhere")
    return root


def _served(root: Path, *, hidden: bool = False) -> Server:
    server = Server("test")
    server.add_directory(root, "docs://", hidden=hidden)
    return server


# --- directories ------------------------------------------------------------------------------------------------------


@EVERY
async def test_a_directory_is_a_template(tmp_path: Path, revision: Revision) -> None:
    server = Server("test")
    root = _tree(tmp_path)
    server.add_directory(root, "docs://x", title="Docs", description="All docs")
    server.add_directory(root)
    first, second = await items(server, "resources/templates/list", revision)
    assert (first["uriTemplate"], first["name"], first["description"]) == ("docs://x/{+path}", "docs", "All docs")
    assert second == {"uriTemplate": f"{root.as_uri()}/{{+path}}", "name": "docs"}
    assert (await read_one(server, f"{root.as_uri()}/readme.md", revision))["text"] == "# Read me"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("readme.md", {"mimeType": "text/markdown", "text": "# Read me"}),
        ("data.json", {"mimeType": "application/json", "text": '{"a":1}'}),
        ("sub/a%20b.txt", {"mimeType": "text/plain", "text": "spaced"}),
        ("sub/caf%C3%A9%231%3F.txt", {"mimeType": "text/plain", "text": "odd name"}),
        ("sub/deep/x.bin", {"mimeType": "application/octet-stream", "blob": base64.b64encode(b"\0\xff").decode()}),
        ("LICENSE", {"mimeType": "text/plain", "text": "free"}),
        ("blob", {"mimeType": "application/octet-stream", "blob": base64.b64encode(b"\xff\xfe").decode()}),
        ("a.tar.gz", {"mimeType": "application/gzip", "blob": base64.b64encode(b"\x1f\x8b").decode()}),
        ("dot.", {"mimeType": "text/plain", "text": "dot"}),
        ("inside", {"mimeType": "text/markdown", "text": "# Read me"}),
        ("to-sub/a%20b.txt", {"mimeType": "text/plain", "text": "spaced"}),
    ],
)
async def test_what_is_inside(tmp_path: Path, path: str, expected: JsonObject) -> None:
    """Links that stay inside are followed; the MIME type is that of the name, else of the content."""
    server = _served(_tree(tmp_path))
    assert await read_one(server, f"docs://{path}") == {"uri": f"docs://{path}", **expected}


OUTSIDE = [
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "..%252fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "%25252e%25252e%25252fsecret.txt",
    "..%5csecret.txt",
    "..%255csecret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "%u002e%u002e/secret.txt",
    "sub/../../secret.txt",
    "sub/../readme.md",
    "sub/deep/../../../secret.txt",
    "./readme.md",
    "sub/./a%20b.txt",
    "../docs-2/secret.txt",
    "../docs/readme.md",
    ".../secret.txt",
    "....//secret.txt",
    "..;/secret.txt",
    "..%00/secret.txt",
    ".. /secret.txt",
    "..%20/secret.txt",
    "..%09/secret.txt",
    "readme.md%00",
    "readme.md%00.txt",
    "readme.md%0a",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "file:///etc/passwd",
    "C:/windows/win.ini",
    "C:%5cwindows%5cwin.ini",
    "~/secret.txt",
    "sub//a%20b.txt",
    "readme.md/",
    "readme.md/x",
    "sub",
    "sub/",
    "",
    "nothing",
    "x" * 300,
    "x/" * 2000,
    ".env",
    ".git/config",
    "sub/../.env",
    "out",
    "out-dir/secret.txt",
    "out-dir/docs/readme.md/../../secret.txt",
    "out-env",
    "loop",
    "loop/x",
    "gone",
]


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path[:40])
async def test_what_is_outside(tmp_path: Path, path: str) -> None:
    """RSC-02: encoded or not, through a link or not, and what is hidden: refused as not found, and not told apart."""
    error = await refusal(_served(_tree(tmp_path)), "resources/read", {"uri": f"docs://{path}"})
    assert error.code == -32602
    assert SECRET not in f"{error.message}{error.data}"
    assert str(tmp_path) not in f"{error.message}{error.data}"


SEGMENTS = st.sampled_from([
    "..", ".", "%2e%2e", "%2E.", "..%2f", "%252e%252e", "..%5c", "....", "%00", "%c0%ae", "~", ";", " ", "", "out",
    "out-dir", "out-env", "secret.txt", "docs", "docs-2", "sub", "to-sub", ".env", ".git", "config", "etc", "passwd",
    "deep", "inside", "loop", "readme.md", "a b.txt",
])  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that all examples of a property share."""
    return _tree(tmp_path_factory.mktemp("tree"))


@given(segments=st.lists(SEGMENTS, max_size=6), separator=st.sampled_from(["/", "%2f", "%2F", "%5c", "//", "%252f"]))
@example(["out-dir", "docs", ".env"], "/")
@settings(max_examples=400, deadline=None)
def test_no_path_leads_out(tree: Path, segments: list[str], separator: str) -> None:
    """RSC-02: whatever is put together of what leads out elsewhere."""
    reader = DirectoryReader(tree, None, hidden=False, max_bytes=1000)
    path = separator.join(segments)
    for each in (path, path.replace("%2e", ".").replace("%2f", "/").replace("%2F", "/")):
        found = reader(each)
        assert found is None or SECRET.encode() not in found.read()


async def test_hidden_files_on_request(tmp_path: Path) -> None:
    server = _served(_tree(tmp_path), hidden=True)
    assert (await read_one(server, "docs://.env"))["text"] == SECRET
    assert (await read_one(server, "docs://.git/config"))["text"] == SECRET
    assert (await refusal(server, "resources/read", {"uri": "docs://out"})).code == -32602


async def test_only_regular_files(tmp_path: Path) -> None:
    """A pipe that nobody writes to, and a socket, are not there; neither blocks a thread."""
    require_linux("pipes and sockets in a directory")
    root = _tree(tmp_path)
    os.mkfifo(root / "pipe.txt")
    (root / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "s.txt"))
        for name in ("pipe.txt", "s.txt", "null"):
            assert (await refusal(_served(root), "resources/read", {"uri": f"docs://{name}"})).code == -32602


async def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RPC-17: the peer learns that it failed, not where the file lies; the log does."""
    server = _served(_tree(tmp_path))

    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    error = await refusal(server, "resources/read", {"uri": "docs://readme.md"})
    assert (error.code, "Permission denied" in error.message, str(tmp_path) in error.message) == (-32603, True, False)


async def test_files_are_read_off_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, here, seen, original = _served(_tree(tmp_path)), threading.get_ident(), list[bool](), os.open

    def spy(path: Path, flags: int) -> int:
        seen.append(threading.get_ident() == here)
        return original(path, flags)

    monkeypatch.setattr(os, "open", spy)
    await read_one(server, "docs://readme.md")
    assert seen == [False]


async def test_no_file_is_larger_than_the_limit(tmp_path: Path) -> None:
    """Tested at the limit and around it; the refusal names the limit."""
    server = Server("test")
    for size in (9, 10, 11):
        (tmp_path / f"{size}.txt").write_bytes(b"x" * size)
        server.add_file(tmp_path / f"{size}.txt", f"one://{size}", max_bytes=10)
    server.add_directory(tmp_path, "all://", max_bytes=10)
    for uri in ("one://9", "one://10", "all://9.txt", "all://10.txt"):
        assert set(cast("str", (await read_one(server, uri))["text"])) == {"x"}
    for uri in ("one://11", "all://11.txt"):
        error = await refusal(server, "resources/read", {"uri": uri})
        assert (error.code, "10 bytes" in error.message, "max_bytes" in error.message) == (-32603, True, True)


# --- completion of paths ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", ["LICENSE", "a.tar.gz", "blob", "data.json", "dot.", "inside", "readme.md", "sub/", "to-sub/"]),
        ("re", ["readme.md"]),
        ("sub", ["sub/"]),
        ("sub/", ["sub/a b.txt", "sub/caf\u00e9#1?.txt", "sub/deep/"]),
        ("sub/deep/", ["sub/deep/x.bin"]),
        ("to-sub/d", ["to-sub/deep/"]),
        (".", []),
        (".git/", []),
        ("../", []),
        ("../docs/", []),
        ("out-dir/", []),
        ("/", []),
        ("/etc/", []),
        ("sub/../", []),
        ("nothing/", []),
        ("readme.md/", []),
        ("%2e%2e/", []),
        ("..\\", []),
    ],
)
async def test_paths_complete_themselves(tmp_path: Path, typed: str, expected: list[str]) -> None:
    """CMP-01: what can be read, one directory at a time, and nothing else."""
    server = _served(_tree(tmp_path))
    reference = {"type": "ref/resource", "uri": "docs://{+path}"}
    params = {"ref": reference, "argument": {"name": "path", "value": typed}}
    completion = (await judged(server, "completion/complete", params))["completion"]
    assert completion == {"values": expected, "total": len(expected), "hasMore": False}
    for path in expected:
        if not path.endswith("/"):
            assert await items(server, "resources/read", params={"uri": f"docs://{quote(path)}"})


# --- single files -----------------------------------------------------------------------------------------------------


async def test_a_file_is_a_resource(tmp_path: Path) -> None:
    """Listed with its size and its type; read as it is at the time; gone is not found."""
    server, path = Server("test"), tmp_path / "notes.md"
    path.write_text("one")
    server.add_file(path, "docs://notes", title="Notes", cache_ttl=2)
    server.add_file(path)
    first, second = await items(server, "resources/list")
    assert first == {
        "uri": "docs://notes", "name": "notes.md", "title": "Notes", "mimeType": "text/markdown", "size": 3,
    }  # fmt: skip
    assert second["uri"] == path.as_uri()
    assert (await judged(server, "resources/read", {"uri": "docs://notes"}))["ttlMs"] == 2000
    path.write_text("three")
    assert (await read_one(server, path.as_uri()))["text"] == "three"
    path.unlink()
    error = await refusal(server, "resources/read", {"uri": "docs://notes"})
    assert (error.code, error.data) == (-32602, {"uri": "docs://notes"})


async def test_the_declared_type_of_files(tmp_path: Path) -> None:
    server = Server("test")
    (tmp_path / "a.bin").write_text('{"a":1}')
    server.add_file(tmp_path / "a.bin", "a:b", mime_type="application/json")
    server.add_directory(tmp_path, "d:", mime_type="application/json")
    assert (await items(server, "resources/list"))[0]["mimeType"] == "application/json"
    assert (await items(server, "resources/templates/list"))[0]["mimeType"] == "application/json"
    for uri in ("a:b", "d:/a.bin"):
        assert await read_one(server, uri) == {"uri": uri, "mimeType": "application/json", "text": '{"a":1}'}


def test_declarations_that_cannot_work(tmp_path: Path) -> None:
    server = Server("test")
    (tmp_path / "a.txt").write_text("a")
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(LocalProtocolError, match="is not a file"):
            server.add_file(path)
    for path in (tmp_path / "a.txt", tmp_path / "nothing"):
        with pytest.raises(LocalProtocolError, match="is not a directory"):
            server.add_directory(path)
    for uri in ("no uri", "{x}"):
        with pytest.raises(LocalProtocolError):
            server.add_file(tmp_path / "a.txt", uri)
    with pytest.raises(LocalProtocolError, match="scheme"):
        server.add_directory(tmp_path, "docs")
    server.add_file(tmp_path / "a.txt", "a:b")
    with pytest.raises(LocalProtocolError, match="exists already"):
        server.add_file(tmp_path / "a.txt", "a:b")
