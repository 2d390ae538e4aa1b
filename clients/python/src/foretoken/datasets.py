"""Published datasets: fetched whole, resumed where they broke off, checked by their hashes."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, List, Mapping, Union
from urllib.parse import quote

from .errors import UnexpectedAnswer
from .transport import Transport
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


def download(transport: Transport, folder: Union[str, Path], version: str) -> Dataset:
    """Brings `folder` to `version`; see `Client.download_dataset`."""
    folder = Path(folder)
    content = transport.ask_bytes(f"/datasets/{quote(version, safe='')}")
    manifest = _manifest(content)
    named = member(manifest, "version", str)
    fetched: List[str] = []
    kept: List[str] = []
    for entry in member(manifest, "files", list):
        path, size, sha256 = (member(entry, key, kind) for key, kind in _ENTRY)
        target = folder / _inside(path)
        if target.is_file() and target.stat().st_size == size and _sha256(target) == sha256:
            kept.append(path)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(transport, f"/datasets/files/{quote(named, safe='')}/{quote(path)}", target, size, sha256)
        fetched.append(path)
    # Written last: a folder with a manifest holds what it names.
    partial = folder / (MANIFEST + ".part")
    partial.write_bytes(content)
    os.replace(partial, folder / MANIFEST)
    return Dataset(named, folder, manifest, fetched, kept)


_ENTRY = (("path", str), ("bytes", int), ("sha256", str))


def _fetch(transport: Transport, url: str, target: Path, size: int, sha256: str) -> None:
    """One file, from where an earlier attempt broke off; anew when that was something else."""
    partial = target.with_name(target.name + ".part")
    if partial.is_file() and partial.stat().st_size > size:
        partial.unlink()
    for _ in range(2):
        transport.download(url, partial, size, sha256)
        if _sha256(partial) == sha256:
            os.replace(partial, target)
            return
        partial.unlink()
    raise UnexpectedAnswer(f"{url} does not have the SHA-256 that the manifest names, {sha256}")


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


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
