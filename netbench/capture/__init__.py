"""Receiving: the backends behind one small face. They feed the C core's stream table."""
