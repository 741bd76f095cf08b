"""What postbacks cost redirects: in one process with them, and in a process of their own."""
