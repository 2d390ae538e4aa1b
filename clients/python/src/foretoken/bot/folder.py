"""The bot's memory: a folder that only its user can read, written so that a crash loses nothing.

Only one bot plays from a folder at a time. What it holds is enough to go on after any end.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any, Dict, Mapping, Optional

from ..errors import ForetokenError

try:
    import fcntl
except ImportError:  # Windows: nothing keeps a second bot away there.
    fcntl = None  # type: ignore[assignment]


class Folder:
    """`key`: the API key. `memory.json`: what was said and is not settled. `receipts/`: every
    receipt as it came, a file a day. `data/` and `model.npz`: what was learned from, and learned."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self.data = path / "data"
        self.model = path / "model.npz"
        self._key = path / "key"
        self._memory = path / "memory.json"
        self._lock = _locked(path / "lock")

    def close(self) -> None:
        self._lock.close()

    def key(self) -> Optional[str]:
        """The key that was kept, if any."""
        return self._key.read_text("ascii").strip() if self._key.is_file() else None

    def keep_key(self, key: str) -> None:
        """Keeps a key for the next start. An older one is put aside, not lost."""
        if self._key.is_file():
            os.replace(self._key, self.path / "key.old")
        write(self._key, key.encode("ascii") + b"\n")

    def memory(self) -> Dict[str, Any]:
        """What was kept last; empty at first."""
        if not self._memory.is_file():
            return {}
        try:
            memory: Dict[str, Any] = json.loads(self._memory.read_text("utf-8"))
            return memory
        except ValueError as error:
            raise ForetokenError(f"{self._memory} is broken: {error}; remove it") from error

    def keep(self, memory: Mapping[str, Any]) -> None:
        """Keeps this, whole or not at all."""
        write(self._memory, json.dumps(memory, indent=1).encode())

    def add_receipt(self, receipt: Mapping[str, Any]) -> None:
        """Keeps a receipt, in the file of its day."""
        day = str(receipt["received_at"])[:10]
        file = self.path / "receipts" / f"{day}.jsonl"
        file.parent.mkdir(mode=0o700, exist_ok=True)
        with open(file, "a", encoding="utf-8", opener=_private) as lines:
            lines.write(json.dumps(receipt) + "\n")


def write(path: Path, content: bytes) -> None:
    """Writes a file for its user alone; whoever reads sees the old or the new one, never a part."""
    partial = path.with_name(path.name + ".part")
    with open(partial, "wb", opener=_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _locked(path: Path) -> IO[str]:
    file = open(path, "w", opener=_private)
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise ForetokenError(f"another bot plays from {path.parent}") from error
    return file
