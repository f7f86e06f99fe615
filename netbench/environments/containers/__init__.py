"""What Docker's environments share: the engine, its network, images, containers."""
