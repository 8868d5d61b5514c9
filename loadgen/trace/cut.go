package trace

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"informerlab/core/source"
)

// CutOptions say what becomes of a trace. The zero value copies it.
type CutOptions struct {
	From, To  time.Duration // the records with From <= t < To; To 0 = to the end
	Resources []string      // these alone; none = all
	Compact   bool          // without objects
	Repeat    int           // so many times on end; 0 = once
}

// Cut writes a part of a trace, as often as asked for, as a legal trace whose
// times begin at From, and returns the number of records written. It calls open
// for every pass over the trace and closes what it got. Errors are an *Error of
// the trace, an ErrCut, or those of out.
//
// What exists at From is the initial list of the cut, with the versions that it
// had. Where the trace is repeated, at each join all that still exists is
// deleted at once, what was an initial list is ADDED again, and times and
// versions go on from where they were. The versions inside objects stay as they
// were recorded: those beside them count.
//
// It remembers the last record of each key that exists, with its object, where
// From or Repeat need it, and nothing else.
func Cut(open func() (*Reader, error), out io.Writer, c Compression, o CutOptions) (records int, err error) {
	if o.From < 0 || o.To < 0 || o.To != 0 && o.To <= o.From || o.Repeat < 0 {
		return 0, fmt.Errorf("%w: found from %v to %v, %d times, expected a range of time that holds something",
			ErrCut, o.From, o.To, o.Repeat)
	}
	var w *Writer
	r := repeater{live: newSnapshot(), repeats: o.Repeat > 1}
	pass := func() error {
		reader, err := open()
		if err != nil {
			return err
		}
		defer reader.Close()
		return cutOnce(reader, o, func(rec *Record) error {
			if w == nil {
				h := Header{Objects: reader.Header().Objects && !o.Compact, Compression: c}
				if w, err = NewWriter(out, h); err != nil {
					return err
				}
				r.emit = func(rec *Record) error { records++; return w.Write(rec) }
			}
			return r.put(rec)
		})
	}
	for n := range max(1, o.Repeat) {
		if n > 0 {
			err = r.join()
		}
		if err == nil {
			err = pass()
		}
		if err != nil {
			return records, err
		}
	}
	return records, w.Close()
}

// ErrCut marks errors of a Cut that would leave nothing or no legal trace.
var ErrCut = errors.New("trace: cut")

// errEnough ends a cut before the end of the trace.
var errEnough = errors.New("enough")

// cutOnce hands the part of a trace that o wants to emit.
func cutOnce(r *Reader, o CutOptions, emit func(*Record) error) error {
	c := cutter{options: o, past: newSnapshot(), watches: map[string]*cutWatch{}, emit: emit}
	seen := map[string]bool{}
	var rec Record
	var err error
	for err = r.Next(&rec); err == nil; err = r.Next(&rec) {
		if !seen[string(rec.Resource)] {
			seen[string(rec.Resource)] = true
		}
		if err = c.put(&rec); err != nil {
			break
		}
	}
	if err != io.EOF && err != errEnough {
		return err
	}
	for _, name := range o.Resources {
		if !seen[name] {
			return fmt.Errorf("%w: found no records of %q, expected one of %s",
				ErrCut, name, strings.Join(slices.Sorted(maps.Keys(seen)), ", "))
		}
	}
	if !c.begun {
		return fmt.Errorf("%w: found no records from %v on, expected some: the trace ends at %v",
			ErrCut, o.From, time.Duration(rec.T))
	}
	return c.finish()
}

// A cutter drops what is before and after the cut, and turns what exists at its
// beginning into initial lists.
type cutter struct {
	options CutOptions
	past    *snapshot // before From
	watches map[string]*cutWatch
	begun   bool
	emit    func(*Record) error
}

type cutWatch struct {
	listed bool
	newest uint64
}

func (c *cutter) put(rec *Record) error {
	if len(c.options.Resources) > 0 && !slices.Contains(c.options.Resources, string(rec.Resource)) {
		return nil
	}
	if c.options.To > 0 && rec.T >= int64(c.options.To) {
		return errEnough
	}
	if c.options.Compact {
		rec.Object = nil
	}
	if rec.T < int64(c.options.From) {
		c.note(rec)
		c.past.put(rec)
		return nil
	}
	if err := c.begin(); err != nil {
		return err
	}
	c.note(rec)
	rec.T -= int64(c.options.From)
	return c.emit(rec)
}

// note keeps what the initial lists of the cut need to know.
func (c *cutter) note(rec *Record) {
	w := c.watches[string(rec.Resource)]
	if w == nil {
		w = &cutWatch{}
		c.watches[string(rec.Resource)] = w
	}
	w.newest = max(w.newest, rec.Version)
	w.listed = w.listed || rec.Initial && rec.Type == source.Bookmark
}

// begin emits the initial lists as they are at From.
func (c *cutter) begin() error {
	if c.begun {
		return nil
	}
	c.begun = true
	for _, name := range slices.Sorted(maps.Keys(c.watches)) {
		for rec := range c.past.of(name) {
			rec.T, rec.Type, rec.Initial = 0, source.Added, true
			if err := c.emit(rec); err != nil {
				return err
			}
		}
		if w := c.watches[name]; w.listed {
			if err := c.endList(name, w, 0); err != nil {
				return err
			}
		}
	}
	c.past = nil
	return nil
}

func (c *cutter) endList(resource string, w *cutWatch, t int64) error {
	w.listed = true
	rec := &Record{T: t, Resource: []byte(resource), Type: source.Bookmark, Initial: true}
	rec.setVersion(w.newest)
	return c.emit(rec)
}

// finish ends the lists that the trace had not ended when the cut ended.
func (c *cutter) finish() error {
	for _, name := range slices.Sorted(maps.Keys(c.watches)) {
		if w := c.watches[name]; !w.listed {
			if err := c.endList(name, w, int64(c.options.To-c.options.From)-1); err != nil {
				return err
			}
		}
	}
	return nil
}

// A snapshot is the last record of each key that exists.
type snapshot struct {
	resources map[string]map[string]*Record
}

func newSnapshot() *snapshot { return &snapshot{map[string]map[string]*Record{}} }

func (s *snapshot) put(rec *Record) {
	keys := s.resources[string(rec.Resource)]
	if keys == nil {
		keys = map[string]*Record{}
		s.resources[string(rec.Resource)] = keys
	}
	switch known := keys[string(rec.Key)]; {
	case rec.Type == source.Bookmark:
	case rec.Type == source.Deleted:
		delete(keys, string(rec.Key))
	case known != nil:
		known.keep(rec)
	default:
		keys[string(rec.Key)] = rec.clone()
	}
}

// of returns the records of a resource by key.
func (s *snapshot) of(resource string) func(yield func(*Record) bool) {
	return func(yield func(*Record) bool) {
		keys := s.resources[resource]
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if !yield(keys[key]) {
				return
			}
		}
	}
}
