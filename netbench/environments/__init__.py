"""Networking modes that can be built, entered and torn down; one mode a file, and the machinery that they share."""
