"""From what agents counted to the numbers of a trial. Offline: no root, no C core, no network."""
