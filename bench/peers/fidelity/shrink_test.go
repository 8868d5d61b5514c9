package fidelity

import "slices"

// shrink returns a smaller history that still fails. It drops steps, then
// edits, then what the history starts and ends with, as long as that helps.
// fails is called at most tries times.
func shrink(h *History, tries int, fails func(*History) bool) *History {
	try := func(smaller History) bool {
		if tries == 0 {
			return false
		}
		tries--
		if !fails(&smaller) {
			return false
		}
		h = &smaller
		return true
	}
	dropRuns(len(h.Steps), func(from, to int) bool {
		smaller := *h
		smaller.Steps = slices.Delete(slices.Clone(h.Steps), from, to)
		return try(smaller)
	})
	for i := range h.Steps {
		dropRuns(len(h.Steps[i].Edits), func(from, to int) bool {
			smaller := *h
			smaller.Steps = slices.Clone(h.Steps)
			smaller.Steps[i].Edits = slices.Delete(slices.Clone(h.Steps[i].Edits), from, to)
			return try(smaller)
		})
	}
	dropRuns(len(h.Last), func(from, to int) bool {
		smaller := *h
		smaller.Last = slices.Delete(slices.Clone(h.Last), from, to)
		return try(smaller)
	})
	dropRuns(len(h.Handlers), func(from, to int) bool {
		smaller := *h
		smaller.Handlers = slices.Delete(slices.Clone(h.Handlers), from, to)
		return try(smaller)
	})
	for _, simplify := range []func(*History){
		func(h *History) { h.Objects = 0 },
		func(h *History) { h.Objects = min(h.Objects, 1) },
		func(h *History) { h.Rewrite = NoRewrite },
		func(h *History) { h.Resync = 0 },
		func(h *History) { h.Classic = true },
		func(h *History) { h.End, h.Last = Quiet, nil },
	} {
		smaller := *h
		simplify(&smaller)
		try(smaller)
	}
	return h
}

// dropRuns tries to drop runs of n things, long runs first, last ones first.
// drop reports whether it could do without.
func dropRuns(n int, drop func(from, to int) bool) {
	for size := n; size > 0; size /= 2 {
		for to := n; to > 0; {
			from := max(0, to-size)
			if drop(from, to) {
				n -= to - from
			}
			to = from
		}
	}
}
