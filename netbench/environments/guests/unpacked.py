"""A kernel without its wrapping: an emulated processor takes five seconds to decompress one, and QEMU can enter it directly (PVH).

Theory of operation. A bzImage holds the kernel, an ELF file, compressed. It is found by the mark that its compression begins with,
as the kernel's own scripts/extract-vmlinux does. QEMU starts an ELF kernel that names its entry in a note of the owner `Xen`, type
18 (XEN_ELFNOTE_PHYS32_ENTRY); one without it has to be started the usual way, from its bzImage.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress

_ELF_MAGIC = b"\x7fELF"
_ELF_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_NOTE_HEADER = struct.Struct("<III")
_CLASS_64 = 2
_PT_NOTE = 4
_PHYS32_ENTRY = (b"Xen\0", 18)

_COMPRESSIONS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\xfd7zXZ\0", lambda packed: lzma.LZMADecompressor().decompress(packed)),
    (b"\x1f\x8b\x08", lambda packed: zlib.decompressobj(wbits=31).decompress(packed)),
)


def unpacked(image: bytes) -> bytes | None:
    """The ELF kernel in a bzImage that QEMU can enter directly; None: it has none, or a compression that Python does not know."""
    for mark, decompress in _COMPRESSIONS:
        start = image.find(mark)
        while start >= 0:
            with suppress(lzma.LZMAError, zlib.error, EOFError):  # the mark may stand in the boot code by chance
                kernel = decompress(image[start:])
                if kernel.startswith(_ELF_MAGIC):
                    return kernel if has_direct_entry(kernel) else None
            start = image.find(mark, start + 1)
    return None


def has_direct_entry(kernel: bytes) -> bool:
    """Whether an ELF kernel of 64 bits names a PVH entry; False for a file that is cut or none at all."""
    with suppress(struct.error):
        header = _ELF_HEADER.unpack_from(kernel)
        if header[0][:5] != _ELF_MAGIC + bytes([_CLASS_64]):
            return False
        table, entry_bytes, entries = header[5], header[9], header[10]
        for number in range(entries):
            kind, _, offset, _, _, size, _, _ = _PROGRAM_HEADER.unpack_from(kernel, table + number * entry_bytes)
            if kind == _PT_NOTE and _PHYS32_ENTRY in _notes(kernel[offset : offset + size]):
                return True
    return False


def _notes(segment: bytes) -> list[tuple[bytes, int]]:
    """Owner and type of each note; each part is padded to four bytes (elf(5))."""
    found, at = [], 0
    while at + _NOTE_HEADER.size <= len(segment):
        owner_bytes, content_bytes, kind = _NOTE_HEADER.unpack_from(segment, at)
        at += _NOTE_HEADER.size
        found.append((segment[at : at + owner_bytes], kind))
        at += (owner_bytes + 3 & ~3) + (content_bytes + 3 & ~3)
    return found
