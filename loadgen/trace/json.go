package trace

import (
	"bytes"
	"encoding/json"
	"errors"
)

// A fault is what is wrong with a text, and where.
type fault struct {
	at              int // offset in the text
	found, expected string
}

// openObject checks that a text is one JSON object and returns where it begins.
func openObject(text []byte) (at int, wrong *fault) {
	if len(text) == 0 {
		return 0, &fault{0, "an empty line", "a JSON object"}
	}
	if !json.Valid(text) {
		return 0, garbled(text)
	}
	at = skipSpace(text, 0)
	if text[at] != '{' {
		return 0, &fault{at, excerpt(text[at:]), "a JSON object"}
	}
	return at, nil
}

// garbled returns what encoding/json has against a text.
func garbled(text []byte) *fault {
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, new(struct{})); !errors.As(err, &syntax) {
		return &fault{0, "no JSON", "a whole JSON object"}
	}
	if syntax.Error() == "unexpected end of JSON input" {
		return &fault{len(text), "the end of the line", "a whole JSON object"}
	}
	return &fault{int(syntax.Offset) - 1, syntax.Error(), "a whole JSON object"}
}

// A span is where a value lies in a text; the zero span is nowhere.
type span struct{ from, to int }

func (s span) of(text []byte) []byte { return text[s.from:s.to] }
func (s span) there() bool           { return s.to > 0 }

// members calls yield for each member of the object that begins at text[at].
// The text must be valid JSON: then finding the way through it takes little more
// than counting brackets, and unlike with encoding/json every value has a place.
func members(text []byte, at int, yield func(name []byte, value span)) {
	for i := skipSpace(text, at+1); text[i] != '}'; {
		end := skipValue(text, i)
		name := unquote(text[i:end])
		i = skipSpace(text, end) // the colon
		i = skipSpace(text, i+1)
		end = skipValue(text, i)
		yield(name, span{i, end})
		if i = skipSpace(text, end); text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns where the value that begins at text[i] ends.
func skipValue(text []byte, i int) int {
	switch text[i] {
	case '"':
		return skipString(text, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch text[i] {
			case '"':
				i = skipString(text, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(text) && bytes.IndexByte([]byte(",]} \t\r\n"), text[i]) < 0 {
		i++
	}
	return i
}

func skipString(text []byte, i int) int {
	for i++; ; i++ {
		quote := i + bytes.IndexByte(text[i:], '"')
		escape := bytes.IndexByte(text[i:quote], '\\')
		if escape < 0 {
			return quote + 1
		}
		i += escape + 1 // on what is escaped
	}
}

// unquote returns the text of a valid JSON string.
func unquote(quoted []byte) []byte {
	if value, rest, ok := cutString(quoted); ok && len(rest) == 0 {
		return value
	}
	var value string
	if err := json.Unmarshal(quoted, &value); err != nil {
		return nil // cannot be: it is valid
	}
	return []byte(value)
}
