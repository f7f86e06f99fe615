"""What virtual machines share: kernel and initramfs, QEMU, the way in, the wire."""
