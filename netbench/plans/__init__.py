"""Plans and profiles: what ships with netbench, and how a user's file is read."""
