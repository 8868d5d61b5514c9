package trace

import (
	"bytes"
	"fmt"

	"informerlab/core/source"
)

// A field is one of the fields of a record.
type field int

const (
	fieldT field = iota
	fieldResource
	fieldType
	fieldInitial
	fieldKey
	fieldUID
	fieldRV
	fieldGen
	fieldSize
	fieldObject
	fieldCount
)

var fieldNames = [fieldCount]string{"t", "resource", "type", "initial", "key", "uid", "rv", "gen", "size", "object"}

// metadataNames are the names of those fields that an object's metadata has.
var metadataNames = [fieldCount]string{
	fieldKey: "name", fieldUID: "uid", fieldRV: "resourceVersion", fieldGen: "generation",
}

// fieldOf returns the field of a name, or fieldCount if it is none.
func fieldOf(name []byte, names *[fieldCount]string) field {
	for f, n := range names {
		if n != "" && string(name) == n {
			return field(f)
		}
	}
	return fieldCount
}

// Places are where the values of a record lie in its line. Those that are absent
// are where what could have held them begins.
type places [fieldCount]int

// parse reads a record from a line in any form that the format allows. It fills
// in places as far as it comes.
func (rec *Record) parse(text []byte, where *places) *fault {
	*rec, *where = Record{T: -1}, places{}
	begin, wrong := openObject(text)
	if wrong != nil {
		return wrong
	}
	p := parser{text: text, where: where, names: &fieldNames}
	for f := range where {
		where[f] = begin
	}
	members(text, begin, func(name []byte, value span) {
		if f := fieldOf(name, p.names); f < fieldCount {
			p.spans[f], where[f] = value, value.from
		}
	})
	p.record(rec)
	return p.wrong
}

// A parser turns the fields of one line into values. It keeps the first fault.
type parser struct {
	text  []byte
	spans [fieldCount]span
	where *places
	wrong *fault
	names *[fieldCount]string // that the fields have in the text
}

func (p *parser) fail(f field, found, expected string) {
	if p.wrong == nil {
		p.wrong = &fault{p.where[f], found, expected}
	}
}

// unlike fails because the value of a field is of another kind.
func (p *parser) unlike(f field, expected string) {
	p.fail(f, fmt.Sprintf("%s = %s", p.names[f], excerpt(p.spans[f].of(p.text))), expected)
}

func (p *parser) string(f field) []byte {
	if !p.spans[f].there() {
		return nil
	}
	quoted := p.spans[f].of(p.text)
	if quoted[0] != '"' {
		p.unlike(f, "text in quotes")
		return nil
	}
	return unquote(quoted)
}

func (p *parser) number(f field) int64 {
	if !p.spans[f].there() {
		return 0
	}
	n, rest, ok := cutNumber(p.spans[f].of(p.text))
	if !ok || len(rest) > 0 {
		p.unlike(f, "a whole number from 0 of at most 18 digits")
	}
	return n
}

func (p *parser) flag(f field) bool {
	if !p.spans[f].there() {
		return false
	}
	value := string(p.spans[f].of(p.text))
	if value != "true" && value != "false" {
		p.unlike(f, "true or false")
	}
	return value == "true"
}

func (p *parser) record(rec *Record) {
	if !p.spans[fieldT].there() {
		p.fail(fieldT, "no t", "nanoseconds since the recording began")
	}
	rec.T = p.number(fieldT)
	rec.Resource = p.string(fieldResource)
	if len(rec.Resource) == 0 {
		p.fail(fieldResource, "no resource", `a name such as "pods"`)
	}
	typ := p.string(fieldType)
	switch rec.Type = typeOf(typ); {
	case !p.spans[fieldType].there():
		p.fail(fieldType, "no type", "ADDED, MODIFIED, DELETED or BOOKMARK")
	case rec.Type == 0:
		p.fail(fieldType, fmt.Sprintf("type %s", quote(typ)), "ADDED, MODIFIED, DELETED or BOOKMARK")
	}
	rec.Initial = p.flag(fieldInitial)
	rec.Key, rec.UID, rec.RV = p.string(fieldKey), p.string(fieldUID), p.string(fieldRV)
	rec.Gen, rec.Size = p.number(fieldGen), p.number(fieldSize)
	if p.spans[fieldObject].there() {
		p.object(rec)
	}
	p.identity(rec)
}

// identity checks what names the object and its version.
func (p *parser) identity(rec *Record) {
	missing := `"key":"namespace/name"`
	if rec.Object != nil {
		missing = "metadata.name in it, or a key beside it"
	}
	switch bookmark := rec.Type == source.Bookmark; {
	case bookmark && len(rec.Key) > 0:
		p.fail(fieldKey, fmt.Sprintf("key %s of a bookmark", quote(rec.Key)), "none")
	case bookmark:
	case len(rec.Key) == 0 && rec.Object != nil:
		p.fail(fieldObject, "an object without a name", missing)
	case len(rec.Key) == 0:
		p.fail(fieldKey, "no key", missing)
	case !validKey(rec.Key):
		p.fail(fieldKey, fmt.Sprintf("key %s", quote(rec.Key)), "namespace/name or name")
	}
	var ok bool
	if rec.Version, ok = versionOf(rec.RV); !ok {
		found := "no rv"
		if len(rec.RV) > 0 {
			found = fmt.Sprintf("rv %s", quote(rec.RV))
		}
		p.fail(fieldRV, found, "a resource version in decimal digits")
	}
}

// object takes from the object what does not stand beside it.
func (p *parser) object(rec *Record) {
	object := p.spans[fieldObject]
	if p.text[object.from] != '{' {
		p.unlike(fieldObject, "a JSON object")
		return
	}
	rec.Object = object.of(p.text)
	if !p.spans[fieldSize].there() {
		rec.Size = int64(object.to - object.from)
	}
	m := parser{text: p.text, where: &places{}, names: &metadataNames}
	namespace, wrong := m.metadata(object.from)
	for _, f := range []field{fieldKey, fieldUID, fieldRV, fieldGen} {
		if !p.spans[f].there() {
			p.where[f] = m.where[f]
		}
	}
	if m.wrong = wrong; rec.Type == source.Bookmark {
		m.spans = [fieldCount]span{fieldRV: m.spans[fieldRV]}
	}
	if !p.spans[fieldKey].there() {
		rec.Key = m.string(fieldKey)
		if len(namespace) > 0 && len(rec.Key) > 0 {
			rec.Key = bytes.Join([][]byte{namespace, rec.Key}, []byte("/"))
		}
	}
	if !p.spans[fieldUID].there() {
		rec.UID = m.string(fieldUID)
	}
	if !p.spans[fieldRV].there() {
		rec.RV = m.string(fieldRV)
	}
	if !p.spans[fieldGen].there() {
		rec.Gen = m.number(fieldGen)
	}
	if p.wrong == nil {
		p.wrong = m.wrong
	}
}

// metadata finds the fields of an object's metadata, and its namespace.
func (p *parser) metadata(begin int) (namespace []byte, wrong *fault) {
	metadata := span{}
	members(p.text, begin, func(name []byte, value span) {
		if string(name) == "metadata" {
			metadata = value
		}
	})
	for f := range p.where {
		p.where[f] = max(begin, metadata.from)
	}
	if !metadata.there() {
		return nil, nil
	}
	if p.text[metadata.from] != '{' {
		found := "metadata = " + excerpt(metadata.of(p.text))
		return nil, &fault{metadata.from, found, "a JSON object"}
	}
	members(p.text, metadata.from, func(name []byte, value span) {
		switch {
		case string(name) != "namespace":
		case p.text[value.from] == '"':
			namespace = unquote(value.of(p.text))
		default:
			wrong = &fault{value.from, "namespace = " + excerpt(value.of(p.text)), "text in quotes"}
		}
		if f := fieldOf(name, p.names); f < fieldCount {
			p.spans[f], p.where[f] = value, value.from
		}
	})
	return namespace, wrong
}
