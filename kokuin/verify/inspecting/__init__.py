"""What is written in a file, shown as a tree: each field that can be read, and where reading ended."""
