"""Several worker processes on one port: the supervisor that starts them, and the messages between them."""
