"""Several processes that answer on one port: who starts them, and how they know of each other."""
