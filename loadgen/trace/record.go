package trace

import (
	"fmt"
	"strconv"
	"strings"

	"informerlab/core/source"
)

// Version is the version of the format that a Writer writes.
const Version = 1

// A Record is one line of a trace. Texts that a Reader filled in are valid until
// its next record.
type Record struct {
	T                      int64 // nanoseconds since the recording began
	Resource, Key, UID, RV []byte
	Type                   source.EventType
	Initial                bool   // of the initial list, or the bookmark that ends it
	Version                uint64 // RV as a number; a Writer looks at RV alone
	Gen, Size              int64
	Object                 []byte // its JSON; nil in a compact trace
}

// clone returns a record that keeps its texts.
func (r *Record) clone() *Record {
	c := &Record{}
	c.keep(r)
	return c
}

// keep makes r a copy of another record, in the memory that r has.
func (r *Record) keep(other *Record) {
	was := *r
	*r = *other
	r.Resource = keepText(was.Resource, other.Resource)
	r.Key = keepText(was.Key, other.Key)
	r.UID = keepText(was.UID, other.UID)
	r.RV = keepText(was.RV, other.RV)
	r.Object = keepText(was.Object, other.Object)
}

func keepText(room, text []byte) []byte {
	if text == nil {
		return nil
	}
	return append(room[:0], text...)
}

// setVersion gives the record another version.
func (r *Record) setVersion(v uint64) {
	r.Version, r.RV = v, strconv.AppendUint(nil, v, 10)
}

// A Header says what a trace is.
type Header struct {
	Version     int  // 0 for a file without a header; a Writer writes 1 whatever it says
	Objects     bool // records carry objects
	Compression Compression
}

// Compression is how the bytes of a trace are packed.
type Compression uint8

// The compressions there are.
const (
	Plain Compression = iota
	Gzip
	Zstd
)

// CompressionOf returns the compression that a path asks for by its extension:
// Gzip for .gz, Zstd for .zst, else Plain.
func CompressionOf(path string) Compression {
	switch {
	case strings.HasSuffix(path, ".gz"):
		return Gzip
	case strings.HasSuffix(path, ".zst"):
		return Zstd
	}
	return Plain
}

// String returns "plain", "gzip" or "zstd".
func (c Compression) String() string {
	switch c {
	case Gzip:
		return "gzip"
	case Zstd:
		return "zstd"
	}
	return "plain"
}

// An Error says where a trace is not what it should be.
type Error struct {
	File            string
	Line, Column    int // both from 1; Column counts bytes to where the wrong value or byte begins
	Found, Expected string
	Cause           error // of a failed read; else nil
}

// Error returns "file:line:column: found …, expected …".
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: found %s, expected %s", e.File, e.Line, e.Column, e.Found, e.Expected)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// mostShown is how many bytes of a text a message shows.
const mostShown = 60

// excerpt shows the beginning of a text in one line.
func excerpt(text []byte) string {
	for _, c := range text[:min(len(text), mostShown)] {
		if c < ' ' || c > '~' {
			return quote(text)
		}
	}
	if len(text) > mostShown {
		return string(text[:mostShown]) + "…"
	}
	return string(text)
}

// quote shows the beginning of a text as one in quotes.
func quote(text []byte) string {
	if len(text) > mostShown {
		return strconv.Quote(string(text[:mostShown])) + "…"
	}
	return strconv.Quote(string(text))
}
