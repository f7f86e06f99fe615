from __future__ import annotations

import gzip
import lzma
import struct
from collections.abc import Callable

import pytest

from netbench.environments.guests.unpacked import has_direct_entry, unpacked

PVH, OTHER = 18, 6


def kernel(*note_types: int, owner: bytes = b"Xen\0") -> bytes:
    """A small ELF file of 64 bits with one segment of notes."""
    notes = b"".join(struct.pack("<III", len(owner), 5, kind) + owner + b"12345\0\0\0" for kind in note_types)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 4, 0, 120, 0, 0, len(notes), len(notes), 4) + notes


@pytest.mark.parametrize("compress", [lzma.compress, gzip.compress])
def test_the_kernel_is_found_in_its_wrapping_behind_marks_that_stand_there_by_chance(compress: Callable[[bytes], bytes]) -> None:
    inside = kernel(OTHER, PVH)
    wrapping = b"boot\xfd7zXZ\0code\x1f\x8b\x08" + bytes(100) + compress(inside) + b"trailer"

    assert unpacked(wrapping) == inside


@pytest.mark.parametrize("inside", [kernel(OTHER), kernel(PVH, owner=b"GNU\0"), kernel()])
def test_a_kernel_without_the_entry_is_left_in_its_wrapping(inside: bytes) -> None:
    assert unpacked(lzma.compress(inside)) is None


def test_what_is_no_kernel_is_none() -> None:
    assert unpacked(b"") is None
    assert unpacked(b"MZ and nothing else") is None
    assert unpacked(lzma.compress(b"no ELF file")) is None


def test_a_kernel_that_is_cut_anywhere_has_no_entry_or_all_of_it() -> None:
    whole = kernel(OTHER, PVH)
    last_note = len(whole) - 8  # its content is not looked at

    assert [has_direct_entry(whole[:length]) for length in range(len(whole) + 1)] == [
        length >= last_note for length in range(len(whole) + 1)
    ]
