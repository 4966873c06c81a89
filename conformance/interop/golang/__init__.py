"""Modules of Go, pinned by `go.sum`, and a program over them."""
