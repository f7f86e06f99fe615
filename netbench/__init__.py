"""netbench: can a packet-measuring probe be trusted in this place?"""

__version__ = "0.1.0"
