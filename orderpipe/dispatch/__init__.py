"""What goes out: the outbox, and one module per receiver."""
