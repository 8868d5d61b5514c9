//go:build !linux

package run

// Processors returns none: here a process cannot be kept on one processor.
func Processors() []int { return nil }

// Pinned only calls do.
func Pinned(_ int, do func() error) error { return do() }
