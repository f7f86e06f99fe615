"""Other machines: what was typed, the connection by ssh, the agent that is carried over."""
