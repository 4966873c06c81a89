"""Who may do what: callers, what they hold, the rules, and who changes them."""
