package loadgen

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"

	"informerlab/core/source"
)

// maxLine is the longest line of a trace in bytes. Records without objects take
// 200; no name in Kubernetes makes one longer than a few thousand.
const maxLine = 1 << 20

// A lineReader reads the records of a trace one by one.
type lineReader struct {
	name    string
	input   *inputReader
	scanner *bufio.Scanner
	number  int // of the current line, from 1
	err     error
}

// newLineReader looks whether the input is compressed.
func newLineReader(r io.Reader, name string) (*lineReader, error) {
	l := &lineReader{name: name, input: &inputReader{r: r}}
	buffered := bufio.NewReader(l.input)
	if magic, _ := buffered.Peek(2); string(magic) == "\x1f\x8b" {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, l.unreadable(err)
		}
		l.input = &inputReader{r: unpacked}
		l.scanner = bufio.NewScanner(l.input)
	} else {
		l.scanner = bufio.NewScanner(buffered)
	}
	l.scanner.Buffer(make([]byte, 64<<10), maxLine)
	return l, nil
}

// An inputReader remembers why reading failed, since a Scanner hands out the
// piece of a line before the failure as if it were the last line.
type inputReader struct {
	r   io.Reader
	err error
}

func (i *inputReader) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	if err != nil && err != io.EOF {
		i.err = err
	}
	return n, err
}

// next reads the next record into line and reports whether there was one. If
// not, err says why, or is nil at the end of the file.
func (l *lineReader) next(line *traceLine) bool {
	if !l.scanner.Scan() {
		switch err := l.scanner.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			l.number++
			found := fmt.Sprintf("a line of more than %d bytes", maxLine)
			l.err = l.fail(found, "a record without its object")
		case err != nil:
			l.err = l.unreadable(err)
		}
		return false
	}
	l.number++
	text := l.scanner.Bytes()
	if line.scan(text) {
		return true
	}
	if err := line.unmarshal(text); err != nil {
		l.err = l.garbled(err, text)
		return false
	}
	return true
}

// garbled returns the error for a line that encoding/json refuses.
func (l *lineReader) garbled(err error, text []byte) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case len(text) == 0:
		return l.fail("an empty line", "a JSON object")
	case !errors.As(err, &wrong):
		return l.fail(fmt.Sprintf("%v in %s", err, excerpt(text)), "a whole JSON object")
	case wrong.Field == "":
		return l.fail("JSON "+wrong.Value, "a JSON object")
	}
	expected := "text"
	switch wrong.Type.Kind() {
	case reflect.Int64:
		expected = "a whole number"
	case reflect.Bool:
		expected = "true or false"
	}
	return l.fail(fmt.Sprintf("%s for %s", wrong.Value, wrong.Field), expected)
}

// fail returns the error for the current line.
func (l *lineReader) fail(found, expected string) error {
	if l.input.err != nil && !l.scanner.Scan() {
		l.number-- // the current line is only what came before the failure
		return l.unreadable(l.input.err)
	}
	return &TraceError{File: l.name, Line: max(1, l.number), Found: found, Expected: expected}
}

func (l *lineReader) unreadable(err error) error {
	return &TraceError{
		File: l.name, Line: l.number + 1, Cause: err,
		Found: fmt.Sprintf("a failure to read (%v)", err), Expected: "the rest of the file",
	}
}

// excerpt quotes the beginning of a text.
func excerpt(text []byte) string {
	const most = 60
	if len(text) > most {
		return fmt.Sprintf("%q…", text[:most])
	}
	return fmt.Sprintf("%q", text)
}

// A traceLine is one record. Its texts are valid until the next line is read.
type traceLine struct {
	t                      int64 // -1 = missing
	resource, typ, key, rv []byte
	initial                bool
	kind                   source.EventType // what typ says, once checked
	version                uint64           // what rv says, once checked
}

// check looks at the fields one by one. It returns what was found and what was
// expected if a record is not one by itself.
func (l *traceLine) check() (found, expected string) {
	switch string(l.typ) {
	case "ADDED":
		l.kind = source.Added
	case "MODIFIED":
		l.kind = source.Modified
	case "DELETED":
		l.kind = source.Deleted
	case "BOOKMARK":
		l.kind = source.Bookmark
	default:
		return fmt.Sprintf("type %s", excerpt(l.typ)), "ADDED, MODIFIED, DELETED or BOOKMARK"
	}
	if l.t < 0 {
		return "no t, or a negative one", "nanoseconds since the recording began"
	}
	if len(l.resource) == 0 {
		return "no resource", `a name such as "pods"`
	}
	var err error
	if l.version, err = strconv.ParseUint(string(l.rv), 10, 63); err != nil || l.version == 0 {
		return fmt.Sprintf("rv %s", excerpt(l.rv)), "a resource version in decimal digits"
	}
	slash := bytes.IndexByte(l.key, '/')
	switch {
	case l.kind == source.Bookmark && len(l.key) > 0:
		return fmt.Sprintf("key %s of a bookmark", excerpt(l.key)), "none"
	case l.kind == source.Bookmark:
	case slash == 0, len(l.key) == slash+1, bytes.IndexByte(l.key[slash+1:], '/') >= 0:
		return fmt.Sprintf("key %s", excerpt(l.key)), "namespace/name or name"
	case string(l.key) == End.Name:
		return fmt.Sprintf("key %s", excerpt(l.key)), "any other, since this one marks the end of a load"
	}
	return "", ""
}

// scan reads a record as recorders write it: the known fields, in any order,
// without spaces or escapes. It reports whether it could; if not, the line may
// still be a valid record, which unmarshal decides. It is what makes reading
// take some 0.15 µs a line instead of 3 µs with encoding/json (BenchmarkScanLine).
func (l *traceLine) scan(text []byte) bool {
	*l = traceLine{t: -1}
	if len(text) < 2 || text[0] != '{' {
		return false
	}
	for rest := text[1:]; ; {
		name, after, ok := cutString(rest)
		if !ok || len(after) == 0 || after[0] != ':' {
			return false
		}
		if rest, ok = l.field(name, after[1:]); !ok || len(rest) == 0 {
			return false
		}
		switch rest[0] {
		case ',':
			rest = rest[1:]
		case '}':
			return len(rest) == 1
		default:
			return false
		}
	}
}

// field reads the value of the named field and returns what follows it.
func (l *traceLine) field(name, text []byte) (rest []byte, ok bool) {
	switch string(name) {
	case "t":
		l.t, rest, ok = cutNumber(text)
	case "gen", "size":
		_, rest, ok = cutNumber(text)
	case "resource":
		l.resource, rest, ok = cutString(text)
	case "type":
		l.typ, rest, ok = cutString(text)
	case "key":
		l.key, rest, ok = cutString(text)
	case "rv":
		l.rv, rest, ok = cutString(text)
	case "uid":
		_, rest, ok = cutString(text)
	case "initial":
		if rest, ok = bytes.CutPrefix(text, []byte("true")); ok {
			l.initial = true
		}
	}
	return rest, ok
}

// cutString cuts a quoted string without escapes off the front of text. It
// leaves everything but printable ASCII to encoding/json.
func cutString(text []byte) (value, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '"' {
		return nil, nil, false
	}
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return text[1:i], text[i+1:], true
		case c < ' ' || c > '~' || c == '\\':
			return nil, nil, false
		}
	}
	return nil, nil, false
}

// cutNumber cuts a whole number off the front of text.
func cutNumber(text []byte) (value int64, rest []byte, ok bool) {
	const safeDigits = 18 // that many cannot overflow an int64
	digits := 0
	for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
		value = value*10 + int64(text[digits]-'0')
		if digits++; digits > safeDigits {
			return 0, nil, false
		}
	}
	if digits == 0 || digits > 1 && text[0] == '0' {
		return 0, nil, false
	}
	return value, text[digits:], true
}

// unmarshal reads a record with encoding/json, which decides what is valid.
func (l *traceLine) unmarshal(text []byte) error {
	var record struct {
		T        *int64 `json:"t"`
		Resource string `json:"resource"`
		Type     string `json:"type"`
		Initial  bool   `json:"initial"`
		Key      string `json:"key"`
		UID      string `json:"uid"`
		RV       string `json:"rv"`
		Gen      int64  `json:"gen"`
		Size     int64  `json:"size"`
	}
	if err := json.Unmarshal(text, &record); err != nil {
		return err
	}
	*l = traceLine{
		t: -1, resource: []byte(record.Resource), typ: []byte(record.Type), key: []byte(record.Key),
		rv: []byte(record.RV), initial: record.Initial,
	}
	if record.T != nil {
		l.t = *record.T
	}
	return nil
}
