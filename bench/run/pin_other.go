//go:build !linux

package run

// processors returns none: here a process cannot be kept on one processor.
func processors() []int { return nil }

func pinned(_ int, start func() error) error { return start() }
