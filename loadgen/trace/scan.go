package trace

import (
	"bytes"

	"informerlab/core/source"
)

// scan reads a record as recorders write it: the known fields but object, in any
// order, without spaces or escapes. It reports whether it could, and whether the
// record is right by itself; if not, parse decides, and tells what is wrong. It
// is what makes reading a compact trace many times faster than encoding/json
// (BenchmarkParse shows both).
func (rec *Record) scan(text []byte) bool {
	*rec = Record{T: -1}
	if len(text) < 2 || text[0] != '{' {
		return false
	}
	for rest := text[1:]; ; {
		name, after, ok := cutString(rest)
		if !ok || len(after) == 0 || after[0] != ':' {
			return false
		}
		if rest, ok = rec.scanField(name, after[1:]); !ok || len(rest) == 0 {
			return false
		}
		switch rest[0] {
		case ',':
			rest = rest[1:]
		case '}':
			return len(rest) == 1 && rec.whole()
		default:
			return false
		}
	}
}

// scanField reads the value of the named field and returns what follows it.
func (rec *Record) scanField(name, text []byte) (rest []byte, ok bool) {
	switch string(name) {
	case "t":
		rec.T, rest, ok = cutNumber(text)
	case "resource":
		rec.Resource, rest, ok = cutString(text)
	case "type":
		var value []byte
		if value, rest, ok = cutString(text); ok {
			rec.Type = typeOf(value)
		}
	case "key":
		rec.Key, rest, ok = cutString(text)
	case "uid":
		rec.UID, rest, ok = cutString(text)
	case "rv":
		rec.RV, rest, ok = cutString(text)
	case "gen":
		rec.Gen, rest, ok = cutNumber(text)
	case "size":
		rec.Size, rest, ok = cutNumber(text)
	case "initial":
		if rest, ok = bytes.CutPrefix(text, []byte("true")); ok {
			rec.Initial = true
		}
	}
	return rest, ok
}

// whole reports whether all fields are there and right by themselves, and sets
// Version.
func (rec *Record) whole() bool {
	version, ok := versionOf(rec.RV)
	rec.Version = version
	if !ok || rec.T < 0 || len(rec.Resource) == 0 || rec.Type == 0 {
		return false
	}
	if rec.Type == source.Bookmark {
		return len(rec.Key) == 0
	}
	return validKey(rec.Key)
}

func typeOf(text []byte) source.EventType {
	switch string(text) {
	case "ADDED":
		return source.Added
	case "MODIFIED":
		return source.Modified
	case "DELETED":
		return source.Deleted
	case "BOOKMARK":
		return source.Bookmark
	}
	return 0
}

// versionOf reads a positive number of decimal digits.
func versionOf(text []byte) (uint64, bool) {
	n, rest, ok := cutNumber(text)
	return uint64(n), ok && len(rest) == 0 && n > 0
}

// validKey reports whether a key is namespace/name or name.
func validKey(key []byte) bool {
	slash := bytes.IndexByte(key, '/')
	return slash != 0 && len(key) != slash+1 && bytes.IndexByte(key[slash+1:], '/') < 0
}

// cutString cuts a quoted string without escapes off the front of text. It
// leaves everything but printable ASCII to encoding/json.
func cutString(text []byte) (value, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '"' {
		return nil, nil, false
	}
	for i, c := range text[1:] {
		if special[c] {
			return text[1 : i+1], text[i+2:], c == '"'
		}
	}
	return nil, nil, false
}

// special are the bytes that end a string, or the hope to read it fast.
var special = func() (special [256]bool) {
	for c := range special {
		special[c] = c < ' ' || c > '~' || c == '"' || c == '\\'
	}
	return special
}()

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
