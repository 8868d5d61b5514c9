package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	maxLine   = 16 << 20 // bytes; the API server takes no object beyond a few MB
	maxWindow = 32 << 20 // bytes that a zstd stream may refer back to
)

// A Reader reads the records of a trace one by one. It is for one goroutine.
type Reader struct {
	name     string
	header   Header
	input    *input
	close    func()
	scanner  *bufio.Scanner
	line     int  // number of the current line, from 1
	pending  bool // the current line has been looked at, but not handed out
	decided  bool // header.Objects is known
	records  bool // there was one
	failed   error
	sequence sequence
}

// NewReader begins to read a trace, plain or compressed. It reads the first
// line, and fails with an *Error if that says what cannot be read. name is the
// file's name, for messages. Close the Reader in the end.
func NewReader(r io.Reader, name string) (*Reader, error) {
	reader := &Reader{
		name: name, close: func() {}, sequence: sequence{resources: map[string]*watch{}},
	}
	if err := reader.open(r); err != nil {
		return nil, reader.unreadable(err, 0)
	}
	reader.scanner = bufio.NewScanner(reader.input)
	reader.scanner.Buffer(make([]byte, 64<<10), maxLine)
	reader.pending = reader.advance()
	if !reader.pending {
		return reader, nil // Next tells why
	}
	if err := reader.readHeader(); err != nil {
		reader.close()
		return nil, err
	}
	return reader, nil
}

// open looks whether the input is compressed.
func (r *Reader) open(from io.Reader) error {
	buffered := bufio.NewReaderSize(from, 64<<10)
	var unpacked io.Reader = buffered
	magic, _ := buffered.Peek(4)
	switch {
	case len(magic) >= 2 && string(magic[:2]) == "\x1f\x8b":
		r.header.Compression = Gzip
		unzip, err := gzip.NewReader(buffered)
		if err != nil {
			return err
		}
		unpacked = unzip
	case string(magic) == "\x28\xb5\x2f\xfd":
		r.header.Compression = Zstd
		// One decoder decodes in the caller's goroutine.
		unzip, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return err
		}
		unpacked, r.close = unzip, unzip.Close
	}
	r.input = &input{r: unpacked}
	return nil
}

// An input remembers why reading failed, since a Scanner hands out the piece of
// a line before the failure as if it were the last line.
type input struct {
	r   io.Reader
	err error
}

func (i *input) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	if err != nil && err != io.EOF {
		i.err = err
	}
	return n, err
}

// readHeader reads the header, if the first line is one.
func (r *Reader) readHeader() error {
	text := r.scanner.Bytes()
	var rec Record
	if rec.scan(text) {
		return nil
	}
	begin, wrong := openObject(text)
	if wrong != nil {
		return nil // Next tells it
	}
	var mark, version, objects span
	members(text, begin, func(name []byte, value span) {
		switch string(name) {
		case "trace":
			mark = value
		case "version":
			version = value
		case "objects":
			objects = value
		}
	})
	if !mark.there() {
		return nil
	}
	wrongly := func(name string, value span, expected string) error {
		found := "no " + name
		if value.there() {
			found = name + " = " + excerpt(value.of(text))
		}
		return r.fail(&fault{max(begin, value.from), found, expected})
	}
	switch {
	case string(mark.of(text)) != `"informerlab"`:
		return wrongly("trace", mark, `"informerlab"`)
	case string(version.of(text)) != strconv.Itoa(Version):
		return wrongly("version", version, fmt.Sprintf("version %d of the format, or no header", Version))
	case string(objects.of(text)) != "true" && string(objects.of(text)) != "false":
		return wrongly("objects", objects, "true or false")
	}
	r.header.Version, r.header.Objects = Version, string(objects.of(text)) == "true"
	r.pending, r.decided = false, true
	return nil
}

// Header returns what the trace is. Of a trace of version 0 Objects is known
// from the first record on.
func (r *Reader) Header() Header { return r.header }

// Name returns the name that the Reader was given.
func (r *Reader) Name() string { return r.name }

// Next reads the next record into rec. After the last one it returns io.EOF, and
// an *Error for a line that is no record or that cannot follow the ones before
// it. After an error every call returns that error.
func (r *Reader) Next(rec *Record) error {
	if r.failed == nil {
		r.failed = r.next(rec)
	}
	return r.failed
}

func (r *Reader) next(rec *Record) error {
	if !r.pending && !r.advance() {
		return r.end()
	}
	r.pending = false
	text := r.scanner.Bytes()
	if !rec.scan(text) {
		if wrong := rec.parse(text, new(places)); wrong != nil {
			return r.fail(wrong)
		}
	}
	f, found, expected := r.objects(rec)
	if found == "" {
		f, found, expected = r.sequence.next(rec)
	}
	if found == "" {
		r.records = true
		return nil
	}
	var where places
	_ = new(Record).parse(text, &where) // it was right before, and is read again for the places
	return r.fail(&fault{where[f], found, expected})
}

// RefuseKey returns the error for a reader of records that has no use for the key
// of the one that Next returned last.
func (r *Reader) RefuseKey(expected string) error {
	var rec Record
	var where places
	_ = rec.parse(r.scanner.Bytes(), &where) // it was right before
	return r.fail(&fault{where[fieldKey], "key " + excerpt(rec.Key), expected})
}

// objects checks that a record has an object exactly if it should.
func (r *Reader) objects(rec *Record) (f field, found, expected string) {
	if !r.decided {
		r.header.Objects, r.decided = rec.Object != nil, true
	}
	switch {
	case rec.Object != nil && !r.header.Objects:
		return fieldObject, "an object", "none, as in the first line"
	case rec.Object == nil && r.header.Objects && len(rec.Key) > 0:
		return fieldObject, "no object", "one, as in the first line"
	}
	return 0, "", ""
}

// advance goes to the next line.
func (r *Reader) advance() bool {
	if !r.scanner.Scan() {
		return false
	}
	r.line++
	return true
}

// end returns why there are no more lines: io.EOF if all is well.
func (r *Reader) end() error {
	switch err := r.scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return &Error{r.name, r.line + 1, maxLine + 1, "a line of more bytes", fmt.Sprintf("at most %d", maxLine), nil}
	case err != nil:
		return r.unreadable(err, 0)
	}
	if !r.records {
		return &Error{r.name, r.line + 1, 1, "the end of the file", "at least one record", nil}
	}
	if name, found := r.sequence.unended(); found {
		return &Error{r.name, r.line + 1, 1, "the end of the file",
			"the bookmark that ends the initial list of " + excerpt([]byte(name)), nil}
	}
	return io.EOF
}

// fail returns the error for a fault in the current line.
func (r *Reader) fail(wrong *fault) error {
	text := r.scanner.Bytes()
	if r.input.err != nil && !r.scanner.Scan() {
		r.line-- // the current line is only what came before the failure
		return r.unreadable(r.input.err, len(text))
	}
	return &Error{r.name, r.line, wrong.at + 1, wrong.found, wrong.expected, nil}
}

func (r *Reader) unreadable(err error, after int) error {
	return &Error{r.name, r.line + 1, after + 1, fmt.Sprintf("a failure to read (%s)", excerpt([]byte(err.Error()))),
		"the rest of the file", err}
}

// Close releases what the Reader holds. It does not close what it reads from.
func (r *Reader) Close() { r.close() }
