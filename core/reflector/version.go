package reflector

import (
	"context"
	"time"

	"informerlab/core/source"
)

// lower reports whether version a is lower than b. Versions are decimal
// integers of any length without leading zeros (kubernetes/enhancements,
// KEP-5504); lower is false if one of them is not. Digits are looked at only if
// a seems to be lower. It does not allocate, and it is inlined.
func lower(a, b string) bool {
	return (len(a) < len(b) || len(a) == len(b) && a < b) && wellFormed(a, b)
}

// wellFormed reports whether versions can be compared; "0" is none.
func wellFormed(versions ...string) bool {
	for _, v := range versions {
		if v == "" || v[0] == '0' {
			return false
		}
		for i := range len(v) {
			if v[i] < '0' || v[i] > '9' {
				return false
			}
		}
	}
	return true
}

// rewound returns a *VersionRewindError if got cannot follow last in one stream.
func (r *Reflector) rewound(last, got string) error {
	if r.ordered && lower(got, last) {
		return &VersionRewindError{Last: last, Got: got}
	}
	return nil
}

// confirm is called between two streams. If nothing has confirmed the last
// version for leastWatch it asks the server for its present one, because a
// server whose versions went back may accept a watch from a version it has yet
// to reach, and then be silent. A list of one object at the newest version is
// the cheapest request that no lagging cache answers.
func (r *Reflector) confirm(ctx context.Context, s *stream) error {
	last := r.LastSyncResourceVersion()
	if s.seen {
		r.confirmed = time.Now()
	}
	if !r.ordered || !wellFormed(last) || time.Since(r.confirmed) < leastWatch {
		return nil
	}
	list, err := r.page(ctx, source.ListOptions{Limit: 1})
	if err != nil {
		r.log.Debug("version not confirmed", "err", err) // the watch that follows will meet the same server
		return nil
	}
	r.confirmed = time.Now()
	return r.rewound(last, list.ResourceVersion)
}

// maxDisorder is the number of rewinds in a row that the list after them did
// not confirm, after which versions are no longer compared.
const maxDisorder = 3

// answered is called with the version of each list. The list that follows a
// rewind confirms it if it is older than what was seen before, and not older
// than what was seen after. Otherwise versions did not go back: the source sends
// them in another order, and may do so for ever.
func (r *Reflector) answered(version string) {
	rewind := r.rewind
	r.rewind = nil
	switch {
	case rewind == nil:
	case lower(version, rewind.Last) && !lower(version, rewind.Got):
		r.disorder = 0
	default:
		r.disorder++
		if r.disorder == maxDisorder {
			r.ordered = false
			r.log.Warn("the source sends versions in no order; they are no longer compared", "err", rewind)
		}
	}
}
