"""The clock guard: sources, verdicts, and the reader that issues genTime."""
