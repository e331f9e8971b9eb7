"""Speed and memory beside what one would pick instead. Run them all with `make bench`."""
