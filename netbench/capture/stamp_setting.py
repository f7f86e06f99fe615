"""What an interface is set to stamp, changed for a while and put back."""

from __future__ import annotations

import errno
import os
import threading
from typing import Any

from netbench import core


class StampSetting:
    """The timestamp setting of an interface. It belongs to the interface, not to this process: whoever changes it puts it back.

    What cannot be read is not changed, for it could not be put back.

    Attributes:
        before: tx_type and rx_filter as found; None: the driver does not tell.
        unreadable: why it does not.
        answered: what the driver said to what was asked for; None: it was not asked, or it refused.
        read_back: what it was set to afterwards.
        refused: {errno, reason} of a refusal.
        restored: the old setting is back, and was read; None: nothing was changed.
        not_restored: why it is not.
    """

    def __init__(self, interface: str) -> None:
        self._interface = interface
        self._lock = threading.Lock()  # the end may come from another thread, in the middle of a change
        self._changed = self._over = False
        self.before: dict[str, int] | None = None
        self.unreadable: str | None = None
        self.answered: dict[str, int] | None = None
        self.read_back: dict[str, int] | None = None
        self.refused: dict[str, Any] | None = None
        self.restored: bool | None = None
        self.not_restored: str | None = None
        try:
            self.before = core.timestamp_setting(interface)
        except OSError as error:
            self.unreadable = _reason(error)

    def change(self, rx_filter: int) -> None:
        """Ask for a receive filter; transmit stamps stay as they are. Read `before` first: None forbids it.

        Raises:
            ValueError: the old setting is not known.
        """
        if self.before is None:
            raise ValueError("the old setting is not known, so it could not be put back")
        with self._lock:
            if self._over:
                return
            try:
                self._changed = True  # before it is: an end in between must put it back
                self.answered = core.set_timestamp_setting(self._interface, self.before["tx_type"], rx_filter)
                self.read_back = core.timestamp_setting(self._interface)
            except OSError as error:
                self.refused = {"errno": error.errno, "reason": _reason(error)}
                self._changed = self.answered is not None

    def restore(self) -> None:
        """Put the old setting back; from now on nothing is changed any more. Does nothing the second time."""
        with self._lock:
            self._over = True
            if not self._changed or self.before is None:
                return
            self._changed = False
            try:
                core.set_timestamp_setting(self._interface, self.before["tx_type"], self.before["rx_filter"])
                self.restored = core.timestamp_setting(self._interface) == self.before
                if not self.restored:
                    self.not_restored = "the driver reads back another one"
            except OSError as error:
                # A card that was taken out has no setting to put back.
                self.restored = error.errno == errno.ENODEV
                self.not_restored = _reason(error)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
