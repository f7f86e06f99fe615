"""What a place is and what its counters say: read only, standard library and psutil, one subject a file."""
