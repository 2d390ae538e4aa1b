"""Downloads of datasets against a server made here, which breaks off where a test says so."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import httpx
import pytest

from foretoken import Client, ProblemError, Retry, UnexpectedAnswer, Unreachable

AT_ONCE = Retry(attempts=3, first_s=0.0)
VERSION = "1.1.0-20240305"
JANUARY = bytes(range(256)) * 40
FILES = {
    "btc/train/2024-01.parquet": JANUARY,
    "btc/train/2024-02.parquet": b"february" * 99,
    "btc/validation.parquet": b"validation",
    "features.json": b"{}",
}


class Breaking(httpx.SyncByteStream):
    """Sends some bytes, then the line is dead."""

    def __init__(self, sent: bytes) -> None:
        self.sent = sent

    def __iter__(self) -> Iterator[bytes]:
        yield self.sent
        raise httpx.ReadError("the line is dead")


class Server:
    """Serves `files` as the real one does; `breaks` holds where the next answers end."""

    def __init__(self, files: Dict[str, bytes] = FILES, version: str = VERSION) -> None:
        self.files = dict(files)
        self.version = version
        self.breaks: List[int] = []
        self.asked: List[Tuple[str, Optional[str], Optional[str]]] = []

    def client(self) -> Client:
        transport = httpx.MockTransport(self.answer)
        return Client("http://server/", retry=AT_ONCE, http_transport=transport)

    def manifest(self) -> bytes:
        entries = [
            {
                "path": path,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "rows": {"asset": "btc", "part": path.split("/")[1].split(".")[0]}
                if path.startswith("btc")
                else None,
            }
            for path, content in FILES.items()
            if path in self.files
        ]
        return json.dumps({"version": self.version, "files": entries}).encode()

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path in ("/api/v1/datasets/newest", f"/api/v1/datasets/{self.version}"):
            return httpx.Response(200, content=self.manifest())
        before = f"/datasets/files/{self.version}/"
        if not path.startswith(before):
            body = {"status": 404, "code": "unknown-dataset", "title": "", "detail": "", "remedy": ""}
            return httpx.Response(404, json=body)
        content = self.files[path[len(before) :]]
        wanted = request.headers.get("range")
        self.asked.append((path[len(before) :], wanted, request.headers.get("if-range")))
        assert request.headers["accept-encoding"] == "identity"
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        first, status, headers = 0, 200, {}
        if wanted and request.headers["if-range"] == tag:
            first, status = int(wanted[len("bytes=") : -1]), 206
            headers["content-range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        if self.breaks:
            return httpx.Response(status, headers=headers, stream=Breaking(content[first:][: self.breaks.pop(0)]))
        return httpx.Response(status, headers=headers, content=content[first:])


def written(folder: Path) -> Dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_download_is_whole_and_the_next_fetches_nothing(tmp_path: Path) -> None:
    server = Server()
    with server.client() as api:
        first = api.download_dataset(tmp_path / "data")
        again = api.download_dataset(tmp_path / "data", VERSION)
    assert written(tmp_path / "data") == {**FILES, "manifest.json": server.manifest()}
    assert (first.version, first.fetched, first.kept) == (VERSION, list(FILES), [])
    assert (again.fetched, again.kept) == ([], list(FILES))
    assert len(server.asked) == len(FILES)
    train = [path.name for path in again.files("btc", "train")]
    assert train == ["2024-01.parquet", "2024-02.parquet"]


def test_what_breaks_off_is_resumed_within_a_call(tmp_path: Path) -> None:
    server = Server()
    server.breaks = [1_000, 5_000]
    with server.client() as api:
        api.download_dataset(tmp_path)
    assert (tmp_path / "btc/train/2024-01.parquet").read_bytes() == JANUARY
    tag = f'"{hashlib.sha256(JANUARY).hexdigest()}"'
    january = "btc/train/2024-01.parquet"
    assert server.asked[:3] == [
        (january, None, None),
        (january, "bytes=1000-", tag),
        (january, "bytes=6000-", tag),
    ]


def test_a_later_call_goes_on_where_the_first_gave_up(tmp_path: Path) -> None:
    server = Server()
    server.breaks = [3_000, 0, 0, 0, 0, 0]
    with server.client() as api:
        with pytest.raises(Unreachable):
            api.download_dataset(tmp_path)
        assert not (tmp_path / "manifest.json").exists()
        server.asked.clear()
        api.download_dataset(tmp_path)
    assert server.asked[0][1] == "bytes=3000-"
    assert written(tmp_path) == {**FILES, "manifest.json": server.manifest()}


def test_a_part_of_something_else_is_thrown_away(tmp_path: Path) -> None:
    partial = tmp_path / "btc/train/2024-01.parquet.part"
    partial.parent.mkdir(parents=True)
    for other in (b"x" * 500, b"x" * len(JANUARY), b"x" * (len(JANUARY) + 1)):
        partial.write_bytes(other)
        (tmp_path / "btc/train/2024-01.parquet").unlink(missing_ok=True)
        with Server().client() as api:
            api.download_dataset(tmp_path)
        assert (tmp_path / "btc/train/2024-01.parquet").read_bytes() == JANUARY
        assert not partial.exists()


def test_a_damaged_file_is_fetched_again(tmp_path: Path) -> None:
    with Server().client() as api:
        api.download_dataset(tmp_path)
        (tmp_path / "features.json").write_bytes(b"{ ")
        again = api.download_dataset(tmp_path)
    assert again.fetched == ["features.json"]


def test_wrong_bytes_are_never_kept(tmp_path: Path) -> None:
    server = Server({**FILES, "btc/validation.parquet": b"VALIDATION"})
    with server.client() as api, pytest.raises(UnexpectedAnswer, match="SHA-256"):
        api.download_dataset(tmp_path)
    assert not (tmp_path / "btc/validation.parquet").exists()
    assert not (tmp_path / "manifest.json").exists()


def test_more_or_fewer_bytes_than_named_are_refused(tmp_path: Path) -> None:
    for content in (b"validation and more", b"valid"):
        server = Server({**FILES, "btc/validation.parquet": content})
        with server.client() as api, pytest.raises(UnexpectedAnswer):
            api.download_dataset(tmp_path / str(len(content)))


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a\\x", "c:x", "", "a//b"])
def test_no_file_leaves_the_folder(tmp_path: Path, path: str) -> None:
    entry = {"path": path, "bytes": 1, "sha256": "0"}
    manifest = json.dumps({"version": VERSION, "files": [entry]})
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text=manifest))
    with Client("http://s", http_transport=transport) as api:
        with pytest.raises(UnexpectedAnswer, match="no path below"):
            api.download_dataset(tmp_path / "data")


def test_an_unknown_version_is_a_refusal(tmp_path: Path) -> None:
    with Server().client() as api, pytest.raises(ProblemError) as caught:
        api.download_dataset(tmp_path, "1.1.0-19990101")
    assert caught.value.code == "unknown-dataset"
