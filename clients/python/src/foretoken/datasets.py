"""Published datasets: fetched whole, resumed where they broke off, checked by their hashes."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, List, Mapping, Optional, Union
from urllib.parse import quote

import httpx

from .errors import UnexpectedAnswer, Unreachable
from .retries import Session, repeated
from .steps import Close, Flow, Open, Read, Request, Send, Stream, Work
from .types import field as member

CHUNK = 1 << 20
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Dataset:
    """A version of the datasets in a folder, every file checked.

    `fetched` and `kept` are paths below `folder`: what came over the line, and what was there
    already. `manifest` says what the files hold.
    """

    version: str
    folder: Path
    manifest: Mapping[str, Any] = field(repr=False)
    fetched: List[str] = field(repr=False)
    kept: List[str] = field(repr=False)

    def files(self, asset: str, part: str) -> List[Path]:
        """The Parquet files of a part, oldest first: `files("btc", "train")`."""
        rows = [(entry.get("rows") or {}, entry["path"]) for entry in self.manifest["files"]]
        wanted = [path for rows, path in rows if (rows.get("asset"), rows.get("part")) == (asset, part)]
        return [self.folder / path for path in wanted]


def download_dataset(
    session: Session, folder: Union[str, Path], version: Optional[str] = None
) -> Flow[Dataset]:
    """Brings `folder` to a published version of the datasets, the newest when none is named.

    Files that are there with the right hash are kept, so a later version costs what is new in
    it. What breaks off is resumed, in this call or in the next. Every file is checked by its
    SHA-256, and `manifest.json` is written last.
    """
    folder = Path(folder)
    content = yield from _manifest_bytes(session, version or "newest")
    manifest = _manifest(content)
    named = member(manifest, "version", str)
    fetched: List[str] = []
    kept: List[str] = []
    for entry in member(manifest, "files", list):
        path, size, sha256 = (member(entry, key, kind) for key, kind in _ENTRY)
        target = folder / _inside(path)
        if target.is_file() and target.stat().st_size == size:
            if (yield from _sha256(target)) == sha256:
                kept.append(path)
                continue
        target.parent.mkdir(parents=True, exist_ok=True)
        url = f"/datasets/files/{quote(named, safe='')}/{quote(path)}"
        yield from _fetch(session, url, target, size, sha256)
        fetched.append(path)
    # Written last: a folder with a manifest holds what it names.
    partial = folder / (MANIFEST + ".part")
    partial.write_bytes(content)
    os.replace(partial, folder / MANIFEST)
    return Dataset(named, folder, manifest, fetched, kept)


_ENTRY = (("path", str), ("bytes", int), ("sha256", str))


def _manifest_bytes(session: Session, version: str) -> Flow[bytes]:
    request = Request("GET", f"/datasets/{quote(version, safe='')}")

    def once() -> Flow[httpx.Response]:
        answer: httpx.Response = yield Send(request)
        return answer

    return (yield from repeated(session, request, once)).content


def _fetch(session: Session, url: str, target: Path, size: int, sha256: str) -> Flow[None]:
    """One file, from where an earlier attempt broke off; anew when that was something else."""
    partial = target.with_name(target.name + ".part")
    if partial.is_file() and partial.stat().st_size > size:
        partial.unlink()
    for _ in range(2):
        yield from _bring(session, url, partial, size, sha256)
        if (yield from _sha256(partial)) == sha256:
            os.replace(partial, target)
            return
        partial.unlink()
    raise UnexpectedAnswer(f"{url} does not have the SHA-256 that the manifest names, {sha256}")


def _bring(session: Session, url: str, partial: Path, size: int, tag: str) -> Flow[None]:
    """Brings `partial` to `size` bytes of the file, behind the bytes that it has.

    What breaks off is resumed. Whether the bytes are right is for the caller to check.
    """
    request = Request("GET", url, is_api=False)
    while (have := _size(partial)) < size:
        try:
            yield from repeated(session, request, lambda: _receive(url, partial, size, tag))
        except Unreachable:
            # The budget of repetitions is for what does not move at all.
            if _size(partial) <= have:
                raise
            continue
        if _size(partial) <= have:
            raise UnexpectedAnswer(f"GET {url} ended before its {size} bytes")


def _receive(url: str, partial: Path, size: int, tag: str) -> Flow[httpx.Response]:
    """One request; what came before a failure stays in `partial`."""
    have = _size(partial)
    headers = {"accept-encoding": "identity"}
    if have > 0:
        headers.update({"range": f"bytes={have}-", "if-range": f'"{tag}"'})
    stream: Stream = yield Open(Request("GET", url, headers=headers, is_api=False))
    answer = stream.response
    if not answer.is_success:
        body = b""
        while chunk := (yield Read(stream)):
            body += chunk
        yield Close(stream)
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)
    goes_on = answer.status_code == 206
    if goes_on and not answer.headers.get("content-range", "").startswith(f"bytes {have}-"):
        raise UnexpectedAnswer(f"GET {url} answered another range than was asked for")
    with partial.open("ab" if goes_on else "wb") as file:
        while chunk := (yield Read(stream)):
            file.write(chunk)
            if file.tell() > size:
                raise UnexpectedAnswer(f"GET {url} has more than its {size} bytes")
    yield Close(stream)
    return answer


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _manifest(content: bytes) -> Mapping[str, Any]:
    try:
        manifest = json.loads(content)
    except ValueError as error:
        raise UnexpectedAnswer(f"the manifest is no JSON: {content[:200]!r}") from error
    if not isinstance(manifest, Mapping):
        raise UnexpectedAnswer(f"the manifest is no object: {content[:200]!r}")
    return manifest


def _inside(path: str) -> PurePosixPath:
    """The path, when it stays below the folder whatever the system."""
    parts = path.split("/")
    if not all(parts) or any(part in (".", "..") or set(part) & set('\\:\0') for part in parts):
        raise UnexpectedAnswer(f"the manifest names {path!r}, which is no path below a folder")
    return PurePosixPath(*parts)


def _sha256(path: Path) -> Flow[str]:
    def work() -> str:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    hashed: str = yield Work(work)
    return hashed
